"""Get what others published.

    python -m kdjax.fetch teachers [NAME ...]        RepDistiller's CIFAR-100 teachers, converted into teachers/NAME
    python -m kdjax.fetch data cifar10|cifar100      the official archive of a data set
"""
import argparse
import os
import pathlib
import sys
import types

from kdjax.config.command_line import Parser, guarded
from kdjax.errors import UserError

TEACHERS_URL = "http://shape2prog.csail.mit.edu/repo"
# Top-1 on CIFAR-100 as RepDistiller's README gives it (spec/published_results.csv, column teacher_acc).
TEACHERS = {"wrn_40_2": 75.61, "resnet56": 72.34, "resnet110": 74.31, "resnet32x4": 79.42, "vgg13": 74.64,
            "ResNet50": 79.34}


def teachers(names: list[str], out: str = "teachers", *, url: str | None = None, timeout: float = 30,
             data_dir: str = "", check: bool = True) -> list[pathlib.Path]:
    """Download and convert the named teachers (all six for none); returns their folders.

    A teacher that is there already is left alone. The download is kept beside the folder, in RepDistiller's layout.
    url: where `<name>_vanilla/ckpt_epoch_240.pth` lies, also KDJAX_TEACHERS_URL. check: say the accuracy on CIFAR-100
    if the data is here. Raises UserError for an unknown name and for whatever stops the download or is wrong with the
    file.
    """
    if unknown := [name for name in names if name not in TEACHERS]:
        raise UserError(f"{unknown[0]!r} is not one of the released teachers; choose from {', '.join(TEACHERS)}.")
    base = (url or os.environ.get("KDJAX_TEACHERS_URL") or TEACHERS_URL).rstrip("/")
    return [_teacher(name, pathlib.Path(out), base, timeout, data_dir, check) for name in names or TEACHERS]


def _teacher(name: str, out: pathlib.Path, base: str, timeout: float, data_dir: str, check: bool) -> pathlib.Path:
    from kdjax.weights import folder as export
    folder = out / name
    if (folder / export.DESCRIPTION).is_file():
        net, variables, metadata = export.load_network(folder)
        print(f"{folder} is there already ({net.name}, sha256 {metadata.get('source_sha256', 'unknown')})")
    else:
        net, variables = _fetch(name, folder, f"{base}/{name}_vanilla/ckpt_epoch_240.pth", timeout)
    if check:
        print(f"  {_accuracy(net, variables, data_dir, TEACHERS[name])}", flush=True)
    return folder


def _fetch(name: str, folder: pathlib.Path, url: str, timeout: float):
    from kdjax.files import download
    from kdjax.weights import folder as export
    from kdjax.weights.torch import checkpoint as torch_checkpoint
    export.refuse_to_overwrite(folder)
    source = download.download(url, folder.with_name(f"{name}_vanilla") / "ckpt_epoch_240.pth", timeout=timeout)
    try:
        net, variables, metadata = torch_checkpoint.load(source, name=name)
    except UserError as error:
        source.rename(source.with_name(source.name + ".refused"))  # so that the next call downloads it anew
        raise UserError(f"{error} (It came from {url} and is kept as {source}.refused.)") from None
    export.save_network(folder, net, variables, {**metadata, "url": url})
    print(f"{folder}: {net.name}, {net.num_classes} classes, {net.num_params:,} parameters\n"
          f"  {metadata['source_bytes']:,} bytes, sha256 {metadata['source_sha256']}", flush=True)
    return net, variables


def _accuracy(net, variables, data_dir: str, published: float) -> str:
    """One line: top-1 on CIFAR-100's test images beside the published one, or why there is none."""
    from kdjax import evaluate
    from kdjax.data import source as sources
    fields = types.SimpleNamespace(dataset="cifar100", dir=data_dir, download=False, stats="auto", verify=True,
                                   image_size=None, per_class=0, valid_size=0, cache_dir="",
                                   allow_empty_classes=True)
    if sources.locate(fields) is None:
        return (f"published top-1 {published:.2f}; not measured, as CIFAR-100 is not here "
                "(python -m kdjax.fetch data cifar100)")
    data = sources.load(fields, seed=0)
    evaluate.check_classes(net, data.num_classes, data.name)
    got = evaluate.evaluate(net, variables, data.test, data.mean, data.std)
    return f"top-1 {got['top1']:.2f} on the {got['count']:,} test images of {data.name}; published {published:.2f}"


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Parser("kdjax.fetch", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("teachers", help=f"the released teachers: {', '.join(TEACHERS)}")
    verb.add_argument("names", nargs="*", metavar="NAME")
    verb.add_argument("--out", default="teachers", help="the folder for them (default: teachers)")
    verb.add_argument("--url", help=f"another address (default: $KDJAX_TEACHERS_URL, else {TEACHERS_URL})")
    verb.add_argument("--timeout", type=float, default=30, help="seconds to wait for a byte (default: 30)")
    verb.add_argument("--data_dir", default="", help="where CIFAR-100 lies")
    verb.add_argument("--no-check", action="store_true", help="do not measure the accuracy")
    verb = verbs.add_parser("data", help="the official archive of cifar10 or cifar100")
    verb.add_argument("name")
    verb.add_argument("--data_dir", default="", help="where to put it (default: where data is looked for first)")
    args = parser.parse_args(argv)
    if args.verb == "teachers":
        teachers(args.names, args.out, url=args.url, timeout=args.timeout, data_dir=args.data_dir,
                 check=not args.no_check)
    else:
        from kdjax.data import download
        from kdjax.data import source as sources
        places = sources.roots(types.SimpleNamespace(dir=args.data_dir, cache_dir=""))
        print(download.fetch(args.name, places[0]))
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
