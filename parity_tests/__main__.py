"""Runs the parity suite and prints one table: method x level, worst error, cases, device.

    python -m parity_tests                       all levels; writes parity_tests/REPORT.md and report.json
    python -m parity_tests --levels d e          some levels; prints the table only (or writes it to --out)

Levels: a losses, b networks, c adapters, d updates, e trajectories, f schedules, views and metrics, g converter,
m mutants, p the programs of DS-SRD and self-supervision. On a GPU: KDJAX_PARITY_PLATFORM=gpu python -m parity_tests.
Exit status 1 if a test fails.
"""
from __future__ import annotations

import argparse
import datetime
import pathlib
import sys
import time

import pytest

from parity_tests import report

LEVELS = {
    "a": ("test_losses", "test_reference_losses", "test_reference_modern"),
    "b": ("test_networks", "test_reference_networks"),
    "c": ("test_adapters", "test_reference_adapters"), "d": ("test_updates",),
    "e": ("test_trajectories", "test_reference_trajectories"), "f": ("test_schedules", "test_views", "test_metrics"),
    "g": ("test_converter",), "m": ("test_mutants",),
    "p": ("test_ds_srd", "test_reference_ds_srd", "test_ds_srd_steps", "test_selfsup_steps"),
}


class Outcomes:
    """Counts the mutants' tests, which are figures of the report."""

    def __init__(self):
        self.mutants = {"of": 0, "caught": 0}

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and "test_the_mistake_is_caught" in report.nodeid:
            self.mutants["of"] += 1
            self.mutants["caught"] += report.passed


def float32_figures() -> None:
    """Adds the float32 trajectories to the record; cheap, as the float64 ones are remembered."""
    import jax

    from parity_tests import cases
    with jax.enable_x64(True):
        for name in cases.CASES:
            report.RECORD["trajectory", name, "float32"] = [cases.float32_error(name), 1]


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser("parity_tests", description="kdjax against PyTorch, number by number.")
    parser.add_argument("--levels", nargs="+", choices=LEVELS, help="only these")
    parser.add_argument("--out", type=pathlib.Path, help="folder for REPORT.md and report.json")
    parser.add_argument("--no-float32", action="store_true", help="leave out the float32 trajectories (2 minutes)")
    args = parser.parse_args(argv)
    levels, outcomes, began = args.levels or list(LEVELS), Outcomes(), time.perf_counter()
    files = [str(report.HERE / f"{name}.py") for level in levels for name in LEVELS[level]]
    status = pytest.main(["-q", "-p", "no:cacheprovider", *files], plugins=[outcomes])
    seconds = time.perf_counter() - began
    if "e" in levels and not args.no_float32:
        float32_figures()
    from parity_tests import precision
    result = {"date": datetime.date.today().isoformat(), "passed": status == 0, "seconds": round(seconds),
              "versions": report.versions(), "device": report.device(), "levels": levels, "table": report.table(),
              "mutants": outcomes.mutants if outcomes.mutants["of"] else None,
              "precision_note": precision.note(), "precision": precision.measure()}
    print("\n".join(report.lines(result["table"], result["device"]["platform"])))
    if args.out or not args.levels:
        folder = args.out or report.HERE
        folder.mkdir(parents=True, exist_ok=True)
        report.write(result, folder)
        print(f"written: {folder / 'REPORT.md'}, {folder / 'report.json'}")
    return int(status != 0)


if __name__ == "__main__":
    sys.exit(main())
