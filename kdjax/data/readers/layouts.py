"""Arrays of images and labels in the layouts that people have, as the one that kdjax trains on.

What is the same pixels in another order is read, and said; where pixels would have to be computed, the message gives
the line that does it.
"""

import numpy as np

from kdjax.errors import UserError

CHANNELS = (1, 3)


def refuse_type(dtype: np.dtype, where: str, key: str) -> None:
    """UserError for an array of a kind that holds neither images nor labels, before it is read."""
    if dtype.kind in "iub":
        return
    if dtype.kind == "f":
        line = f"{key} = {key}.astype(int)" if _are_labels(key) else f"{key} = (255 * {key}).round().astype('uint8')"
        more = "" if _are_labels(key) else ", if they lie in 0 .. 1"
        raise UserError(f"{where} holds {dtype}, not integers: save it again after `{line}`{more}")
    if dtype.kind in "US" and _are_labels(key):
        raise UserError(f"{where} holds names, not integers: number the classes of both splits, for example with "
                        f"`classes = sorted(set({key}))` and `{key} = [classes.index(name) for name in {key}]`")
    raise UserError(f"{where} holds {dtype}, not integers: images are uint8 and labels are integers")


def images(array: np.ndarray, where: str, key: str, notes: dict[str, None]) -> np.ndarray:
    """uint8 [N, H, W, 3] of images [N, H, W], [N, H, W, 1], [N, H, W, 3], [N, 1, H, W] or [N, 3, H, W].

    notes: collects what was done. Raises UserError with the line that repairs any other array.
    """
    array = _eight_bits(array, where, key)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim == 4 and array.shape[3] not in CHANNELS and array.shape[1] in CHANNELS:
        notes["its images have their channels first, [N, C, H, W], and were read so"] = None
        array = array.transpose(0, 2, 3, 1)
    if array.ndim == 4 and array.shape[3] == 1:
        notes["its images are grey and were read as three equal channels"] = None
        array = np.broadcast_to(array, (*array.shape[:3], 3))
    if array.ndim == 4 and _images_last(*array.shape):
        raise UserError(f"{where} has its images last {list(array.shape)}: save it again after "
                        f"`{key} = {key}.transpose(3, 0, 1, 2)`")
    if array.ndim == 4 and array.shape[3] == 4:
        raise UserError(f"{where} has four channels: save it again after `{key} = {key}[..., :3]` if the fourth is "
                        "transparency")
    if array.ndim == 2 and array.shape[1] in (784, 1024, 3072):
        side = 28 if array.shape[1] == 784 else 32
        shape = f"(-1, 3, {side}, {side})" if array.shape[1] == 3072 else f"(-1, {side}, {side})"
        raise UserError(f"{where} holds flat images {list(array.shape)}: save it again after "
                        f"`{key} = {key}.reshape{shape}`")
    if array.ndim != 4 or array.shape[3] != 3:
        raise UserError(f"{where} must be uint8 [N, H, W, 3] or [N, H, W], not {array.dtype} {list(array.shape)}")
    return np.ascontiguousarray(array)


def labels(array: np.ndarray, where: str, key: str) -> np.ndarray:
    """Integers [N] of labels [N] or [N, 1]; UserError with the line that repairs one column a class."""
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim == 2 and (array.sum(1) == 1).all() and array.min(initial=0) >= 0:
        raise UserError(f"{where} has one column a class {list(array.shape)}: save it again after "
                        f"`{key} = {key}.argmax(1)`")
    return array


def _eight_bits(array: np.ndarray, where: str, key: str) -> np.ndarray:
    """The pixels as uint8, where wider integers hold nothing but 0 .. 255."""
    if not array.size:
        return array.astype(np.uint8)
    low, high = int(array.min()), int(array.max())
    if array.dtype == bool or (low >= 0 and high == 1):
        raise UserError(f"{where} holds only 0 and 1: save it again after `{key} = (255 * {key}).astype('uint8')`")
    if low < 0 or high > 255:
        cure = f"`{key} = ({key} >> 8).astype('uint8')`, if it has 16 bits" if low >= 0 else "scaling it to 0 .. 255"
        raise UserError(f"{where} holds {array.dtype} of {low} to {high}, but images must be uint8: save it again "
                        f"after {cure}")
    return array.astype(np.uint8, copy=False)


def _images_last(height: int, width: int, channels: int, count: int) -> bool:
    return height == width and channels in CHANNELS and count not in CHANNELS


def _are_labels(key: str) -> bool:
    return "label" in key or key.startswith("y_") or key.endswith("_y")
