"""The objective's weights, and the optimizer."""
import math

from kdjax.config.field import TINY, Field

FIELDS = {
    "loss.gamma": Field(1.0, "weight of the cross-entropy", flags=("-r", "--gamma", "--cls")),
    "loss.alpha": Field(0.0, "weight of the KL divergence between softened logits",
                        flags=("-a", "--alpha", "-d", "--div", "--knowledge-distillation-factor")),
    "loss.kd_kind": Field("kl", "what alpha weighs: the `kl` divergence, or `dkd` in its place (`method.dkd`)",
                          choices=("kl", "dkd")),
    "loss.beta": Field(1.0, "weight of the method's sum of terms",
                       flags=("-b", "--beta", "--variational-information-distillation-factor")),
    "loss.kd_temperature": Field(4.0, "T of that KL divergence", low=TINY,
                                 flags=("--kd_T", "--knowledge-distillation-temperature")),
    "optim.lr": Field(None, "base rate; None: 0.05, or `optim.lr_override` by the student's name", kind=float, low=TINY,
                      high=math.inf, flags=("--learning_rate", "--lr")),
    "optim.lr_override.MobileNetV2": Field(0.01, "base rate of this student; other names can be added", low=TINY),
    "optim.lr_override.ShuffleV1": Field(0.01, "base rate of this student", low=TINY),
    "optim.lr_override.ShuffleV2": Field(0.01, "base rate of this student", low=TINY),
    "optim.momentum": Field(0.9, "of SGD; no dampening", high=1, flags=("--momentum",)),
    "optim.nesterov": Field(False, "Nesterov momentum"),
    "optim.weight_decay": Field(5e-4, "on every trained parameter, before momentum",
                                flags=("--weight_decay", "--weight-decay")),
    "optim.warmup_epochs": Field(0, "linear warm-up, by step"),
    "optim.schedule.kind": Field("step", "`step`, `cosine`, `constant`; `warmup_cosine`: DS-SRD's ramp to a cosine; "
                                 "`pretext_cosine`, `pretext_step`: i-Mix's, the rate per 256 images",
                                 choices=("step", "cosine", "constant", "warmup_cosine", "pretext_cosine",
                                          "pretext_step")),
    "optim.schedule.milestones": Field((150, 180, 210), "epochs after which the rate is multiplied by `decay`",
                                       items=int, flags=("--lr_decay_epochs",)),
    "optim.schedule.scale": Field(False, "where `train.epochs` is changed: move the config's milestones to the same "
                                  "fractions of it; milestones that are given stay", may_change="always"),
    "optim.schedule.decay": Field(0.1, "factor at each milestone", low=TINY,
                                  flags=("--lr_decay_rate", "--lr_decay_riate")),  # the second: a release's spelling
    "optim.schedule.offset": Field(0, "the cosines: 1 counts epochs as DS-SRD does, 0 is the clean form", high=1),
}
