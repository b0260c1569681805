"""Convert a PyTorch checkpoint into a folder that kdjax loads, or a kdjax network back into a PyTorch file.

    kdjax convert SRC [--model NAME] [--out DIR]
    kdjax convert --to-torch DIR --out student.pth
    kdjax convert --to-safetensors DIR --out student.safetensors

SRC is any file that docs/checkpoints.md lists; DIR a converted folder, a run, or again a PyTorch file.
`python convert_torch_ckpt.py` in a checkout is the same.
"""

import argparse
import os
import sys
from pathlib import Path

from kdjax.config.command_line import Parser, callable_as, guarded
from kdjax.data import stats
from kdjax.weights import convert as converting


def convert(path: str | os.PathLike, out: str | os.PathLike | None = None, *, model: str | None = None,
            key: str | None = None, part: str | None = None, image_size: int = 32,
            normalize: str | None = None) -> Path:
    """Converts a PyTorch checkpoint into a folder (`teachers/<network>` by default) and returns it.

    model, key, part: which network, which entry of the file, which network in it (docs/checkpoints.md).
    normalize: the mean and std of its training, a data set's name or six numbers, kept beside it. Nothing in the
    file is executed; UserError, with nothing written, for whatever is not fully understood.
    """
    own = stats.given(normalize) if normalize else None
    return converting.convert(os.fspath(path), out and os.fspath(out), own, name=model, key=key, part=part,
                              image_size=image_size)[0]


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Parser("kdjax convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", metavar="SRC", help="the checkpoint file")
    parser.add_argument(
        "--model", "--arch", help="the network, if neither the folder nor the shapes tell, or to be sure"
    )
    parser.add_argument("--out", help="where to write; for SRC a folder (default: teachers/NAME)")
    parser.add_argument(
        "--key", help="the entry of the file that holds the weights (default: model, state_dict or net)"
    )
    parser.add_argument(
        "--part", help="which network of several: student (default), teacher; or weak (default), strong, teacher"
    )
    parser.add_argument(
        "--keep-projection", action="store_true", help="keep an encoder's projection head of several layers"
    )
    parser.add_argument(
        "--image-size", type=int, default=32, help="the images' height and width in pixels (default: 32)"
    )
    parser.add_argument(
        "--stats", help="the mean and std of its training, kept beside the weights: a data set's name, or six numbers"
    )
    writers = parser.add_mutually_exclusive_group()
    writers.add_argument("--to-torch", metavar="DIR", help="write a .pth in RepDistiller's layout")
    writers.add_argument(
        "--to-safetensors", metavar="DIR", help="write a .safetensors file with PyTorch's names and layout"
    )
    args = parser.parse_args(argv)
    given = [args.source, args.to_torch, args.to_safetensors]
    if sum(source is not None for source in given) != 1:
        parser.error("give one of SRC, --to-torch DIR and --to-safetensors DIR")
    options = dict(name=args.model, key=args.key, part=args.part, image_size=args.image_size)
    options["keep_projection"] = args.keep_projection
    if args.source is not None:
        return converting.to_folder(args.source, args.out, stats.given(args.stats) if args.stats else None, **options)
    folder = args.to_torch or args.to_safetensors
    return converting.to_file(folder, args.out, torch=args.to_torch is not None, **options)


callable_as(__name__, convert)

if __name__ == "__main__":
    sys.exit(guarded(main))
