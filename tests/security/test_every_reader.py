"""Every file that kdjax reads, with code inside: nothing of it runs. docs/security.md says why, a line a reader."""
import ast
import io
import json
import pathlib
import pickle
import tarfile
import warnings
import zipfile

import numpy as np
import pytest

from kdjax import config, methods, models
from kdjax.data import cache
from kdjax.data.readers import cifar_archive, folder, images, npz, safe_archive
from kdjax.data.types import Raw, Split
from kdjax.errors import UserError
from kdjax.files.checksums import seal
from kdjax.files.download import Part, digest
from kdjax.run import folder as run_folder
from kdjax.run import log as run_log
from kdjax.run import result as results
from kdjax.run import resume
from kdjax.run.checkpoints import RunCheckpoints
from kdjax.weights import folder as export
from kdjax.weights.torch import checkpoint as torch_checkpoint

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEEP = "[" * 100_000


class Touch:
    """Unpickled, it imports the module of conftest.py, which leaves a mark."""

    def __init__(self, module):
        self.module = module

    def __reduce__(self):
        return __import__, (self.module,)


@pytest.fixture
def attacked(extra):
    """Calls a reader and wants a UserError, or a harmless answer, and no mark."""
    def attempt(read, *arguments, refuses=True):
        if refuses:
            with pytest.raises(UserError) as caught:
                read(*arguments)
            assert "\n" not in str(caught.value)
        else:
            answer = read(*arguments)
        assert not extra[1]()
        return None if refuses else answer
    return attempt


def test_weights_safetensors(attacked, stranger, extra):
    path = stranger("resnet8")
    for header in (b"{" + pickle.dumps(Touch(extra[0])), b'{"a":{"dtype":"O","shape":[1],"data_offsets":[0,8]}}',
                   b'{"__metadata__":{"__class__":"strange_code:Net"}}', DEEP.encode()):
        for size in (len(header), 2**63, 10**9):
            (path / export.WEIGHTS).write_bytes(size.to_bytes(8, "little") + header + bytes(8))
            said = json.loads((path / export.DESCRIPTION).read_text())
            said["weights_sha256"] = digest(path / export.WEIGHTS)
            (path / export.DESCRIPTION).write_text(json.dumps(said))
            attacked(models.load, path)


def test_torch_files(attacked, tmp_path, extra):
    code = pickle.dumps({"model": Touch(extra[0])}, 2)
    for name, stored in (("zip", "archive/data.pkl"), ("tensor", "archive/data/0")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(stored, code)
            archive.writestr("archive/version", b"3\n")
        attacked(torch_checkpoint.load, str(tmp_path / name))
    (tmp_path / "bare").write_bytes(code)
    (tmp_path / "old").write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + pickle.dumps(1001, 2) + code)
    attacked(torch_checkpoint.load, str(tmp_path / "bare"))
    attacked(torch_checkpoint.load, str(tmp_path / "old"))


def test_npz(attacked, tmp_path, extra, arrays):
    planted = np.array([Touch(extra[0])] * 12, dtype=object)
    for key in arrays:
        np.savez(tmp_path / "x.npz", **{**arrays, key: planted})
        attacked(npz.read, tmp_path / "x.npz")
    header = b"\x93NUMPY\x01\x00"
    text = f"{{'descr': __import__('{extra[0]}'), 'fortran_order': False, 'shape': (1,)}}\n".encode()
    with zipfile.ZipFile(tmp_path / "y.npz", "w") as archive:
        for key in arrays:
            archive.writestr(f"{key}.npy", header + len(text).to_bytes(2, "little") + text)
    attacked(npz.read, tmp_path / "y.npz")


def test_the_cache_of_decoded_data(attacked, tmp_path, extra, arrays):
    build = lambda: Raw("tiny", Split(arrays["train_images"], arrays["train_labels"]),
                        Split(arrays["test_images"], arrays["test_labels"]), 3)
    (tmp_path / "source").touch()
    read = lambda: cache.cached(tmp_path / "cache", tmp_path / "source", [tmp_path / "source"], {}, build)
    read()
    file, = (tmp_path / "cache").glob("*.npz")
    with np.load(file) as stored:
        kept = dict(stored)
    np.savez(file, **{**kept, "train_images": np.array([Touch(extra[0])], dtype=object)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert attacked(read, refuses=False).num_classes == 3


def test_cifar_pickles(attacked, tmp_path, extra):
    unpacked = tmp_path / "cifar-100-python"
    unpacked.mkdir()
    for planted in ({b"data": Touch(extra[0]), b"fine_labels": [0]}, Touch(extra[0]),
                    {b"data": np.zeros((1, 3072), np.uint8), b"fine_labels": [Touch(extra[0])]}):
        for protocol in (0, 1, 2, 4, 5):
            for name in ("train", "test"):
                (unpacked / name).write_bytes(pickle.dumps(planted, protocol))
            attacked(cifar_archive.read, unpacked, False)


def test_archives(attacked, tmp_path):
    for name, kind in (("../strange_code.py", tarfile.REGTYPE), ("/tmp/x", tarfile.REGTYPE), ("x", tarfile.SYMTYPE),
                       ("x", tarfile.LNKTYPE), ("x", tarfile.CHRTYPE), ("x", tarfile.FIFOTYPE)):
        with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member, io.BytesIO())
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        attacked(safe_archive.read_tar, tmp_path / "a.tar.gz", ("train",))
        assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_images(attacked, tmp_path):
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(executed) (w) file closefile\n%%EOF\n"
    for data in (eps, b"\xc5\xd0\xd3\xc6" + eps, b"/* XPM */\nstatic char *x[] = {};", pickle.dumps(1), b""):
        attacked(images.decode, data, "image")


def test_lists_of_images(attacked, tmp_path):
    (tmp_path / "data" / "val" / "images").mkdir(parents=True)
    for name in ("../../secret.png", "/etc/passwd", "..", "a\\..\\b", "x\0y", "."):
        (tmp_path / "data" / "val" / "val_annotations.txt").write_text(f"{name}\ta\t0\n")
        attacked(lambda: [folder._contents(file, (tmp_path / "data").resolve())
                          for file, _ in folder.listing(tmp_path / "data" / "val", ["a", "b"])])


def test_config_json(attacked, tmp_path, extra):
    """A run's own config is compared with the one asked for, never used."""
    before = json.loads(config.default().to_json())
    for field, value in (("student", {"name": f"{extra[0]}:Net"}), ("method", {"name": f"{extra[0]}:Net"}),
                         ("teacher", {"name": f"{extra[0]}:Net", "checkpoint": "x"})):
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
        run_folder.write_json(tmp_path / "config.json", {"config": {**before, field: {**before[field], **value}}})
        attacked(resume.check_resume, config.default(), tmp_path)
    for text in (DEEP, "7", '{"config": 7}'):
        (tmp_path / "config.json").write_text(text)
        attacked(resume.check_resume, config.default(), tmp_path, refuses=False)


def test_result_json(attacked, tmp_path, extra):
    for text in (DEEP, "[]", json.dumps({"student": f"{extra[0]}:Net", "method": [f"{extra[0]}:Net"], "epochs": 1})):
        (tmp_path / "result.json").write_text(text)
        assert attacked(results.finished, config.default(), tmp_path, refuses=False) is None


def test_metrics_jsonl(attacked, tmp_path, extra):
    good = json.dumps({"kind": "epoch", "epoch": 1, "stage": "main", "step": 1})
    (tmp_path / "metrics.jsonl").write_text("\n".join([DEEP, good, f"__import__('{extra[0]}')", "7"]) + "\n")
    attacked(run_log.RunLog(tmp_path).rewind, 5, {"main": 1}, refuses=False)
    assert (tmp_path / "metrics.jsonl").read_text() == good + "\n"


def test_the_note_beside_a_download(attacked, tmp_path):
    for text in (DEEP, "7", "[]"):
        part = Part(tmp_path / "x.part")
        part.note.write_text(text)
        assert attacked(part.origin, refuses=False) == {}
        part.file.close()


MANIFESTS = {
    "no object": 7, "no fields": {}, "another version's name": {"version": "strange_code:Net"},
    "files outside": {"files": {"../../config.json": [1, "0" * 64]}},
    "an absolute file": {"files": {"/etc/passwd": [1, ""]}},
    "files of another form": {"files": {"a": 7}}, "leaves of another form": {"leaves": {"a": 7}},
    "a leaf of objects": {"leaves": {"a": {"dtype": "object", "shape": [0], "sha256": ""}}},
    "a leaf of code": {"leaves": {"a": {"dtype": ["strange_code"], "shape": [0], "sha256": ""}}},
    "a shape below zero": {"leaves": {"a": {"dtype": "float32", "shape": [-1], "sha256": ""}}},
    "a leaf inside a leaf": {"leaves": {"a": "empty", "a/b": "empty"}},
    "a step of another kind": {"step": [1]}, "a score of another kind": {"best": "1"},
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_manifest(attacked, tmp_path, what):
    whole = {"version": 1, "step": 1, "best": None, "meta": {}, "leaves": {}, "files": {}}
    change = MANIFESTS[what]
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "MANIFEST").write_bytes(seal({**whole, **change} if change and change != 7 else change))
    with pytest.warns(UserWarning, match="is damaged"):
        assert attacked(RunCheckpoints(tmp_path).restore, refuses=False) is None


def test_a_manifest_without_end(attacked, tmp_path):
    import hashlib
    (tmp_path / "1").mkdir()
    body = DEEP.encode()
    (tmp_path / "1" / "MANIFEST").write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    with pytest.warns(UserWarning, match="is damaged"):
        attacked(RunCheckpoints(tmp_path).restore, refuses=False)


@pytest.mark.parametrize("change", [
    lambda told: told["tree_metadata"]["('a',)"]["value_metadata"].update(value_type="strange_code.Net"),
    lambda told: told["tree_metadata"].update({"__import__('strange_code')": told["tree_metadata"]["('a',)"]}),
    lambda told: told.update(value_metadata_tree={"module_name": "strange_code", "class_name": "Net"},
                             custom_metadata={"module": "strange_code"}),
    lambda told: told.update(use_ocdbt="strange_code")])
@pytest.mark.filterwarnings("ignore")
def test_orbax_metadata(attacked, tmp_path, change):
    checkpoints = RunCheckpoints(tmp_path)
    checkpoints.save(1, {"a": np.arange(3.0, dtype=np.float32)}, {})
    arrays, manifest = tmp_path / "1" / "arrays", tmp_path / "1" / "MANIFEST"
    told = json.loads((arrays / "_METADATA").read_text())
    change(told)
    (arrays / "_METADATA").write_text(json.dumps(told))
    (arrays / "_CHECKPOINT_METADATA").write_text(json.dumps({"item_handlers": "strange_code.Net"}))
    sealed = json.loads(manifest.read_bytes().partition(b"\n")[2])
    for name in ("_METADATA", "_CHECKPOINT_METADATA"):
        sealed["files"][f"arrays/{name}"] = [(arrays / name).stat().st_size, digest(arrays / name)]
    manifest.write_bytes(seal(sealed))
    restored = attacked(checkpoints.restore, refuses=False)
    assert restored is None or np.array_equal(restored[1]["a"], np.arange(3.0))


def test_names_of_networks_and_methods_that_are_no_module_are_one_sentence(extra):
    for name in (":Net", "a b:Net", f"{extra[0]}:", "no.such.module:Net"):
        for ask in (lambda name=name: models.build(name, num_classes=2), lambda name=name: methods.find(name)):
            with pytest.raises(UserError):
                ask()


# The only places that import or run by a name which is not written in kdjax's own code; a user typed that name.
BUILTIN = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
ACTING = {"import_module", "exec_module", "load_module", "run_path", "run_module"}
UNPICKLING = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "runpy", "torch"}
MAY = [("import_module", "importlib.import_module(module)"), ("import_module", "importlib.import_module(module_name)"),
       ("exec_module", "spec.loader.exec_module(module)")]


def acts(path):
    """(what, where) of every call by name and every import of an unpickler (PyTorch is one) in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from ((name, path.name) for name in names if name.split(".")[0] in UNPICKLING)
        elif isinstance(node, ast.Call) and not (node.args and isinstance(node.args[0], ast.Constant)):
            told = ast.unparse(node.func)
            name = told.rpartition(".")[2]
            if name in ACTING or told in BUILTIN:
                yield name, ast.unparse(node)


def test_nothing_in_kdjax_could_import_or_run_what_a_file_says():
    found = [act for path in sorted((ROOT / "kdjax").rglob("*.py")) for act in acts(path)]
    assert sorted(set(found)) == sorted(MAY)


def test_no_array_is_read_with_pickles_allowed():
    for path in (ROOT / "kdjax").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "np.lib.format.read_array"):
                assert "allow_pickle=False" in ast.unparse(node), path


def test_the_page_has_a_line_for_every_reader():
    page = (ROOT / "docs" / "security.md").read_text()
    for word in ("network.json", "weights.safetensors", ".pth", ".npz", "CIFAR", "TFDS", "archive", "images",
                 "val_annotations.txt", "config.json", "result.json", "metrics.jsonl", "MANIFEST", "orbax", "cache",
                 ".part.json", "config file"):
        assert word in page, word
