"""Decoding image files from strangers: a short list of formats, no bombs, and one sentence when it is not an image."""

import io
import itertools
import warnings
from collections.abc import Iterable

import numpy as np
from PIL import Image

from kdjax.errors import UserError

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM")  # Pillow would also open EPS, which runs a program
MAX_PIXELS = 50_000_000  # of one image
MAX_BYTES = 16 << 30  # of one decoded split


def decode(data: bytes, name: object, size: int | None = None) -> np.ndarray:
    """The image in `data` as uint8 RGB [H, W, 3], bilinearly resized to size x size where given.

    Raises UserError naming `name` for what is no whole image, and for one of more than MAX_PIXELS, before decoding it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images; the limit below speaks for itself
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            pixels = image.width * image.height
            rgb = image.convert("RGB") if pixels <= MAX_PIXELS else None
    except Image.DecompressionBombError:
        rgb, pixels = None, 0
    except Exception as error:  # a broken file can fail anywhere inside a decoder, and with anything
        raise UserError(f"{name} is not a whole {'/'.join(FORMATS)} image: replace or remove it") from error
    if rgb is None:
        raise UserError(f"{name} decodes to more than {MAX_PIXELS:,} pixels, a decompression bomb: remove it")
    return np.asarray(_resized(rgb, size))


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 [N, H, W, 3] bilinearly resized to [N, size, size, 3], antialiased as in torchvision on PIL images."""
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([np.asarray(_resized(Image.fromarray(image), size)) for image in images])


def stack(decoded: Iterable[np.ndarray], count: int, where: object) -> np.ndarray:
    """`count` images of one size as [count, H, W, 3], one at a time; UserError where they differ or are too many."""
    decoded = iter(decoded)
    first = next(decoded)
    if count * first.nbytes > MAX_BYTES:
        raise UserError(f"{where}: {count:,} images of {first.shape[0]}x{first.shape[1]} need over {MAX_BYTES >> 30} "
                        "GiB: set a smaller data.image_size")
    out = np.empty((count, *first.shape), np.uint8)
    for row, image in enumerate(itertools.chain([first], decoded)):
        if image.shape != first.shape:
            raise UserError(f"{where}: images differ in size, {first.shape[:2]} and {image.shape[:2]}: "
                            "set data.image_size")
        out[row] = image
    return out


def _resized(image: Image.Image, size: int | None) -> Image.Image:
    if size is None or image.size == (size, size):
        return image
    return image.resize((size, size), Image.Resampling.BILINEAR)
