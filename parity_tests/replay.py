"""Replays golden training trajectories with kdjax, in float64.

    python -m parity_tests.replay FILE.npz ...          one line a file: worst error, and in what
    python -m parity_tests.replay                       all files that can be found
    python -m parity_tests.replay --reference FILE ...  with the torch reference instead

Exit status 1 if an error exceeds 1e-8 or a file cannot be replayed. The files: golden/trajectories, golden/ds_srd and
golden/self_supervised; their READMEs tell the formats. Files of single functions are given to the tests that compare
them, within their READMEs' limits.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import time
import zipfile

LIMIT = 1e-8
KINDS = ("trajectories", "ds_srd", "self_supervised")


def errors_of(path, reference: bool = False) -> tuple[dict[str, float], list[str]]:
    """Error of each aspect of one file, and warnings."""
    from parity_tests import golden_data, trajectory

    golden = golden_data.read(path)
    if "meta" not in golden:
        raise KeyError("meta")
    if "proj" in golden["meta"]:
        return step_errors(golden), []
    if "program" in golden["meta"]:
        from parity_tests import ds_srd_steps
        from parity_tests.reference import ds_srd
        return ds_srd_steps.errors(golden, (ds_srd.play if reference else ds_srd_steps.replay)(golden)), []
    if reference:
        from parity_tests.reference import replay
        return trajectory.compare(golden, replay.replay(golden)), []
    from parity_tests import jax_replay
    run, unknown = jax_replay.replay(golden)
    return trajectory.compare(golden, run), [f"hyper-parameter {name!r} is not understood" for name in unknown]


def step_errors(golden: dict) -> dict[str, float]:
    """Error of each quantity of a training step of golden/self_supervised, against its own scale or 1."""
    import numpy as np

    from tests.tasks import selfsup_steps
    worst: dict[str, float] = {}
    for what, got, want in selfsup_steps.Case(golden, golden["meta"]).differences("f64"):
        want = np.asarray(want)
        error = np.abs(np.asarray(got) - want).max(initial=0) / max(np.abs(want).max(initial=0), 1.0)
        worst[what] = max(worst.get(what, 0.0), float(error))
    return worst


def attempt(path, reference: bool) -> tuple[float, str]:
    """(worst error, what to say) of one file; a file that cannot be replayed has an infinite error."""
    from kdjax.errors import UserError
    from parity_tests import golden_data, pieces

    try:
        golden = golden_data.read(path)
        if is_piece(golden):
            good, said = pieces.check(path, golden)
            return 0.0 if good else float("inf"), said
        errors, warnings = errors_of(path, reference)
    except UserError as error:
        return float("inf"), f"cannot be replayed: {error}"
    except (OSError, zipfile.BadZipFile, EOFError, json.JSONDecodeError, UnicodeDecodeError) as error:
        return float("inf"), f"cannot be read: {error}"
    except KeyError as error:
        return float("inf"), f"cannot be replayed: {error} is missing in the file, or unknown to the replay"
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        return float("inf"), f"cannot be replayed: {type(error).__name__}: {str(error).splitlines()[0][:200]}"
    worst = max(errors, key=errors.get)
    return errors[worst], "; ".join([f"in {worst}", *warnings])


def is_piece(golden: dict) -> bool:
    """Whether a file holds single functions of golden/ds_srd or golden/self_supervised, and no training."""
    return "meta" in golden and not {"program", "proj", "method", "names"} & golden["meta"].keys()


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser("parity_tests.replay", description="Replay golden training trajectories.")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="*.npz; none: all that can be found")
    parser.add_argument("--reference", action="store_true", help="replay with the torch reference, not with kdjax")
    args = parser.parse_args(argv)
    import jax

    from parity_tests import golden_data

    files, bad = args.files or [path for kind in KINDS for path in golden_data.files(kind)], 0
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        for path in files:
            began = time.perf_counter()
            error, text = attempt(path, args.reference)
            good = error <= LIMIT
            bad += not good
            print(f"{'ok  ' if good else 'FAIL'} {path.stem:24} worst error {error:.1e}  {text}  "
                  f"({time.perf_counter() - began:.0f} s)", flush=True)
    print(f"{len(files) - bad} of {len(files)} files within {LIMIT:g}")
    return int(bad > 0 or not files)


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    sys.exit(main())
