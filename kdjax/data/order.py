"""Who is in which step: pure functions of (seed, purpose, epoch), so that a resumed run needs no iterator state."""

import hashlib

import numpy as np

# One number a purpose, so that no two draws of a run share a stream. Resumed runs depend on the numbers.
ORDER, VALID, PER_CLASS, DIGITS = 1, 2, 3, 4


def permutation(n: int, seed: int, purpose: int, index: int = 0) -> np.ndarray:
    """A uniform permutation of 0 .. n-1, int64 [n], a pure function of its arguments.

    Sorts raw PCG64 output, which NumPy guarantees never to change; Generator.permutation carries no such promise.
    """
    bits = np.random.PCG64(np.random.SeedSequence([seed % 2**64, purpose, index]))
    return np.argsort(bits.random_raw(n), kind="stable")


def stage_seed(seed: int, purpose: str) -> int:
    """The order's seed of a stage of a run; the main stage uses the run's own."""
    own = hashlib.sha256(f"{seed} {purpose}".encode()).digest()[:4]
    return seed if purpose == "main" else int.from_bytes(own, "little")


def epoch_order(seed: int, epoch: int, n: int, batch_size: int) -> np.ndarray:
    """The full batches of one epoch: int32 [n // batch_size, batch_size] indices, no index twice.

    The n % batch_size indices left over are `epoch_tail`'s (a fresh shuffle leaves out others each epoch).
    Empty, not an error, when n < batch_size.
    """
    steps = n // batch_size
    return _shuffled(seed, epoch, n)[: steps * batch_size].reshape(steps, batch_size)


def epoch_tail(seed: int, epoch: int, n: int, batch_size: int) -> np.ndarray:
    """The indices `epoch_order` with the same arguments leaves out: int32 [n % batch_size], the last, smaller batch."""
    return _shuffled(seed, epoch, n)[n // batch_size * batch_size:]


def eval_batches(n: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Every index once, in order, in batches of one shape, so that evaluation compiles once.

    Returns indices, int32 [ceil(n / batch_size), batch_size], and weights, float32 of that shape: 1, and 0 where the
    last batch is filled up with index 0.
    """
    steps = -(-n // batch_size)
    slots = np.arange(steps * batch_size, dtype=np.int32).reshape(steps, batch_size)
    real = slots < n
    return np.where(real, slots, 0).astype(np.int32), real.astype(np.float32)


def _shuffled(seed: int, epoch: int, n: int) -> np.ndarray:
    return permutation(n, seed, ORDER, epoch).astype(np.int32)
