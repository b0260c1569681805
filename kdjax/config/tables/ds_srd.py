"""DS-SRD: the double student, mixed images, prototypes."""
from kdjax.config.field import TINY, Field

MODES = ("identity", "flip", "crop", "crop+flip", "cutout", "autoaugment", "mixup", "manifold_mixup", "cutmix",
         "patchmix", "same")
PICKS = ("cutmix_pick", "DA_pick")
CRITERIA = ("student_entropy", "teacher_entropy", "kld", "dissimilarity")

FIELDS = {
    "kd.teacher_view": Field("same", "in programs of two views: the teacher sees the `same` view as the student, or "
                             "the `other` (strong) one, as the prototype release has it", choices=("same", "other")),
    "ds.legacy": Field(False, "the double student as released: its strong student is never optimised, its teacher "
                       "starts elsewhere and its statistics stay 0 and 1"),
    "ds.optimize_strong": Field(True, "the optimizer owns the strong student too (released: not)"),
    "ds.teacher_init": Field("copy", "the teacher starts as a `copy` of the strong encoder, or `random` (released)",
                             choices=("copy", "random")),
    "ds.ema_decay": Field(0.99, "share of the old teacher after each step", high=1),
    "ds.ema_bn": Field("copy", "the teacher's running statistics: a `copy` of the encoder's, averaged like the "
                       "parameters (`ema`), or `none`: never filled (released)", choices=("copy", "ema", "none")),
    "ds.strong_ce": Field("both", "what the labels supervise: `encoder` logits, `predictor` logits (released), or the "
                          "mean of `both`", choices=("both", "encoder", "predictor")),
    "ds.lr_strong": Field(0.05, "base rate of the strong student; 0: the weak one's (released)"),
    "ds.kd_weight": Field(1.0, "weight of the weak student's KL divergence from the teacher"),
    "mix.mode": Field("", "how x' is made of a batch; empty: no x'", choices=("", *MODES, *PICKS),
                      flags=("--mix_mode",)),
    "mix.weights": Field((1.0, 0.0, 1.0), "inside alpha: of KD(x), of the mixed cross-entropy, of KD(x')", items=float,
                         flags=("--lw_mix",)),
    "mix.granularity": Field("batch", "one draw a `batch`, as released, or one a `sample`",
                             choices=("batch", "sample")),
    "mix.base": Field("cutmix", "what fills the pool of `DA_pick`", choices=MODES, flags=("--DA_pick_base",)),
    "mix.box": Field("area", "cutmix's box: of the `area` that lambda says, or between two random `corners`",
                     choices=("area", "corners")),
    "mix.runs": Field(2, "batches in the pool that is picked from", low=1, high=99, flags=("--mix_n_run",)),
    "mix.criterion": Field("student_entropy", "what is picked: the highest of this", choices=CRITERIA,
                           flags=("--cutmix_pick_criterion",)),
    "mix.n_pick": Field(0, "how many are picked; 0: as many as the batch has", flags=("--n_pick",)),
    "mix.pick_bn": Field("eval", "the student's batch norms while it scores a pool: `eval`, or `batch` (released)",
                         choices=("eval", "batch")),
    "mix.log_scores": Field(False, "logs the mean of the criterion over the pool, over what is picked, and over the "
                            "images themselves"),
    "mix.ceiling": Field("", "greatest lambda of cutmix and patchmix by epoch, such as 0:0.75,150:1",
                         flags=("--ceiling_ratio_schedule",)),
    "mix.floor": Field("", "least lambda by epoch", flags=("--floor_ratio_schedule",)),
    "mix.until_epoch": Field(0, "no x' after this epoch; 0: always", flags=("--input_mix_no_kld_epoch",)),
    "mix.fresh_teacher": Field(True, "the teacher looks at x'; False: its logits of x are mixed",
                               flags=("--t_output_as_target_for_input_mix",)),
    "mix.cutout_side": Field(0, "pixels; 0: a quarter of the image, 16 for CIFAR-10"),
    "mix.ce_share": Field(1.0, "share of the batch that the cross-entropy sees", low=TINY, high=1,
                          flags=("--ratio_CE_loss",)),
    "mix.student_input": Field("", "what the student alone sees damaged: `cutout` or `masking`; empty: nothing",
                               choices=("", "cutout", "masking"), flags=("--modify_student_input",)),
    "mix.mask_cells": Field(4, "masking: cells along a side of the image", low=1, high=99, flags=("--n_patch",)),
    "mix.mask_share": Field(0.5, "masking: share of the cells that are set to 0", high=1,
                            flags=("--mask_zero_ratio",)),
    "method.proto.weight": Field(0.8, "of the prototype term, outside beta", flags=("--betac",)),
    "method.proto.reference": Field("teacher", "whose relations to the prototypes the student imitates: the `teacher`, "
                                    "its own on a strong view (`self_view`), an average of it (`ema_student`)",
                                    choices=("teacher", "self_view", "ema_student")),
    "method.proto.detach_ref": Field(True, "no gradient through the reference (released, own view: with)"),
    "method.proto.num_clusters": Field((500, 800, 1000), "one clustering for each number", items=int,
                                       flags=("--num_cluster",)),
    "method.proto.num_negatives": Field(100, "prototypes beside the batch's own, for each clustering", low=1),
    "method.proto.temperature": Field(0.1, "mean density of the clusters", low=TINY, flags=("--temperature",)),
    "method.proto.start_epoch": Field(10, "first epoch with prototypes", low=1, flags=("--warmup_epoch",)),
    "method.proto.recluster_every": Field(0, "cluster again after so many epochs; 0: once, for a frozen teacher's "
                                          "features never change (released: 1)"),
    "method.proto.legacy_halving": Field(False, "as released, halve features of norm above 1.5 instead of normalising"),
    "method.proto.align": Field("error", "networks of other widths: `error`, or a `linear` map that is learned",
                                choices=("error", "linear")),
    "method.proto.tap": Field("penultimate", "what is compared: `penultimate` features or `logits`",
                              choices=("penultimate", "logits")),
    "method.proto.num_iters": Field(20, "of k-means", low=1),
    "method.proto.restarts": Field(5, "of k-means; the best is kept", low=1),
    "method.proto.ema_decay": Field(0.99, "`ema_student`: share of the old average after each step", high=1),
    "method.proto.ema_init": Field("copy", "`ema_student` starts as a `copy`, or `random` (released)",
                                   choices=("copy", "random")),
    "method.proto.ema_bn": Field("copy", "`ema_student`'s running statistics: `copy`, `ema`, or `own`: never filled "
                                 "(released)", choices=("copy", "ema", "own")),
}
