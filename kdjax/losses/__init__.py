"""Distillation losses: pure functions, arrays in, a scalar out. Organised by the kind of knowledge they transfer.

Student first, teacher second; maps NHWC, vectors [B, D], logits [B, C]. Everything jits, differentiates and vmaps;
float32 gives float32, float64 float64, and bfloat16 is computed (and returned) in float32. Gradients flow into every
argument unless a docstring says "detached". A teacher's feature is frozen by the caller. Arguments that would fit by
broadcasting alone (a teacher of one sample, one-hot labels) raise ValueError with their shapes.
"""
from kdjax.losses.contrastive import (
    crd,
    crd_fifo,
    dcd,
    memory_update,
    nce_from_scores,
    queue_enqueue,
    rrd,
    rrd_momentum,
    score_norm,
)
from kdjax.losses.feature import (
    activation_boundary,
    attention,
    attention_map,
    factor_transfer,
    hint,
    nst,
    semckd,
    semckd_weights,
    simkd,
    srrl,
)
from kdjax.losses.information import itrd_correlation, itrd_mutual, pkt, vid
from kdjax.losses.level import cat_kd, ofd, ofd_margin, reviewkd
from kdjax.losses.ops import adaptive_avg_pool, l2_normalize, smooth_l1
from kdjax.losses.prediction import dist, mlkd
from kdjax.losses.prototype import norm_direction, prototype_relation, prsd, prsd_density
from kdjax.losses.region import multi_scale_pool, sdd_dkd, sdd_kd
from kdjax.losses.relation import correlation_congruence, ega, fsp, ickd, kdsvd, rkd, similarity
from kdjax.losses.response import dkd, kl_divergence, nkd, rld, ttm, wsld, wttm
from kdjax.losses.temperature import ctkd_scale, ctkd_temperature, scale_gradient, standardize_logits

__all__ = [
    "activation_boundary", "adaptive_avg_pool", "attention", "attention_map", "cat_kd", "correlation_congruence",
    "crd", "crd_fifo", "ctkd_scale", "ctkd_temperature", "dcd", "dist", "dkd", "ega", "factor_transfer", "fsp",
    "hint", "ickd", "itrd_correlation", "itrd_mutual", "kdsvd", "kl_divergence", "l2_normalize", "memory_update",
    "mlkd", "multi_scale_pool", "nce_from_scores", "nkd", "norm_direction", "nst", "ofd", "ofd_margin", "pkt",
    "prototype_relation", "prsd", "prsd_density", "queue_enqueue", "reviewkd", "rkd", "rld", "rrd", "rrd_momentum",
    "scale_gradient", "score_norm", "sdd_dkd", "sdd_kd", "semckd", "semckd_weights", "similarity", "simkd",
    "smooth_l1", "srrl", "standardize_logits", "ttm", "vid", "wsld", "wttm",
]
