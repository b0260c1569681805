"""`python convert_torch_ckpt.py SRC`: the command `kdjax convert`, in a checkout. `--help` shows what it takes."""
import os
import sys

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # copying weights needs no accelerator

from kdjax.config.command_line import guarded  # noqa: E402
from kdjax.convert import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(guarded(main))
