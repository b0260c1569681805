"""Cases of the methods of 2019 to 2025, as arguments of `cases.Case`. beta: each moves the student as labels do."""

SAME = {"teacher": "wrn_10_1"}  # the student's own channels everywhere
SMALL = {"teacher": "ShuffleV2_0_3"}  # maps half as large as the student's
CASES = {
    "ofd": dict(method="ofd", beta=0.001, teacher_stats="batch"),
    "ofd deeper": dict(method="ofd", beta=0.001, teacher_stats="batch", teacher="MobileNetV2_0_25"),  # enlarged maps
    "reviewkd": dict(method="reviewkd", options={"reviewkd.warmup_epochs": 3}, theirs=("reviewkd", {"warmup": 3})),
    "reviewkd smaller": dict(method="reviewkd", options={"reviewkd.warmup_epochs": 0},
                             theirs=("reviewkd", {"warmup": 0}), **SMALL),
    "dist": dict(method="dist", options={"dist.temperature": 2.0}, theirs=("dist", {"temperature": 2.0})),
    "lskd": dict(method="lskd"),
    "dkd standardised": dict(method="dkd", options={"dkd.warmup_epochs": 4, "dkd.standardize": True,
                                                    "dkd.temperature": 2.0},
                             theirs=("dkd", {"standardize": True, "temperature": 2.0, "warmup": 4})),
    "mlkd": dict(method="mlkd", theirs=("mlkd", {"strong_ce": 0.7})),
    "cat_kd": dict(method="cat_kd", beta=10.0),
    "cat_kd raw": dict(method="cat_kd", beta=0.1, options={"cat_kd.resolution": 4, "cat_kd.normalize": False},
                       theirs=("cat_kd", {"resolution": 4, "normalize": False}), **SMALL),
    "ctkd": dict(method="ctkd", options={"ctkd.loops": 4}, theirs=("ctkd", {"loops": 4})),
    "ctkd dkd": dict(method="ctkd", options={"ctkd.loops": 4, "ctkd.loss": "dkd", "ctkd.standardize": True},
                     theirs=("ctkd", {"loops": 4, "loss": "dkd", "standardize": True})),
    "nkd": dict(method="nkd", beta=0.3),
    "ttm": dict(method="ttm", beta=3.0),
    "wttm": dict(method="wttm"),
    # With these salts the teacher's regions contradict its whole image here and there.
    "sdd": dict(method="sdd", options={"sdd.warmup_epochs": 3}, theirs=("sdd", {"warmup": 3}), salt="parity3:"),
    "sdd kd": dict(method="sdd", options={"sdd.loss": "kd", "sdd.scales": (1, 2), "sdd.warmup_epochs": 0},
                   theirs=("sdd", {"loss": "kd", "scales": (1, 2), "warmup": 0}), salt="parity2:", **SMALL),
    "kdpp": dict(method="kdpp", options={"kdpp.warmup_epochs": 3, "kdpp.nd_weight": 5.0},
                 theirs=("kdpp", {"warmup": 3, "nd_weight": 5.0})),
    "kdpp same width": dict(method="kdpp", options={"kdpp.warmup_epochs": 0}, theirs=("kdpp", {"warmup": 0}), **SAME),
    "rld": dict(method="rld", options={"rld.warmup_epochs": 3}, theirs=("rld", {"warmup": 3})),
    "rld standardised": dict(method="rld",
                             options={"rld.warmup_epochs": 0, "rld.standardize": True, "rld.same_t": True},
                             theirs=("rld", {"warmup": 0, "standardize": True, "alpha_temperature": 4.0})),
}
