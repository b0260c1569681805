"""What the methods of 2019 to 2025 can be told; the defaults are the releases'."""
from kdjax.config.field import TINY, Field

STANDARDIZE = "logits standardised first (logit standardisation); "
INSIDE = dict(choices=("kd", "dkd"))
WARM_UP = "epochs over which the whole term grows to its weight; 0: none"
HELD = dict(low=-1e6, high=1e6)

FIELDS = {
    "method.dkd.standardize": Field(False, STANDARDIZE + "`temperature` is the base"),
    "method.reviewkd.warmup_epochs": Field(20, WARM_UP),
    "method.dist.beta": Field(1.0, "weight of the correlation within each sample"),
    "method.dist.gamma": Field(1.0, "weight of the correlation within each class"),
    "method.dist.temperature": Field(4.0, "T of the predictions; the release has 1 on ImageNet", low=TINY),
    "method.lskd.temperature": Field(2.0, "base temperature of the standardised logits", low=TINY),
    "method.mlkd.temperature": Field(4.0, "the first of five temperatures; the others are 3, 5, 2, 6", low=TINY),
    "method.mlkd.standardize": Field(False, "the instance level on standardised logits"),
    "method.cat_kd.resolution": Field(2, "positions a side that class activation maps are pooled to", low=1, high=4096),
    "method.cat_kd.normalize": Field(True, "each class's map to unit length"),
    "method.ctkd.loss": Field("kd", "`kd`, or `dkd` with method.dkd's alpha and beta, at the learned temperature",
                              **INSIDE),
    "method.ctkd.t_start": Field(1.0, "least temperature", low=TINY),
    "method.ctkd.t_end": Field(20.0, "how far above it the temperature may rise"),
    "method.ctkd.loops": Field(10, "epochs until the temperature's gradient is fully reversed", low=1),
    "method.ctkd.decay_max": Field(0.0, "factor of the temperature's gradient at the start", **HELD),
    "method.ctkd.decay_min": Field(-1.0, "factor of the temperature's gradient in the end", **HELD),
    "method.ctkd.standardize": Field(False, STANDARDIZE + "before the learned temperature"),
    "method.nkd.gamma": Field(3.5, "weight of the other classes' cross-entropy; the release has 1.5 on ImageNet"),
    "method.nkd.temperature": Field(3.0, "T of the other classes; the release has 1 on ImageNet", low=TINY),
    "method.ttm.power": Field(0.1, "of the teacher's probabilities: 1 / T", low=TINY, flags=("--ttm_l",)),
    "method.wttm.power": Field(0.2, "of the teacher's probabilities: 1 / T", low=TINY, flags=("--ttm_l",)),
    "method.sdd.loss": Field("dkd", "`kd` or `dkd` of every region", **INSIDE),
    "method.sdd.scales": Field((1, 2, 4), "cells a side of each grid of regions", items=int, low=1, high=4096),
    "method.sdd.alpha": Field(1.0, "weight of the target class's part of `dkd`"),
    "method.sdd.beta": Field(8.0, "weight of the other classes' part of `dkd`"),
    "method.sdd.temperature": Field(4.0, "T of the regions", low=TINY),
    "method.sdd.warmup_epochs": Field(20, WARM_UP),
    "method.kdpp.kd_weight": Field(1.0, "weight of its own KL"),
    "method.kdpp.nd_weight": Field(2.0, "weight of norm and direction"),
    "method.kdpp.temperature": Field(4.0, "T of its own KL", low=TINY),
    "method.kdpp.warmup_epochs": Field(20, "epochs over which its own KL grows, from 0; 0: none"),
    "method.rld.alpha": Field(1.0, "weight of the sample confidence"),
    "method.rld.beta": Field(8.0, "weight of the masked correlation"),
    "method.rld.temperature": Field(4.0, "T of the masked correlation", low=TINY),
    "method.rld.alpha_temperature": Field(1.0, "T of the sample confidence", low=TINY),
    "method.rld.same_t": Field(False, "both parts at `temperature`", flags=("--same-t",)),
    "method.rld.standardize": Field(False, STANDARDIZE + "both parts see them"),
    "method.rld.warmup_epochs": Field(20, WARM_UP),
}
