"""Fetching official archives: CIFAR-10 and CIFAR-100, STL-10, Tiny-ImageNet-200."""

import os
from pathlib import Path

from kdjax.data.readers import stl10, tiny_imagenet
from kdjax.data.readers.cifar_archive import LAYOUTS
from kdjax.errors import UserError
from kdjax.files.download import download

URL = "https://www.cs.toronto.edu/~kriz"
OTHERS = {"stl10": (stl10, "KDJAX_STL10_URL"), "tiny_imagenet": (tiny_imagenet, "KDJAX_TINY_IMAGENET_URL")}
NAMES = (*LAYOUTS, *OTHERS)


def archive(name: str) -> str:
    """The file name of an official archive."""
    return LAYOUTS[name].archive if name in LAYOUTS else OTHERS[name][0].ARCHIVE


def fetch(name: str, folder: str | os.PathLike) -> Path:
    """Downloads the official archive of a data set in NAMES into `folder`, md5-checked; returns its path.

    A good copy already there is kept. KDJAX_CIFAR_URL, KDJAX_STL10_URL, KDJAX_TINY_IMAGENET_URL: another address (a
    mirror's) of the archive's folder. Raises UserError for other names and for whatever stops the download.
    """
    if name not in NAMES:
        raise UserError(f"cannot download {name!r}: kdjax knows the official archives of {', '.join(NAMES)}")
    url, md5 = _origin(name)
    target = Path(folder).expanduser() / archive(name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(download(f"{url.rstrip('/')}/{target.name}", target, md5=md5))
    except OSError as error:
        raise UserError(f"cannot write {target} ({error.strerror}): choose another folder with data.dir") from error


def _origin(name: str) -> tuple[str, str]:
    if name in LAYOUTS:
        return os.environ.get("KDJAX_CIFAR_URL", URL), LAYOUTS[name].md5
    reader, variable = OTHERS[name]
    return os.environ.get(variable, reader.URL), reader.MD5
