"""What others put around weights is taken off, and said; what is not understood is refused truthfully."""
import argparse
import collections
import datetime
import enum
import functools
import json
import os
import pathlib
import re

import jax
import numpy as np
import pytest
import torch

from kdjax import models
from kdjax.errors import UserError
from kdjax.weights import convert
from kdjax.weights import folder as export
from kdjax.weights.torch import checkpoint
from tests.weights.test_torch_checkpoint import _tensor_pickle, _zip
from tests.weights.torch_files import containers, network, prefixed, save, state_dict


def state(name="resnet8"):
    return state_dict(name)


def comes_back(path, want=None, name="resnet8", **options):
    got = checkpoint.read(path, **options)
    assert got.name == name
    want = want or state_dict(name)
    assert all(np.array_equal(got.state_dict[key], value.numpy()) for key, value in want.items())
    return got.metadata


def refused(path, *words, **options):
    with pytest.raises(UserError) as error:
        checkpoint.load(path, **options)
    text = str(error.value)
    assert text.startswith(str(path)) and "\n" not in text
    for word in words:
        assert word in text, text
    return text


# Beside the weights ---------------------------------------------------------------------------------------------------

class Phase(enum.Enum):
    TRAIN = 1


class Settings(dict):
    pass


BESIDE = {
    "a scheduler's Counter": collections.Counter({30: 1, 60: 1}),
    "a set": {1, 2}, "a frozen set": frozenset("ab"), "a path": pathlib.PurePosixPath("/data/x"),
    "a type": torch.float16, "a class": collections.OrderedDict, "a device": torch.device("cuda:1"),
    "a NumPy scalar of text": np.str_("x"), "an array": np.arange(5.0), "an array of words": np.array(["a", "b"]),
    "a random state": np.random.RandomState(0).get_state(), "a generator": np.random.default_rng(0).bit_generator,
    "a date": datetime.datetime(2020, 1, 1), "an enum": Phase.TRAIN, "a dict of a class": Settings(a=1),
    "options": argparse.Namespace(lr=0.1, inner=argparse.Namespace(x={1})), "a deque": collections.deque([1, 2], 3),
    "a default dict": collections.defaultdict(list, {"a": [1]}), "keys of other kinds": {(1, 2): 3, Phase.TRAIN: 4},
    "an ordered dict of tuples": collections.OrderedDict([((1, 2), {3})]), "a slice": slice(1, 2),
    "a complex tensor": torch.zeros(2, dtype=torch.complex64), "an error": ValueError("x"),
    "a sparse tensor": torch.zeros(3).to_sparse(), "a pattern": re.compile("x"), "a zip": zip([1], [2]),
    "a file's state": os.stat("."), "a partial": functools.partial(int, base=2),
    "a module's class": argparse.ArgumentParser,
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("what", BESIDE)
@pytest.mark.filterwarnings("ignore")
def test_what_lies_beside_the_weights_condemns_nothing(tmp_path, what, legacy):
    obj = {"model": state(), "epoch": 3, "extra": BESIDE[what], "deep": [{"x": (BESIDE[what],)}]}
    assert comes_back(save(tmp_path / "x.pth", obj, legacy))["epoch"] == 3


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_s_way_of_writing_objects_is_read(tmp_path, protocol):
    obj = {"model": state(), "epoch": 3, "beside": list(BESIDE.values())[:12]}
    torch.save(obj, tmp_path / "x.pth", pickle_protocol=protocol)
    comes_back(tmp_path / "x.pth")


@pytest.mark.parametrize(("obj", "name"), [
    ({"model": {"fc.weight": Settings(a=1), "fc.bias": torch.zeros(3)}}, "test_wrapped_weights.Settings"),
    ({"model": Settings(state_dict("resnet8"))}, "test_wrapped_weights.Settings"),
    (Settings(a=torch.zeros(3)), "test_wrapped_weights.Settings"),
    ({"state_dict": torch.nn.Linear(2, 2)}, "torch.nn.modules.linear.Linear")])
def test_what_the_weights_themselves_need_is_refused_by_name(tmp_path, obj, name):
    refused(save(tmp_path / "x.pth", obj), name, "state_dict()")


class Runs:
    def __init__(self, command, *args):
        self.call = command, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(("command", "name"), [
    (os.system, "posix.system"), (print, "print"), (eval, "eval"), (exec, "exec"), (open, "open"),
    (__import__, "__import__"), (os.remove, "posix.remove")])
def test_a_name_that_acts_is_refused_wherever_it_stands(tmp_path, command, name):
    for obj in ({"model": state(), "extra": [{"x": Runs(command, "x")}]}, {"model": state(), "extra": {command: 1}}):
        refused(save(tmp_path / "x.pth", obj), "asks to run", name)


def test_nothing_beside_the_weights_is_imported_or_called(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "planted_module.py").write_text("raise SystemExit('imported')")
    name = b"cplanted_module\nX\n"
    ways = (name, name + b")R", b"(i" + name[1:], b"(" + name + b"o", name + b")\x81}b", name + b")}\x92")
    for planted in ways:
        body = _tensor_pickle(4, 0, [2, 2], [2, 1]).removesuffix(b".")
        path = _zip(tmp_path / "x.pth", body + b"X\x05\x00\x00\x00extra" + planted + b"s.", _0=bytes(16))
        assert checkpoint.read(path).state_dict["w"].shape == (2, 2)


def test_parameters_with_attributes_are_weights(tmp_path):
    tensors = dict(state())
    tensors["fc.weight"] = torch.nn.Parameter(tensors["fc.weight"])
    tensors["fc.weight"].note = "x"
    tensors["fc.bias"] = tensors["fc.bias"].clone()
    tensors["fc.bias"].note = "x"
    comes_back(save(tmp_path / "x.pth", {"model": tensors}))


# Around the weights ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("prefix", [
    "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module.", "model.", "net.", "network.", "backbone.",
    "model.backbone.", "student_model.", "a.b.c.d.", "encoder.model._orig_mod."])
def test_any_prefix_common_to_all_keys_is_taken_off_and_said(tmp_path, prefix):
    metadata = comes_back(save(tmp_path / "x.pth", {"state_dict": prefixed(prefix, state())}))
    assert metadata["prefix"] == prefix and any(prefix in note for note in metadata["notes"])


@pytest.mark.parametrize("name", ["wrn_10_2", "vgg8", "ShuffleV1", "MobileNetV2"])
def test_prefixes_are_taken_off_every_family(tmp_path, name):
    comes_back(save(tmp_path / "x.pth", prefixed("model._orig_mod.", state(name))), name=name)


@pytest.mark.parametrize(("counter", "prefix"), [
    ("n_averaged", "module."), ("num_updates", "model."), ("initted", "ema_model.")])
def test_counters_of_averaged_models_are_left_out_and_said(tmp_path, counter, prefix):
    obj = {"model": prefixed(prefix, state()) | {counter: torch.tensor(7)}}
    metadata = comes_back(save(tmp_path / "x.pth", obj))
    assert counter in metadata["left_out"] and any(counter in note for note in metadata["notes"])


def test_wrappers_around_single_layers_are_taken_out(tmp_path):
    inside = lambda key: key.replace("layer2.", "layer2._orig_mod.").replace("fc.", "fc._checkpoint_wrapped_module.")
    wrapped = {f"module.{inside(key)}": value for key, value in state().items()}
    metadata = comes_back(save(tmp_path / "x.pth", {"model": wrapped}))
    assert metadata["prefix"] == "module." and "_orig_mod" in metadata["left_out"]


def test_prefixes_around_some_keys_only_are_refused(tmp_path):
    for word in ("module.", "_orig_mod."):
        refused(save(tmp_path / "x.pth", prefixed(word, state()) | {"fc.bias": torch.zeros(10)}), f"prefix `{word}`")


def body_and_head(body, head):
    """resnet8 with its classifier elsewhere."""
    place = lambda key: head + key.removeprefix("fc.") if key.startswith("fc.") else body + key
    return {place(key): value for key, value in state().items()}


@pytest.mark.parametrize(("body", "head"), [
    ("backbone.", "head.fc."), ("backbone.", "fc."), ("encoder.", "classifier."), ("model.backbone.", "model.head.fc."),
    ("backbone.", "head."), ("module.backbone.", "module.head.fc."), ("features.", "linear.")])
def test_a_body_with_its_head_beside_it_is_put_together(tmp_path, body, head):
    metadata = comes_back(save(tmp_path / "x.pth", {"meta": {}, "state_dict": body_and_head(body, head)}))
    assert metadata["notes"]


def test_what_no_known_project_writes_beside_a_network_is_named_and_never_dropped(tmp_path):
    path = save(tmp_path / "x.pth", {"state_dict": prefixed("model.", state()) | {"criterion.weight": torch.zeros(10)}})
    refused(path, "criterion", "resnet8", "--part model")
    comes_back(path, part="model")


@pytest.mark.parametrize("entry", ["model_state_dict", "model_state", "network", "params", "weights", "ema"])
def test_one_entry_of_any_name_that_looks_like_weights_is_taken_and_said(tmp_path, entry):
    obj = {entry: state(), "epoch": 3, "rng": {"cpu": torch.zeros(5000, dtype=torch.uint8)}, "optimizer": {"state": {}}}
    metadata = comes_back(save(tmp_path / "x.pth", obj))
    assert metadata["container"] == entry and entry in metadata["notes"][0]


def test_weights_inside_of_an_entry_are_found(tmp_path):
    path = save(tmp_path / "x.pth", {"state": {"model": state(), "step": 3}, "args": {}})
    assert comes_back(path)["container"] == "state.model"
    comes_back(path, key="state.model")


def test_of_several_entries_one_must_be_named(tmp_path):
    path = save(tmp_path / "x.pth", {"generator_state": state(), "average_state": dict(state())})
    refused(path, "generator_state and average_state", "--key")
    comes_back(path, key="average_state")


def test_an_average_beside_the_model_is_told(tmp_path):
    path = save(tmp_path / "x.pth", {"model": state(), "model_ema": dict(state())})
    assert "--key model_ema" in comes_back(path)["notes"][0]


def test_numbers_among_the_weights_are_left_out_and_said(tmp_path):
    metadata = comes_back(save(tmp_path / "x.pth", {**state(), "epoch": 3, "arch": "resnet8"}))
    assert metadata["left_out"] == ["epoch", "arch"]


def lightning():
    """A checkpoint as PyTorch Lightning writes it, by its documentation."""
    return {"epoch": 3, "global_step": 99, "pytorch-lightning_version": "2.0.0",
            "state_dict": prefixed("model.", state()),
            "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 3}}}},
            "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5), "kth": {}}},
            "optimizer_states": [{"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}],
            "lr_schedulers": [{"milestones": collections.Counter([1]), "base_lrs": [0.1]}],
            "hyper_parameters": Settings(lr=0.1, path=pathlib.PurePosixPath("x"))}


def test_a_lightning_checkpoint_is_read(tmp_path):
    assert comes_back(save(tmp_path / "x.ckpt", lightning()))["epoch"] == 3


# Other names of the same mathematics ----------------------------------------------------------------------------------

def renamed(name="resnet8", **words):
    change = lambda key: ".".join(words.get(word, word) for word in key.split("."))
    return collections.OrderedDict((change(key), value) for key, value in state(name).items())


@pytest.mark.parametrize("words", [
    dict(downsample="shortcut", fc="linear"), dict(downsample="shortcut"), dict(fc="linear"), dict(fc="classifier"),
    dict(fc="last_linear")])
def test_other_names_of_the_same_layers_are_accepted_and_said(tmp_path, words):
    metadata = comes_back(save(tmp_path / "x.pth", {"state_dict": prefixed("module.", renamed(**words))}))
    for ours, theirs in words.items():
        assert any(f"{theirs} -> {ours}" in note for note in metadata["notes"])


def test_a_shortcut_without_weights_is_never_guessed_from_other_names(tmp_path):
    path = save(tmp_path / "x.pth", renamed("resnet20a", linear="fc"))
    refused(path, "a resnet20a under other names (fc -> linear)", "--model resnet20a")
    assert checkpoint.load(path, name="resnet20a")[0].name == "resnet20a"


def test_a_cifar_resnet18_under_torchvision_s_names_is_the_encoder_of_that_shape_with_the_same_logits(tmp_path):
    path = save(tmp_path / "x.pth", renamed("ResNet18", linear="fc", shortcut="downsample"))
    seen, asked = checkpoint.load(path), checkpoint.load(path, name="ResNet18")
    assert (seen[0].name, asked[0].name) == ("imix_resnet18", "ResNet18") and asked[2]["notes"]
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype(np.float32)
    logits = [net.apply(variables, images)[0].logits for net, variables, _ in (seen, asked)]
    np.testing.assert_allclose(*logits, rtol=1e-5, atol=1e-5)


# safetensors ----------------------------------------------------------------------------------------------------------

@pytest.fixture
def written(tmp_path):
    """A network's folder and the safetensors file that kdjax writes from it."""
    net = models.build("resnet8", num_classes=7, image_size=16)
    variables = net.init(jax.random.key(3))
    export.save_network(tmp_path / "folder", net, variables)
    assert convert.to_file(str(tmp_path / "folder"), str(tmp_path / "a.safetensors"), torch=False) == 0
    return tmp_path, net, variables


@pytest.mark.parametrize("options", [{}, {"name": "resnet8"}])
def test_kdjax_reads_the_safetensors_that_it_wrote(written, options):
    folder, net, variables = written
    assert convert.to_folder(str(folder / "a.safetensors"), str(folder / "B"), **options) == 0
    again, back, _ = export.load_network(folder / "B")
    assert (again.name, again.num_classes, again.image_size) == ("resnet8", 7, 16)
    assert all(map(np.array_equal, jax.tree.leaves(back), jax.tree.leaves(variables)))
    assert models.load(folder / "a.safetensors")[0].image_size == 16


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_others_safetensors_are_read_under_any_name(tmp_path, dtype):
    from safetensors.torch import save_file
    tensors = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state().items()}
    save_file(prefixed("model.", tensors), tmp_path / "pytorch_model.bin")
    got = checkpoint.read(tmp_path / "pytorch_model.bin").state_dict
    assert all(np.array_equal(got[key], value.double().numpy()) for key, value in tensors.items())


def test_a_safetensors_file_names_a_network_of_kdjax_only(written, monkeypatch):
    folder, *_ = written
    data = (folder / "a.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    for told, fine in (("planted_module:Net", True), ("resnet14", False), ("x" * 999, True)):
        header = json.loads(data[8:8 + size])
        header["__metadata__"].update(model=told, image_size="9" * 50)
        text = json.dumps(header).encode()
        (folder / "b.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size:])
        if fine:
            assert checkpoint.load(folder / "b.safetensors")[0].name == "resnet8"
        else:
            refused(folder / "b.safetensors", "holds a resnet8, but its own description says resnet14")


@pytest.mark.parametrize("change", [
    lambda entry: entry.update(data_offsets=[0, 10**9]), lambda entry: entry.update(shape=[10**9, 10**9]),
    lambda entry: entry.update(shape=[-1]), lambda entry: entry.update(dtype="F8_E4M3"),
    lambda entry: entry.update(dtype=7),
    lambda entry: entry.update(data_offsets=[5, 1]), lambda entry: entry.pop("shape"),
    lambda entry: entry.update(shape=[1] * 99)])
def test_a_damaged_header_is_one_sentence(written, change):
    folder, *_ = written
    data = (folder / "a.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    change(header["conv1.weight"])
    text = json.dumps(header).encode()
    (folder / "c.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size:])
    refused(folder / "c.safetensors")
    (folder / "d.safetensors").write_bytes(data[:len(data) // 2])
    refused(folder / "d.safetensors")


def test_the_weights_file_of_a_folder_points_to_its_folder(written):
    refused(written[0] / "folder" / "weights.safetensors", "give the folder")


def test_every_layout_can_be_wrapped_once_more(tmp_path):
    for layout, obj in containers().items():
        weights = next((obj[key] for key in ("model", "state_dict", "net") if key in obj), obj)
        if layout not in ("mdistiller",):
            comes_back(save(tmp_path / "x.pth", {"model": prefixed("_orig_mod.", weights)}))
    assert network().name == "resnet8"
