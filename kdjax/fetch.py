"""Get what others published.

    python -m kdjax.fetch teachers [NAME ...]        RepDistiller's CIFAR-100 teachers, converted into teachers/NAME
    python -m kdjax.fetch data NAME                  the official archive of cifar10, cifar100, stl10, tiny_imagenet
"""
import argparse
import sys
import types

from kdjax.config.command_line import Parser, guarded
from kdjax.data import download, source
from kdjax.run import fetch


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Parser("kdjax fetch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("teachers", help=f"the released teachers: {', '.join(fetch.TEACHERS)}")
    verb.add_argument("names", nargs="*", metavar="NAME")
    verb.add_argument("--out", default="teachers", help="the folder for them (default: teachers)")
    verb.add_argument("--url", help=f"another address (default: $KDJAX_TEACHERS_URL, else {fetch.TEACHERS_URL})")
    verb.add_argument("--timeout", type=float, default=30, help="seconds to wait for a byte (default: 30)")
    verb.add_argument("--data_dir", default="", help="where CIFAR-100 lies")
    verb.add_argument("--no-check", action="store_true", help="do not measure the accuracy")
    verb = verbs.add_parser("data", help="an official archive")
    verb.add_argument("name")
    verb.add_argument("--data_dir", default="", help="where to put it (default: where data is looked for first)")
    args = parser.parse_args(argv)
    if args.verb == "teachers":
        fetch.teachers(args.names, args.out, url=args.url, timeout=args.timeout, data_dir=args.data_dir,
                 check=not args.no_check)
    else:
        places = source.roots(types.SimpleNamespace(dir=args.data_dir, cache_dir=""))
        print(download.fetch(args.name, places[0]))
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
