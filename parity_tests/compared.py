"""Whether the torch reference must be compared with the originals' numbers again.

The reference is compared with golden files, which takes minutes and can only change when one of the two does. The tests
that do it run when parity_tests/reference or parity_tests/golden differ from what was last compared (its sha256 is in
golden/COMPARED), or when KDJAX_PARITY_FULL=1 asks for it, as `make parity-full` and CI do.

    python -m parity_tests.compared     records what is there as compared; `make parity-full` does, after the tests pass
"""
from __future__ import annotations

import hashlib
import os
import pathlib

HERE = pathlib.Path(__file__).parent
RECORD = HERE / "golden" / "COMPARED"


def digest() -> str:
    """sha256 over names and contents of the reference, the golden files and the tests that compare them."""
    files = [*HERE.glob("reference/**/*.py"), *HERE.glob("golden/**/*.np[yz]"), *HERE.glob("test_reference_*.py")]
    found = hashlib.sha256()
    for path in sorted(files):
        found.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def in_full() -> bool:
    """Whether everything is asked for, changed or not."""
    return os.environ.get("KDJAX_PARITY_FULL", "") not in ("", "0")


def is_due() -> bool:
    """Whether the comparisons run."""
    return in_full() or not RECORD.is_file() or RECORD.read_text().strip() != digest()


if __name__ == "__main__":
    RECORD.write_text(digest() + "\n")
