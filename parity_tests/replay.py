"""Replays golden training trajectories with kdjax, in float64.

    python -m parity_tests.replay FILE.npz ...          one line a file: worst error, and in what
    python -m parity_tests.replay                       all files that can be found
    python -m parity_tests.replay --reference FILE ...  with the torch reference instead

Exit status 1 if an error exceeds 1e-8 or a file cannot be replayed. The files: golden/trajectories and the step files
of golden/ds_srd; their READMEs tell the formats.
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


def errors_of(path, reference: bool = False) -> tuple[dict[str, float], list[str]]:
    """Error of each aspect of one file, and warnings."""
    from parity_tests import golden_data, trajectory

    golden = golden_data.read(path)
    if "meta" not in golden:
        raise KeyError("meta")
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


def attempt(path, reference: bool) -> tuple[float, str]:
    """(worst error, what to say) of one file; a file that cannot be replayed has an infinite error."""
    from kdjax.errors import UserError

    try:
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


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser("parity_tests.replay", description="Replay golden training trajectories.")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="*.npz; none: all that can be found")
    parser.add_argument("--reference", action="store_true", help="replay with the torch reference, not with kdjax")
    args = parser.parse_args(argv)
    import jax

    from parity_tests import golden_data

    steps = [path for path in golden_data.files("ds_srd") if path.stem.startswith("step_")]
    files, bad = args.files or [*golden_data.files("trajectories"), *steps], 0
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
