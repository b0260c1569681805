"""The figures of a run of the suite as one table: method x level, REPORT.md and report.json."""
from __future__ import annotations

import json
import os
import pathlib
import platform
import re
from importlib.metadata import version

from parity_tests.tolerances import RECORD, limit

HERE = pathlib.Path(__file__).resolve().parent
COLUMNS = {  # column -> levels of tolerances.py
    "loss": ("loss",), "gradient": ("loss_grad",), "network": ("network", "network_grad"),
    "adapter": ("adapter", "adapter_grad"), "update": ("step",), "20 steps": ("trajectory",),
    "original run": ("golden_trajectory",), "other": ("schedule", "views", "metrics", "converter"),
}
LOSSES = {"kl_divergence": "kd", "hint": "fitnet", "attention": "at", "similarity": "sp",
          "correlation_congruence": "cc", "activation_boundary": "ab", "factor_transfer": "ft",
          "itrd_correlation": "itrd", "itrd_mutual": "itrd", "crd_fifo": "crd", "rrd_momentum": "rrd",
          "sdd_kd": "sdd", "sdd_dkd": "sdd", "multi_scale_pool": "sdd", "norm_direction": "kdpp", "ofd_margin": "ofd",
          "standardize_logits": "lskd"}
ADAPTERS = {"conv_reg": "fitnet", "connector": "ab", "paraphraser": "ft", "translator": "ft", "vid_regressor": "vid",
            "vid_seed_regressor": "vid", "ickd_embed": "ickd", "srrl_transfer": "srrl", "simkd_projector": "simkd",
            "linear_embed": "cc", "itrd_embed": "itrd", "embed": "crd", "unit_linear": "rrd", "dcd_scales": "dcd",
            "semckd": "semckd", "ofd_connector": "ofd", "reviewkd_fusion": "reviewkd", "ctkd_parameter": "ctkd",
            "kdpp_projector": "kdpp"}
PROGRAMS = {"ds_srd": "DS-SRD, supervised", "self-supervised": "self-supervised"}
ORIGINALS = {"golden_loss", "golden_loss_grad", "golden_network", "golden_adapter", "golden_trajectory"}


def row_of(level: str, subject: str) -> str:
    """The row of the table that a recorded comparison belongs to."""
    from parity_tests import cases, trajectory

    program, _, what = subject.partition(" ")
    if program in PROGRAMS and not what.startswith("reference"):
        return PROGRAMS[program]
    if level in ORIGINALS and not subject.endswith(" kdjax"):
        return "reference against the originals"
    if level == "golden_trajectory":
        return trajectory.method_name({"method": subject.split("__")[0]})
    if level in ("step", "trajectory"):
        return cases.CASES[subject].method
    if level.startswith("loss"):
        return LOSSES.get(subject, subject)
    if level.startswith("adapter"):
        return ADAPTERS.get(subject.split(" ")[0], f"adapter {subject.split(' ')[0]}")
    return f"network {subject}" if level.startswith("network") else level


def table() -> dict[str, dict]:
    """{row: {column: worst float64 error, "cases": comparisons}}, methods first."""
    from kdjax import methods

    rows = {name: {} for name in methods.METHODS}
    for (level, subject, dtype), (err, count) in RECORD.items():
        name = row_of(level, subject)
        column = next((c for c, levels in COLUMNS.items() if level in levels), "original run")
        row = rows.setdefault(name, {})
        row["cases"] = row.get("cases", 0) + count
        column = column if dtype == "float64" else "float32"
        if dtype == "float64" or level == "trajectory":
            row[column] = max(row.get(column, 0.0), err)
    return {name: row for name, row in rows.items() if row}


def lines(rows: dict, device: str) -> list[str]:
    """The table in markdown."""
    columns = [*COLUMNS, "float32"]
    cell = lambda row, c: f"{row[c]:.0e}" if c in row else ""
    out = ["| " + " | ".join(["", *columns, "cases", "device"]) + " |", "|" + "---|" * (len(columns) + 3)]
    for name, row in rows.items():
        cells = [name, *(cell(row, c) for c in columns), str(row.get("cases", "")), device]
        out.append("| " + " | ".join(cells) + " |")
    return out


def device() -> dict:
    """Where kdjax ran."""
    import jax
    first = jax.devices()[0]
    return {"platform": first.platform, "kind": first.device_kind, "cores": os.cpu_count(),
            "machine": platform.machine(), "system": platform.system()}


def versions() -> dict:
    packages = ("kdjax", "jax", "jaxlib", "flax", "optax", "numpy", "torch")
    return {"python": platform.python_version(), **{p: version(p) for p in packages}}


LEGEND = """\
Worst error of kdjax against the torch reference of `parity_tests/reference`, in float64, as a fraction of the largest
entry (or the norm) of what is compared. **loss**, **gradient**: random and degenerate inputs, shapes drawn by
hypothesis. **network**: logits, features, gradients, running statistics. **adapter**: the same of the modules between
student and teacher. **update**: one step's loss terms by name, gradients of all trainables, parameters after SGD,
statistics. **20 steps**: trajectories through every stage, memories included. **original run**: five steps recorded
from the original programs. **other**: schedules, views, metrics, conversions. **float32** (reported, never asserted):
how far the same 20 steps in float32 end from float64, by tensor norms; a ReLU that flips is as large as a mistake.
**cases**: comparisons. Limits, from `tolerances.py`: """


def markdown(result: dict) -> str:
    """REPORT.md."""
    names = ("loss", "loss_grad", "network", "adapter", "step", "trajectory", "golden_trajectory")
    limits = ", ".join(f"{n} {limit(n, 'float64', result['device']['platform']):.0e}" for n in names)
    v, d, verdict = result["versions"], result["device"], "all tests passed" if result["passed"] else "TESTS FAILED"
    parts = ["# Parity of kdjax with PyTorch", "",
             f"Written by `python -m parity_tests` on {result['date']}: {verdict} in {result['seconds']:.0f} s on "
             f"{d['kind']} ({d['cores']} cores, {d['system']} {d['machine']}).",
             "Versions: " + ", ".join(f"{k} {v[k]}" for k in v) + ".", "", LEGEND + limits + ".", "",
             *lines(result["table"], d["platform"]), ""]
    if result["mutants"]:
        parts += [f"Mistakes made on purpose (`python -m parity_tests.mutants`): {result['mutants']['caught']} of "
                  f"{result['mutants']['of']} caught.", ""]
    parts += ["## Lower precision", "", result["precision_note"], "", "| what | compute | error |", "|---|---|---|"]
    parts += [f"| {r['what']} | {r['compute']} | {r['error']:.0e} |" for r in result["precision"]]
    return "\n".join(parts) + "\n"


def write(result: dict, folder: pathlib.Path = HERE) -> None:
    """REPORT.md and report.json in a folder."""
    figures = [{"level": level, "subject": subject, "dtype": dtype, "error": err, "comparisons": count}
               for (level, subject, dtype), (err, count) in sorted(RECORD.items())]
    (folder / "REPORT.md").write_text(markdown(result))
    text = json.dumps(result | {"figures": figures}, indent=1)
    (folder / "report.json").write_text(re.sub(r"\bInfinity\b|\bNaN\b", "null", text) + "\n")
