"""Convert a PyTorch checkpoint into a folder that kdjax loads, or a kdjax network back into a PyTorch file.

    python convert_torch_ckpt.py SRC [--model NAME] [--out DIR]
    python convert_torch_ckpt.py --to-torch DIR --out student.pth
    python convert_torch_ckpt.py --to-safetensors DIR --out student.safetensors

SRC is any file that docs/models.md lists; DIR a converted folder, a run, or again a PyTorch file.
"""

import argparse
import os
import sys

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # copying weights needs no accelerator

from kdjax.config.command_line import Parser, guarded  # noqa: E402
from kdjax.weights import convert  # noqa: E402


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    writers = parser.add_mutually_exclusive_group()
    writers.add_argument("--to-torch", metavar="DIR", help="write a .pth in RepDistiller's layout")
    writers.add_argument(
        "--to-safetensors", metavar="DIR", help="write a .safetensors file with PyTorch's names and layout"
    )
    args = parser.parse_args()
    given = [args.source, args.to_torch, args.to_safetensors]
    if sum(source is not None for source in given) != 1:
        parser.error("give one of SRC, --to-torch DIR and --to-safetensors DIR")
    options = dict(name=args.model, key=args.key, part=args.part, image_size=args.image_size)
    options["keep_projection"] = args.keep_projection
    if args.source is not None:
        return convert.to_folder(args.source, args.out, **options)
    return convert.to_file(args.to_torch or args.to_safetensors, args.out, torch=args.to_torch is not None, **options)


if __name__ == "__main__":
    sys.exit(guarded(main))
