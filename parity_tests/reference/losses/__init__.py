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
from parity_tests.reference.losses.ops import adaptive_avg_pool, l2_normalize, smooth_l1
from parity_tests.reference.losses.prototype import prsd, prsd_density
from parity_tests.reference.losses.relation import correlation_congruence, ega, fsp, ickd, nst, pkt, rkd, similarity
from parity_tests.reference.losses.response import dkd, kl_divergence, wsld
from parity_tests.reference.losses.spectral import kdsvd

__all__ = [
    "activation_boundary", "adaptive_avg_pool", "attention", "correlation_congruence", "crd", "crd_fifo", "dcd", "dkd",
    "ega", "factor_transfer", "fsp", "hint", "ickd", "itrd_correlation", "itrd_mutual", "kdsvd", "kl_divergence",
    "l2_normalize", "memory_update", "nst", "pkt", "prsd", "prsd_density", "queue_enqueue", "rkd", "rrd",
    "rrd_momentum", "semckd", "semckd_weights", "similarity", "simkd", "smooth_l1", "srrl", "vid", "wsld",
]
