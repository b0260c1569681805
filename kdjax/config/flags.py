"""The original programs' flags as kdjax's fields, so that their commands run as they stand.

Most flags are named beside their field (`Field.flags`); here are the others, and the programs that a command may begin
with. A new program is one entry of PROGRAMS: its config, and the flags in which it differs.
"""
from __future__ import annotations

from typing import NamedTuple

from kdjax.config.fields import FIELDS


class Flag(NamedTuple):
    """What a flag does. fields: it sets all of these; without any it is accepted and has no meaning here.

    to: the value that it sets when it stands alone (None: its value follows). words: the originals' values that are
    called otherwise here; other: what all others are called. part: where in a "_"-joined name its value goes (0: it is
    the whole value).
    """

    fields: tuple[str, ...] = ()
    to: str | None = None
    words: dict[str, str] = {}
    part: int = 0
    other: str | None = None


class Program(NamedTuple):
    """An original program. config: what it stands for ("": --distill names it). flags: its own, before the common ones;
    each a Flag or a field's name. words: the fields that words without a flag set, in order ("": none)."""

    config: str = ""
    flags: dict[str, Flag | str] = {}
    words: tuple[str, ...] = ()

    def table(self) -> dict[str, Flag]:
        """Every flag that it takes, under `spelled` names."""
        own = {flag: sets(what) if isinstance(what, str) else what for flag, what in self.flags.items()}
        return {spelled(flag): what for flag, what in (COMMON | own).items()}


def spelled(flag: str) -> str:
    """One spelling for --weight-decay and --weight_decay; the originals have both."""
    return flag[:2] + flag[2:].replace("-", "_")


def sets(*fields: str) -> Flag:
    """The flag that sets some fields of one type; a yes-or-no field's needs no value."""
    return Flag(fields, "True" if FIELDS[fields[0]].kind is bool else None)


def of_fields() -> dict[str, Flag]:
    """The flags that the table of fields names."""
    found = {}
    for name, field in FIELDS.items():
        for flag in field.flags:
            found[flag] = (*found.get(flag, ()), name)
    return {flag: sets(*names) for flag, names in found.items()}


FOLLOWED = ("--tb_freq --num_workers --workers -j --gpu_id --gpu --device --dali --dist_url "
            "--dist_backend --world_size --rank --local_rank --qk_dim")  # what JAX finds by itself, and no record here
ALONE = "--multiprocessing_distributed"
NAMED = of_fields()
COMMON = NAMED | {
    "--memory_type": NAMED["--memory_type"]._replace(words={"fifo": "queue", "momentum": "bank"}),
    "--save_freq": NAMED["--save_freq"]._replace(words={"-1": "1000000"}),  # at the end only
    "--cosine": Flag(("optim.schedule.kind",), "cosine"),
    "--skip_validation": Flag(("teacher.min_accuracy",), "0"),  # of the teacher
    "--student-depth": Flag(("student.name",), part=1), "--student-width": Flag(("student.name",), part=2),
    "--teacher-depth": Flag(("teacher.name",), part=1), "--teacher-width": Flag(("teacher.name",), part=2),
    "--depth": Flag(("student.name",), part=1), "--width": Flag(("student.name",), part=2),
} | {flag: Flag() for flag in FOLLOWED.split()} | {flag: Flag(to="") for flag in ALONE.split()}
PARTS = {"student.name": ("wrn", "16", "1"), "teacher.name": ("wrn", "40", "2")}  # VID's networks, its defaults
UNCLEAR = {"-c": "the weight of the cross-entropy in one original (--cls), of the prototypes in others"}

# What DS-SRD's programs share. Their --distill names a loader, here the program's own; a width is the networks' matter.
DS_SRD = {"--save_entropy_log_step": Flag(("mix.log_scores",), words={"0": "False"}, other="True"),
          "-c": "method.proto.weight", "--distill": Flag(), "--low-dim": Flag(), "--project": Flag()}
ARCHS = ("resnet18h", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
         "resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2")
ENCODER = {arch: f"imix_{arch}" for arch in ARCHS}
LINCLS = {
    "--pretrained": "student.checkpoint", "-a": Flag(("student.name",), words=ENCODER), "--arch": Flag(
        ("student.name",), words=ENCODER),
    "-b": "data.batch_size", "--batch-size": "data.batch_size", "--wd": "optim.weight_decay",
    "--network": "probe.network", "--class-ratio": "data.class_ratio", "--data-ratio": "data.label_ratio",
}


def _lincls(network: str) -> Program:
    """i-Mix's and DS-SRD's linear evaluation of one network of a checkpoint."""
    return Program(f"configs/transfer.py{network and f':network={network}'}", LINCLS, ("data.dir",))


PROGRAMS = {
    "train_student_ds.py": Program("configs/ds_srd.py:epochs=500", DS_SRD),
    "train_student_pcl.py": Program("configs/ds_srd_proto.py", DS_SRD | {"--dkd": Flag(("loss.kd_kind",), "dkd")}),
    "train_student_ds_srd.py": Program("configs/ds_srd_aug.py:experiment=8", DS_SRD),
    "train_student.py": Program(),
    "train_teacher.py": Program("configs/vanilla.py"),
    "main_lincls.py": _lincls(""),
    "main_lincls_ws.py": _lincls("weak"),
    "main_lincls_ss.py": _lincls("strong"),
}
