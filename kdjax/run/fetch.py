"""The released teachers: downloaded, converted, and measured where CIFAR-100 is at hand."""
import os
import pathlib
import types

from kdjax.data import source, stats
from kdjax.errors import UserError
from kdjax.files import download
from kdjax.run import accuracy
from kdjax.weights import folder as folders
from kdjax.weights import torch

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
    folder = out / name
    if (folder / folders.DESCRIPTION).is_file():
        net, variables, metadata = folders.load_network(folder)
        print(f"{folder} is there already ({net.name}, sha256 {metadata.get('source_sha256', 'unknown')})")
    else:
        net, variables = _fetch(name, folder, f"{base}/{name}_vanilla/ckpt_epoch_240.pth", timeout)
    if check:
        print(f"  {_accuracy(net, variables, data_dir, TEACHERS[name])}", flush=True)
    return folder


def _fetch(name: str, folder: pathlib.Path, url: str, timeout: float):
    folders.refuse_to_overwrite(folder)
    file = download.download(url, folder.with_name(f"{name}_vanilla") / "ckpt_epoch_240.pth", timeout=timeout)
    try:
        net, variables, metadata = torch.load(file, name=name)
    except UserError as error:
        file.rename(file.with_name(file.name + ".refused"))  # so that the next call downloads it anew
        raise UserError(f"{error} (It came from {url} and is kept as {file}.refused.)") from None
    folders.save_network(folder, net, variables, {**metadata, "url": url, "stats": stats.STATS["cifar100"]})
    print(f"{folder}: {net.name}, {net.num_classes} classes, {net.num_params:,} parameters\n"
          f"  {metadata['source_bytes']:,} bytes, sha256 {metadata['source_sha256']}", flush=True)
    return net, variables


def _accuracy(net, variables, data_dir: str, published: float) -> str:
    """One line: top-1 on CIFAR-100's test images beside the published one, or why there is none."""
    fields = types.SimpleNamespace(dataset="cifar100", dir=data_dir, download=False, stats="auto", verify=True,
                                   image_size=None, per_class=0, valid_size=0, cache_dir="",
                                   allow_empty_classes=True)
    if source.locate(fields) is None:
        return (f"published top-1 {published:.2f}; not measured, as CIFAR-100 is not here "
                "(python -m kdjax.fetch data cifar100)")
    data = source.load(fields, seed=0)
    accuracy.check_classes(net, data.num_classes, data.name)
    got = accuracy.evaluate(net, variables, data.test, data.mean, data.std)
    return f"top-1 {got['top1']:.2f} on the {got['count']:,} test images of {data.name}; published {published:.2f}"
