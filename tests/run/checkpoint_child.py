"""A process that saves step after step until it is killed, saying each step it has been promised is durable.

Run as `python checkpoint_child.py FOLDER FIRST_STEP`; the trees come from `tree_of(step)`, so a test can check them.
"""

import sys

import numpy as np


def tree_of(step: int) -> dict:
    """A small tree that belongs to one step alone."""
    rng = np.random.default_rng(step)
    params = {f"layer{i}": {"kernel": rng.standard_normal((7, 5)).astype(np.float32), "extra": {}} for i in range(3)}
    return {"params": params, "step": np.asarray(step), "bank": rng.integers(0, 9, 3000)}


if __name__ == "__main__":
    from kdjax.run.checkpoints import RunCheckpoints

    checkpoints = RunCheckpoints(sys.argv[1])
    print("ready", flush=True)
    for number in range(int(sys.argv[2]), 10**6):
        checkpoints.save(number, tree_of(number), {"epoch": number}, best=-abs(number - 3.0))
        print(number, flush=True)
