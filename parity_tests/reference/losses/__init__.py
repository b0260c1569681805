"""The losses of `kdjax.losses` in PyTorch: same names, same arguments, NCHW maps."""
from parity_tests.reference.losses.contrastive import (
    crd,
    crd_fifo,
    dcd,
    memory_update,
    queue_enqueue,
    rrd,
    rrd_momentum,
)
from parity_tests.reference.losses.feature import (
    activation_boundary,
    attention,
    factor_transfer,
    hint,
    semckd,
    semckd_weights,
    simkd,
    srrl,
)
from parity_tests.reference.losses.information import itrd_correlation, itrd_mutual, vid
from parity_tests.reference.losses.level import cat_kd, ofd, ofd_margin, reviewkd
from parity_tests.reference.losses.ops import adaptive_avg_pool, l2_normalize, smooth_l1
from parity_tests.reference.losses.prediction import dist, mlkd
from parity_tests.reference.losses.prototype import norm_direction, prototype_relation, prsd, prsd_density
from parity_tests.reference.losses.region import multi_scale_pool, sdd_dkd, sdd_kd
from parity_tests.reference.losses.relation import correlation_congruence, ega, fsp, ickd, nst, pkt, rkd, similarity
from parity_tests.reference.losses.response import dkd, kl_divergence, nkd, rld, ttm, wsld, wttm
from parity_tests.reference.losses.spectral import kdsvd
from parity_tests.reference.losses.temperature import (
    ctkd_scale,
    ctkd_temperature,
    scale_gradient,
    standardize_logits,
)

__all__ = [
    "activation_boundary", "adaptive_avg_pool", "attention", "cat_kd", "correlation_congruence", "crd", "crd_fifo",
    "ctkd_scale", "ctkd_temperature", "dcd", "dist", "dkd", "ega", "factor_transfer", "fsp", "hint", "ickd",
    "itrd_correlation", "itrd_mutual", "kdsvd", "kl_divergence", "l2_normalize", "memory_update", "mlkd",
    "multi_scale_pool", "nkd", "norm_direction", "nst", "ofd", "ofd_margin", "pkt", "prototype_relation", "prsd",
    "prsd_density", "queue_enqueue", "reviewkd", "rkd", "rld", "rrd", "rrd_momentum", "scale_gradient", "sdd_dkd",
    "sdd_kd", "semckd",
    "semckd_weights", "similarity", "simkd", "smooth_l1", "srrl", "standardize_logits", "ttm", "vid", "wsld", "wttm",
]
