"""Fetching the official CIFAR archives."""

import os
from pathlib import Path

from kdjax.data.readers.cifar_archive import LAYOUTS
from kdjax.errors import UserError
from kdjax.files.download import download

URL = "https://www.cs.toronto.edu/~kriz"


def fetch(name: str, folder: str | os.PathLike) -> Path:
    """Downloads the official archive of cifar10 or cifar100 into `folder`, md5-checked; returns its path.

    A good copy already there is kept. KDJAX_CIFAR_URL: another address (a mirror's) of the archives' folder.
    Raises UserError for other names and for whatever stops the download.
    """
    if name not in LAYOUTS:
        raise UserError(f"cannot download {name!r}: kdjax knows the official archives of {' and '.join(LAYOUTS)}")
    layout = LAYOUTS[name]
    target = Path(folder).expanduser() / layout.archive
    url = os.environ.get("KDJAX_CIFAR_URL", URL).rstrip("/")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(download(f"{url}/{layout.archive}", target, md5=layout.md5))
    except OSError as error:
        raise UserError(f"cannot write {target} ({error.strerror}): choose another folder with data.dir") from error
