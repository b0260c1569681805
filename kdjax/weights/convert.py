"""What convert_torch_ckpt.py does, with the report it prints."""

import pathlib
import sys
from typing import Any

from kdjax.errors import UserError
from kdjax.files.download import digest
from kdjax.weights import folder as export
from kdjax.weights.torch import checkpoint as torch_checkpoint


def convert(source: str, out: str | None = None, stats: tuple | None = None,
            **options) -> tuple[pathlib.Path, Any, dict[str, Any]]:
    """Convert the torch file `source` into the folder `out`, teachers/<name> by default: (folder, network, metadata).

    stats: the mean and std of its training, kept in network.json. options: as for torch_checkpoint.load. Raises
    UserError, with nothing written, when file or place is refused.
    """
    net, variables, metadata = torch_checkpoint.load(source, **options)
    metadata |= {"stats": stats} if stats else {}
    folder = pathlib.Path(out or pathlib.Path("teachers") / net.name.replace(":", "_"))
    if out is None and (folder / export.DESCRIPTION).is_file():
        _refuse_another(folder, metadata)
    export.save_network(folder, net, variables, metadata)
    return folder, net, metadata


def to_folder(source: str, out: str | None = None, stats: tuple | None = None, **options) -> int:
    """`convert`, with what it did on the terminal; returns the exit status."""
    folder, net, metadata = convert(source, out, stats, **options)
    for note in metadata["notes"]:
        print(f"note: {note}", file=sys.stderr)
    print(
        f"{net.name}, {net.num_classes} classes, {net.num_params:,} parameters{_told(metadata)}\n"
        f"sha256 {metadata['source_sha256']}  {source}\n"
        f"written to {folder}"
    )
    return 0


def to_file(source: str, out: str | None, torch: bool, **options) -> int:
    """Write the network in `source`, a folder or a torch file, as a .pth (torch) or a .safetensors file."""
    suffix = ".pth" if torch else ".safetensors"
    path = pathlib.Path(source)
    target = pathlib.Path(out) if out else path.with_name(path.name.removesuffix(".pth") + suffix)
    if not out and target.exists():
        raise UserError(f"{target} exists; choose another place with --out.")
    if path.is_dir():
        net, variables, metadata = export.load_network(path, options.get("name"))
    else:
        net, variables, metadata = torch_checkpoint.load(source, **options)
    (export.save_torch if torch else export.save_safetensors)(target, net, variables, metadata)
    print(f"{net.name}, {net.num_classes} classes, {net.num_params:,} parameters\nsha256 {digest(target)}  {target}")
    return 0


def _refuse_another(folder: pathlib.Path, metadata: dict[str, Any]) -> None:
    try:
        there = export.read_description(folder)["metadata"]["source_sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        there = None  # damaged, or another's
    if there != metadata["source_sha256"]:
        raise UserError(f"{folder} already holds another network; choose a place with --out.")


def _told(metadata: dict[str, Any]) -> str:
    told = [f"{word} {metadata[word]:.6g}" for word in ("epoch", "accuracy") if word in metadata]
    return f" (the file says: {', '.join(told)})" if told else ""
