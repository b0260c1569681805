"""A trained network for serving, checked: what is written is read back and must give the same logits.

    kdjax export RUN --to stablehlo --preprocess       a program with its weights and its normalisation inside
    kdjax export RUN --to onnx|safetensors|torch [--out FILE]

RUN is a run, a converted folder, or a PyTorch file. docs/export.md shows how each is served.
"""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from kdjax.config.command_line import Parser, callable_as, guarded
from kdjax.data import stats as known
from kdjax.errors import UserError
from kdjax.methods import METHODS, Method
from kdjax.weights import folder, serving


def export(source: str | os.PathLike, to: str = "stablehlo", out: str | os.PathLike | None = None, *,
           preprocess: bool = False, stats: object = None, model: str | None = None) -> serving.Exported:
    """Writes the network in `source` as `to` and returns (path, network, difference) of the check.

    preprocess: the program takes uint8 images and normalises them itself, with `stats` (a data set's name, or six
    numbers) or what the network's folder says. Raises UserError as `kdjax.weights.serving.export` does.
    """
    pair = known.given(stats) if stats else folder.recorded_stats(source) if preprocess else None
    if preprocess and pair is None:
        raise UserError(f"{source} does not say with which mean and std it was trained; add --stats, a data set's name "
                        "such as cifar100 or six numbers")
    if to in serving.PROGRAMS and (part := not_alone(source)):
        raise UserError(f"a student of {part} is deployed with parts that its folder does not hold, and is useless "
                        "without them; export another method's, or its weights with --to safetensors")
    return serving.export(source, to, out, normalization=pair if preprocess else None, model=model)


def not_alone(source: str | os.PathLike) -> str:
    """The method, of those that trained the network, whose predictions are not the student's own; "" for none."""
    trained = serving.metadata(source).get("method") or []
    return next((name for name in trained if name in METHODS and METHODS[name].predict is not Method.predict), "")


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Parser("kdjax export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="RUN", help="a run, a converted folder, or a PyTorch file")
    parser.add_argument("--to", default="stablehlo", choices=list(serving.SUFFIXES))
    parser.add_argument("--out", help="the file to write (default: beside the network)")
    parser.add_argument("--preprocess", action="store_true", help="take uint8 images and normalise them inside")
    parser.add_argument("--stats", help="their mean and std, where the network does not say: a data set's name, or six "
                        "numbers joined by commas")
    parser.add_argument("--model", help="the architecture, where the file does not tell; or your own class")
    args = parser.parse_args(argv)
    if args.stats and not args.preprocess:
        parser.error("--stats has a meaning with --preprocess only")
    path, net, difference = export(args.source, args.to, args.out, preprocess=args.preprocess, stats=args.stats,
                                   model=args.model)
    print(f"{net.name}, {net.num_classes} classes, images of {net.image_size} pixels, as {args.to}\n"
          f"written to {path} ({Path(path).stat().st_size:,} bytes); logits differ by {difference:.1e} of the largest")
    return 0


callable_as(__name__, export)

if __name__ == "__main__":
    sys.exit(guarded(main))
