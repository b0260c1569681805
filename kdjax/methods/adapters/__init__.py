"""The trainable modules between student and teacher: each a function of shapes that gives a `models.Functional`.

Shapes are a network's `feature_shapes`: (H, W, C) for maps, D for vectors. Attribute paths equal the torch names of the
originals (spec/models.md, section 7), so that their weights can be renamed in. Batch statistics live in the
Functional's batch_stats. Apply one with `apply(variables, x, train=...) -> (output, batch_stats)`; what each returns is
in its docstring.
"""
from kdjax.methods.adapters.attention import semckd
from kdjax.methods.adapters.levels import ofd_connector, reviewkd_fusion
from kdjax.methods.adapters.maps import (
    connector,
    conv_reg,
    ickd_embed,
    paraphraser,
    simkd_projector,
    srrl_transfer,
    translator,
    vid_regressor,
    vid_seed_regressor,
)
from kdjax.methods.adapters.vectors import (
    ctkd_parameter,
    dcd_scales,
    embed,
    itrd_embed,
    kdpp_projector,
    linear_embed,
    mlp_embed,
    predictor,
    regress,
    unit_linear,
)

__all__ = [
    "connector",
    "conv_reg",
    "ctkd_parameter",
    "dcd_scales",
    "embed",
    "ickd_embed",
    "itrd_embed",
    "kdpp_projector",
    "linear_embed",
    "mlp_embed",
    "ofd_connector",
    "paraphraser",
    "predictor",
    "regress",
    "reviewkd_fusion",
    "semckd",
    "simkd_projector",
    "srrl_transfer",
    "translator",
    "unit_linear",
    "vid_regressor",
    "vid_seed_regressor",
]
