"""Decoding image files from strangers: a short list of formats, no bombs, and one sentence when it is not an image."""

import io
import itertools
import warnings
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageOps

from kdjax.data.readers import formats
from kdjax.errors import UserError

FORMATS = tuple(formats.READ)  # Pillow would also open EPS, which runs a program
MAX_PIXELS = 50_000_000  # of one image
MAX_BYTES = 16 << 30  # of one decoded split
ORIENTATION = 0x0112  # EXIF's tag: how the camera was held; 1 is upright
EXIF = ("ignore", "apply")


class Decoder:
    """Image files as uint8 RGB arrays [H, W, 3], and a record of what was done to their pixels.

    size: bilinearly resize to size x size. exif: "apply" turns an image upright as its EXIF orientation says, "ignore"
    leaves it as it is stored, as torchvision does. resize: "stretch" to a square, or "crop" the middle of the image
    whose shorter side has been resized, as torchvision's Resize and CenterCrop. Images of 16 bits a pixel lose the
    lower 8; transparency is dropped, as torchvision drops it.
    """

    def __init__(self, size: int | None = None, exif: str = "ignore", resize: str = "stretch"):
        self.size, self.exif, self.how = size, exif, resize
        self.turned = self.deep = self.clear = 0

    def __call__(self, data: bytes, name: object) -> np.ndarray:
        """Raises UserError naming `name` for what is no whole image, and for one of more than MAX_PIXELS, before
        decoding it."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of large images; the limit below speaks for itself
                image = Image.open(io.BytesIO(data), formats=FORMATS)
                pixels = image.width * image.height
                rgb = self._rgb(image, name) if pixels <= MAX_PIXELS else None
        except UserError:
            raise
        except Image.DecompressionBombError:
            rgb, pixels = None, 0
        except Exception as error:  # a broken file can fail anywhere inside a decoder, and with anything
            kind = formats.name(data[:64])
            told = "" if kind in FORMATS else f"{kind}, "
            raise UserError(f"{name} is {told}not a whole {'/'.join(FORMATS)} image: replace or remove it") from error
        if rgb is None:
            raise UserError(f"{name} decodes to more than {MAX_PIXELS:,} pixels, a decompression bomb: remove it")
        return np.asarray(_resized(rgb, self.size, self.how))

    def notes(self) -> tuple[str, ...]:
        """What a user should know of the images decoded so far, a sentence each."""
        told = []
        if self.turned and self.exif == "ignore":
            told.append(f"{self.turned:,} images have an EXIF orientation that is ignored, as torchvision ignores it: "
                        "set data.exif=apply to turn them upright")
        if self.deep:
            told.append(f"{self.deep:,} images have 16 bits a pixel and were scaled to 8 (v >> 8)")
        if self.clear:
            told.append(f"{self.clear:,} images have transparent pixels, and were read in the colours below those, as "
                        "torchvision reads them: flatten them onto a background where that is not meant")
        return tuple(told)

    def _rgb(self, image: Image.Image, name: object) -> Image.Image:
        if image.getexif().get(ORIENTATION, 1) in range(2, 9):
            self.turned += 1
            image = ImageOps.exif_transpose(image) if self.exif == "apply" else image
        if image.mode == "F":
            raise UserError(f"{name} holds floating-point pixels, whose range it does not tell: save it with 8 bits")
        if image.mode == "I" or image.mode.startswith("I;"):
            self.deep += 1
            image = _eight_bits(np.asarray(image), name)
        self.clear += _transparent(image)
        return image.convert("RGB")


def decode(data: bytes, name: object, size: int | None = None) -> np.ndarray:
    """`Decoder(size)` of one image."""
    return Decoder(size)(data, name)


def resize(images: np.ndarray, size: int, how: str = "stretch") -> np.ndarray:
    """uint8 [N, H, W, 3] bilinearly resized to [N, size, size, 3], antialiased as in torchvision on PIL images. how: as
    in `Decoder`."""
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([np.asarray(_resized(Image.fromarray(image), size, how)) for image in images])


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


def _transparent(image: Image.Image) -> bool:
    """Whether any pixel lets something shine through."""
    return image.has_transparency_data and image.convert("RGBA").getextrema()[3][0] < 255


def _eight_bits(pixels: np.ndarray, name: object) -> Image.Image:
    """16-bit grey as 8 bits. Pillow's mode I also holds 32-bit integers, whose range is anybody's guess."""
    low, high = int(pixels.min()), int(pixels.max())
    if low < 0 or high > 0xFFFF:
        raise UserError(f"{name} holds integers of {low} to {high}, more than 16 bits: save it with 8 bits")
    if 0 < high < 256:
        raise UserError(f"{name} holds 8-bit values (up to {high}) in 16-bit pixels and would be black if scaled down: "
                        "save it with 8 bits")
    return Image.fromarray((pixels.astype(np.int32) >> 8).astype(np.uint8))


def _resized(image: Image.Image, size: int | None, how: str) -> Image.Image:
    if size is None or image.size == (size, size):
        return image
    if how == "crop":
        shorter = min(image.size)
        width, height = (size if side == shorter else int(size * side / shorter) for side in image.size)
        left, top = round((width - size) / 2), round((height - size) / 2)
        return image.resize((width, height), Image.Resampling.BILINEAR).crop((left, top, left + size, top + size))
    return image.resize((size, size), Image.Resampling.BILINEAR)
