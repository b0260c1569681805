"""What the tests of run_checkpoint share: how they restore, compare and damage."""

import os
import pathlib
import warnings

from kdjax.files import checksums
from kdjax.run import checkpoints as run_checkpoint
from kdjax.run.checkpoints import RunCheckpoints
from tests.run.checkpoint_child import tree_of

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]


def same(a, b) -> bool:
    """Equal structure, and leaves equal in dtype, shape and every bit."""
    a, b = ({n: x if isinstance(x, str) else checksums.describe(x) for n, x in run_checkpoint.to_host(t).items()}
            for t in (a, b))
    return a == b


def restore_quietly(folder):
    """(what restore gives, the texts of its warnings)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return RunCheckpoints(folder).restore(), [str(w.message) for w in caught]


def fell_back_or_unharmed(folder) -> str:
    """Restores a folder whose step 2 was tampered with; "fell back" or "unharmed", and fails on anything else."""
    (step, tree, meta), told = restore_quietly(folder)
    assert same(tree, tree_of(step)) and meta == {"epoch": step}
    assert step == 2 or (step == 1 and len(told) == 1 and "2 is damaged: " in told[0] and not (folder / "2").exists())
    return "unharmed" if step == 2 else "fell back"


def flip_a_bit(path, rng):
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)
