"""Reading torch checkpoints: every layout, both byte formats, nothing executed, the rest refused in a sentence."""
import contextlib
import io
import os
import pickle
import random
import signal
import struct
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdjax import models
from kdjax.errors import UserError
from kdjax.weights.torch import checkpoint as torch_checkpoint
from kdjax.weights.torch import choice
from kdjax.weights.torch import recognition as recognize
from kdjax.weights.torch.checkpoint import from_state_dict, read, to_state_dict
from kdjax.weights.torch.naming import torch_shapes
from tests.weights import torch_files
from tests.weights.torch_files import containers, network, prefixed, save, state_dict

LAYOUTS = list(containers())


def refused(path, *words, **options):
    """`read` refuses with one sentence that begins with the file and holds the words."""
    with pytest.raises(UserError) as error:
        torch_checkpoint.load(path, **options)
    text = str(error.value)
    assert text.startswith(str(path)) and "\n" not in text and len(text) < 500, text
    for word in words:
        assert word in text, text


def same(got, want):
    return list(got) == list(want) and all(np.array_equal(got[key], want[key].numpy()) for key in want)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_its_network_bit_for_bit(tmp_path, layout, legacy):
    path = save(tmp_path / "run" / "file.pth", containers()[layout], legacy)
    got = read(path)
    assert (got.name, got.num_classes) == ("resnet8", 10) and same(got.state_dict, state_dict())
    assert got.metadata.get("accuracy") in (61.5, None) and got.metadata["num_batches_tracked"]["bn1"] == 150


def test_epoch_and_accuracy_are_kept_from_numbers_tensors_and_numpy_scalars(tmp_path):
    for layout in ("rep_regular", "rep_best", "data_parallel", "hsakd"):
        metadata = read(save(tmp_path / "x.pth", containers()[layout])).metadata
        assert metadata["accuracy"] == 61.5 and metadata["epoch"] == containers()[layout]["epoch"]


def test_the_teacher_of_an_mdistiller_file_is_read_when_asked_for(tmp_path):
    path = save(tmp_path / "latest", containers()["mdistiller"])
    teacher = read(path, part="teacher")
    assert teacher.name == "resnet14" and same(teacher.state_dict, state_dict("resnet14"))
    assert read(path).metadata["left_out"] == ["connectors", "teacher"]
    refused(path, "no part 'tutor'", "--part", part="tutor")


def test_storages_of_another_machine_and_files_without_counters_are_read(tmp_path):
    old = {key: value for key, value in state_dict().items() if not key.endswith("num_batches_tracked")}
    path = save(tmp_path / "resnet8_vanilla" / "x.pth", {"model": old}, legacy=True, location="cuda:0")
    assert same(read(path).state_dict, old) and read(path).metadata["num_batches_tracked"] is None


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_keep_their_values(tmp_path, dtype, legacy):
    state = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state_dict().items()}
    got = read(save(tmp_path / "x.pth", state, legacy)).state_dict
    for key, value in state.items():
        assert np.array_equal(got[key], value.double().numpy() if value.is_floating_point() else value.numpy())
        assert got[key].dtype != np.float16


@pytest.mark.parametrize("legacy", [False, True])
def test_views_of_shared_storages_keep_offset_and_strides(tmp_path, legacy):
    base = torch.arange(24.0).reshape(4, 6)
    parameter = torch.nn.Parameter(base[0, ::2])
    state = {"a": base[1:3, 2:], "b": base.t(), "c": base[3], "d": torch.zeros(0, 3), "e": parameter}
    got = read(save(tmp_path / "x.pth", state, legacy)).state_dict
    assert all(np.array_equal(got[key], state[key].detach().numpy()) for key in state)


NAMES = ["resnet8", "resnet14x2", "resnet8x4", "resnet20a", "wrn_16_1", "wrn_10_2", "wrn_22_3", "ResNet18", "vgg8",
         "vgg16", "vgg8_3neurons", "MobileNetV2", "ShuffleV1", "ShuffleV2_0_3", "ShuffleV2_0_2"]


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_recognised_by_its_shapes_alone(name):
    shapes = torch_shapes(models.build(name, num_classes=7))
    assert (recognize.from_shapes(shapes), recognize.num_classes(shapes)) == (name, 7)


UNTOLD = ("ssl_", "imix_mlp", "imix_resnet50_trans")    # two heads, tables, attention: only ever asked for by name


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(n for n in set(models.MODELS) - set(NAMES) if not n.startswith(UNTOLD)))
def test_every_other_network_is_recognised_too(name):
    assert recognize.from_shapes(torch_shapes(models.build(name, num_classes=7))) == name


@pytest.mark.parametrize(("folder", "name"), [
    ("wrn_40_2_vanilla", "wrn_40_2"), ("resnet32x4_vanilla", "resnet32x4"),
    ("S:resnet8x4_T:resnet32x4_cifar100_kd", "resnet8x4"),
    ("S_vgg8_T_vgg13_x", "vgg8"), ("MobileNetV2_0_25_vanilla", "MobileNetV2_0_25"), ("vgg8_3neurons", "vgg8_3neurons"),
    ("wrn_22_3_x", "wrn_22_3"), ("teacher_resnet8_seed0", None), ("resnet8old", None)])
def test_a_folder_tells_its_network_by_the_longest_known_name(folder, name):
    assert recognize.from_folder(f"/x/{folder}/ckpt.pth", choice.is_name) == name


@pytest.mark.parametrize("name", ["resnet8", "wrn_10_2", "vgg8"])
def test_variables_come_back_as_the_same_state_dict_in_the_same_order(name):
    state = state_dict(name)
    back = to_state_dict(network(name), from_state_dict(network(name), state))
    assert list(back) == list(state)
    assert all(np.array_equal(back[key], value.numpy()) for key, value in state.items() if value.is_floating_point())
    assert all(back[key].dtype == np.float32 for key in state if state[key].is_floating_point())


def test_float64_variables_and_gradients_can_be_named_too():
    net, variables = network(), from_state_dict(network(), state_dict())
    doubled = {part: _map(lambda x: np.asarray(x, np.float64) * 2, tree) for part, tree in variables.items()}
    back = to_state_dict(net, doubled)
    want = 2 * state_dict()["fc.weight"].double().numpy()
    assert back["fc.weight"].dtype == np.float64 and np.array_equal(back["fc.weight"], want)


def _map(function, tree):
    return {key: _map(function, value) if isinstance(value, dict) else function(value) for key, value in tree.items()}


def test_models_load_takes_a_torch_file_directly(tmp_path):
    net, variables = models.load(save(tmp_path / "x.pth", containers()["rep_regular"]))
    assert net.name == "resnet8" and variables["params"]["fc"]["kernel"].shape == (64, 10)
    assert jnp.asarray(variables["params"]["conv1"]["kernel"]).shape == (3, 3, 3, 16)


# Refusals ------------------------------------------------------------------------------------------------------------

def changed(**changes):
    """The state dict with entries replaced, or without those given as None (dots are written __)."""
    state = dict(state_dict())
    for key, value in changes.items():
        key = key.replace("__", ".")
        state.pop(key, None) if value is None else state.update({key: value})
    return {"model": state}


@pytest.mark.parametrize(("obj", "words"), [
    (lambda: changed(layer2__0__downsample__1__running_var=None), ["lacks layer2.0.downsample.1.run", "--model"]),
    (lambda: changed(extra=torch.zeros(3)), ["unknown extra"]),
    (lambda: changed(layer1__0__conv1__weight=torch.zeros(16, 16, 5, 5)), ["is (16, 16, 5, 5), not (16, 16, 3, 3)"]),
    (lambda: changed(layer1__0__conv1__weight=torch.full((16, 16, 3, 3), float("nan"))), ["NaN", "layer1.0.conv1.w"]),
    (lambda: changed(fc__bias=torch.full((10,), float("inf"))), ["infinite", "fc.bias"]),
    (lambda: changed(fc__bias=torch.zeros(10, dtype=torch.int32)), ["fc.bias as int32", "floating-point"]),
    (lambda: changed(bn1__num_batches_tracked=None), ["lacks bn1.num_batches_tracked"]),
    (lambda: {"epoch": 3, "optimizer": {}}, ["no weights", "epoch, optimizer", "--key"]),
    (lambda: {"model": dict(state_dict()), "net": dict(state_dict())}, ["model and net", "--key"]),
    (lambda: prefixed("module.", state_dict()) | {"fc.bias": torch.zeros(10)}, ["prefix `module.`"]),
    (lambda: [1, 2], ["a list"]),
    (lambda: {}, ["no weights"]),
    (lambda: {"model": {"a.weight": torch.zeros(3)}}, ["no network", "--model"]),
    (lambda: changed(fc__bias=torch.zeros(10).to_sparse()), ["sparse"]),
    (lambda: changed(fc__bias=torch.quantize_per_tensor(torch.zeros(10), 0.1, 0, torch.qint8)), ["quantised"]),
])
@pytest.mark.filterwarnings("ignore")
def test_what_is_not_exactly_one_sound_network_is_refused_by_name(tmp_path, obj, words):
    refused(save(tmp_path / "x.pth", obj()), *words)


def test_a_folder_or_a_name_that_contradicts_the_weights_is_refused(tmp_path):
    path = save(tmp_path / "resnet14_vanilla" / "x.pth", containers()["rep_regular"])
    refused(path, "holds a resnet8", "folder's name says resnet14", "give resnet8 (--model")
    refused(path, "holds a resnet8", "the name given is vgg8", name="vgg8")
    assert read(path, name="resnet8").name == "resnet8"
    refused(path, "unknown network 'resnett'", name="resnett")


def test_the_mobilenets_that_no_shape_tells_apart_need_their_name(tmp_path):
    state = {key.replace("classifier.0.", "classifier."): value for key, value in state_dict("MobileNetV2").items()}
    path = save(tmp_path / "MobileNetV2_x" / "x.pth", {"state_dict": state})
    refused(path, "MobileNetV2_sskd")
    refused(path, "MobileNetV2_sskd", name="MobileNetV2")
    net, variables, _ = torch_checkpoint.load(path, name="MobileNetV2_sskd")
    assert same({key: value for key, value in to_state_dict(net, variables).items() if "num_b" not in key},
                {key: value for key, value in state_dict("MobileNetV2").items() if "num_b" not in key})


def test_a_whole_pickled_model_is_refused_with_the_name_of_its_class(tmp_path):
    refused(save(tmp_path / "x.pth", {"model": torch.nn.Linear(2, 2)}), "torch.nn.modules.linear.Linear", "state_dict")


def test_torchscript_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as file:
        for name in ("x/data.pkl", "x/constants.pkl", "x/code/a.py"):
            file.writestr(name, b"")
    refused(tmp_path / "x.pt", "TorchScript")


@pytest.mark.parametrize(("data", "word"), [
    (b"", "empty"), (b"<!DOCTYPE html><html>404", "web page"), (b"PK", "cut short"), (b"\x1f\x8b\x08 gz", "gzip"),
    (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"), (b"x" * 257 + b"ustar" + b"x" * 99, "tar archive"),
    (b"hello", "not a torch checkpoint"), (pickle.dumps({"model": 1}), "not a torch checkpoint")])
def test_files_of_another_kind_are_called_by_their_kind(tmp_path, data, word):
    (tmp_path / "x.pth").write_bytes(data)
    refused(tmp_path / "x.pth", word)


def test_folders_and_absent_files_are_called_so(tmp_path):
    refused(tmp_path, "is a folder")
    refused(tmp_path / "nothing.pth", "does not exist")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("part", [0.02, 0.4, 0.9, 0.999])
def test_truncated_files_are_refused_as_such(tmp_path, legacy, part):
    whole = save(tmp_path / "x.pth", containers()["rep_regular"], legacy).read_bytes()
    (tmp_path / "x.pth").write_bytes(whole[:int(part * len(whole))])
    refused(tmp_path / "x.pth", "cut short", "again")


# Hostile files -------------------------------------------------------------------------------------------------------

class Runs:
    def __init__(self, command, *args):
        self.call = command, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("legacy", [False, True])
def test_a_planted_command_is_refused_by_name_and_never_run(tmp_path, legacy):
    marker = tmp_path / "ran"
    obj = containers()["rep_regular"] | {"accuracy": Runs(os.system, f"touch {marker}")}
    refused(save(tmp_path / "x.pth", obj, legacy), "posix.system")
    refused(save(tmp_path / "x.pth", {"model": Runs(eval, "print(1)")}, legacy), "eval")
    assert not marker.exists()


def _zip(path, data_pkl, **storages):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x/data.pkl", data_pkl)
        for key, data in storages.items():
            file.writestr(f"x/data/{key.strip('_')}", data)
    return path


def _tensor_pickle(numel, offset, shape, strides):
    """{"model": {"w": a tensor that claims these sizes}}"""
    numbers = lambda values: b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", v) for v in values) + b"t"
    number = lambda value: b"\x8a\x08" + struct.pack("<q", value)
    text = lambda value: b"X" + struct.pack("<I", len(value)) + value
    storage = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + number(numel) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + numbers(shape) + numbers(strides)
    return b"\x80\x02}" + text(b"model") + b"}" + text(b"w") + tensor + b"\x89NtRss."


@pytest.mark.parametrize(("numel", "offset", "shape", "strides"), [
    (4, 0, [5], [1]), (4, 2, [2, 2], [1, 1]), (4, -1, [2], [1]), (4, 0, [2], [-1]), (2 ** 50, 0, [2], [1]),
    (4, 0, [2 ** 40], [0]), (4, 0, [2, -2], [1, 1]), (4, 0, [2], [1, 1]), (4, 2 ** 62, [1], [1])])
def test_a_tensor_outside_its_bytes_is_refused_before_memory_is_taken(tmp_path, numel, offset, shape, strides):
    refused(_zip(tmp_path / "x.pth", _tensor_pickle(numel, offset, shape, strides), _0=bytes(16)), "damaged")


def test_the_same_bytes_within_their_bounds_are_read(tmp_path):
    path = _zip(tmp_path / "x.pth", _tensor_pickle(4, 1, [2], [2]), _0=np.arange(4.0, dtype=np.float32).tobytes())
    assert read(path).state_dict["w"].tolist() == [1.0, 3.0]


def test_a_small_file_cannot_fill_the_memory(tmp_path):
    refused(_zip(tmp_path / "memo.pth", b"\x80\x02Nr\xff\xff\xff\xff."), "NoneType")  # a memo slot of number 4294967295
    nested = b"\x80\x02)" + b"q\x00h\x00\x86" * 60 + b"."  # a tuple of pairs of pairs ...
    refused(_zip(tmp_path / "nested.pth", nested), "tuple")
    forever = b"\x80\x02})" + b"q\x00h\x00\x86" * 60 + b"Ns."  # ... takes for ever to hash
    refused(_zip(tmp_path / "key.pth", forever), "key")
    state = {f"w{i}": torch.zeros(4096) for i in range(200)}
    shared = dict.fromkeys(state, torch.zeros(4096))
    assert len(read(save(tmp_path / "x.pth", state)).state_dict) == 200
    refused(save(tmp_path / "shared.pth", shared), "larger than the file")


def test_a_name_from_the_file_cannot_reach_the_terminal_as_a_command(tmp_path):
    refused(_zip(tmp_path / "x.pth", b"\x80\x02c\x1b]0;\x07\n" + b"y" * 9999 + b"\n."), "it needs ?]0;?.yyy")


def test_a_recompressed_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pth", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x/data.pkl", b"\x80\x02}.")
    refused(tmp_path / "x.pth", "compress")


class Hangs(BaseException):
    """Not an Exception, which the reader would call a damaged file."""


def _too_long(*_):
    raise Hangs


def _survives(path, data):
    """`read` returns or raises UserError, within seconds."""
    path.write_bytes(data)
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(20)
    try:
        with contextlib.suppress(UserError):
            read(path)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    obj = {"model": {"a.weight": torch.zeros(3, 4), "b": torch.ones(2)}, "accuracy": torch.tensor(1.0), "opt": 3}
    return [save(folder / f"{legacy}.pth", obj, legacy).read_bytes() for legacy in (False, True)]


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(legacy=st.booleans(), seed=st.integers(0, 2 ** 32))
def test_no_flipped_bit_gets_past_as_anything_but_a_user_error(tmp_path, whole, legacy, seed):
    rng, data = random.Random(seed), bytearray(whole[legacy])
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    _survives(tmp_path / "x.pth", bytes(data[:rng.choice([len(data), rng.randrange(1, len(data))])]))


@FUZZ
@given(data=st.binary(max_size=400))
def test_random_bytes_as_a_pickle_never_crash_the_reader(tmp_path, data):
    _survives(_zip(tmp_path / "y.pth", b""), _zip(tmp_path / "y.pth", b"\x80\x02" + data).read_bytes())
    _survives(tmp_path / "x.pth", torch_checkpoint_magic() + data)


@FUZZ
@given(seed=st.integers(0, 2 ** 32))
def test_shuffled_instructions_never_crash_the_reader(tmp_path, whole, seed):
    rng = random.Random(seed)
    with zipfile.ZipFile(io.BytesIO(whole[0])) as file:
        pkl = bytearray(next(file.read(name) for name in file.namelist() if name.endswith("data.pkl")))
    for _ in range(rng.randrange(1, 6)):
        at, to, length = rng.randrange(len(pkl)), rng.randrange(len(pkl)), rng.randrange(1, 30)
        pkl[at:at] = pkl[to:to + length]
    made = _zip(tmp_path / "z.pth", bytes(pkl), _0=bytes(48), _1=bytes(8), _2=bytes(4))
    _survives(tmp_path / "x.pth", made.read_bytes())


def torch_checkpoint_magic():
    from kdjax.weights.torch.file import LEGACY_MAGIC
    return LEGACY_MAGIC + b"\x80\x02M\xe9\x03."


# Golden files --------------------------------------------------------------------------------------------------------

GOLDEN = ["resnet8_vanilla/ckpt_epoch_240.pth", "resnet8_vanilla/resnet8_last.pth", "resnet8_legacy/ckpt_epoch_240.pth",
          "wrn_16_1_vanilla/ckpt_epoch_240.pth", "resnet8_hsakd/resnet8_aux_best.pth.tar",
          "imix_moco_tiny/checkpoint.pth", "torchvision_shufflenet_v2_x0_5/shufflenetv2_x0.5.pth"]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_files_give_the_arrays_that_torch_gives(shared, name):
    import argparse
    path = shared / "golden" / "checkpoints" / name
    with torch.serialization.safe_globals([argparse.Namespace]):
        obj = torch.load(path, map_location="cpu", weights_only=True)
    top = next((obj[key] for key in ("model", "state_dict", "net") if key in obj), obj)
    strip = lambda key: key.removeprefix("backbone.").removeprefix("encoder_q.")
    want = {strip(key): value for key, value in top.items()}
    got = read(path).state_dict
    assert got and all(np.array_equal(value, want[key].numpy()) for key, value in got.items())


def test_files_for_these_tests_are_what_torch_reads(tmp_path):
    obj = torch.load(save(tmp_path / "x.pth", torch_files.containers()["mdistiller"]), weights_only=True)
    assert len(obj["model"]) == len(state_dict()) + len(state_dict("resnet14")) + 1
