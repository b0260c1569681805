"""Networks on disk: what is saved is loaded, damage is told, nothing else is overwritten."""
import json

import jax
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from kdjax import models
from kdjax.errors import UserError
from kdjax.weights import folder as export
from kdjax.weights.torch import checkpoint as torch_checkpoint
from kdjax.weights.torch.naming import to_state_dict
from tests.weights.torch_files import network, save, state_dict


@pytest.fixture(scope="module")
def variables():
    return torch_checkpoint.from_state_dict(network(), state_dict())


def equal(a, b):
    leaves = jax.tree.leaves
    return jax.tree.structure(a) == jax.tree.structure(b) and all(map(np.array_equal, leaves(a), leaves(b)))


def test_a_saved_network_loads_with_its_name_values_and_metadata(tmp_path, variables):
    export.save_network(tmp_path / "deep" / "net", network(), variables, {"epoch": 3})
    net, loaded, metadata = export.load_network(tmp_path / "deep" / "net")
    assert (net.name, net.num_classes, net.image_size, metadata) == ("resnet8", 10, 32, {"epoch": 3})
    assert equal(loaded, variables) and sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["net"]


def test_a_run_is_read_through_its_student(tmp_path, variables):
    export.save_network(tmp_path / "run" / "student", network(), variables)
    assert equal(models.load(tmp_path / "run")[1], variables)


def test_saving_again_replaces_the_network_and_leaves_nothing_beside(tmp_path, variables):
    for value in (1, 2):
        export.save_network(tmp_path / "net", network(), variables, {"value": value})
    assert export.load_network(tmp_path / "net")[2] == {"value": 2} and len(list(tmp_path.iterdir())) == 1


def test_other_folders_and_files_are_never_overwritten(tmp_path, variables):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    for path in (tmp_path / "mine", tmp_path / "mine" / "thesis.txt"):
        with pytest.raises(UserError, match="--out"):
            export.save_network(path, network(), variables)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_full_disk_leaves_the_old_network_in_place(tmp_path, variables, monkeypatch):
    export.save_network(tmp_path / "net", network(), variables, {"value": 1})

    def full(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(export, "fsync_tree", full)
    with pytest.raises(UserError, match="No space left"):
        export.save_network(tmp_path / "net", network(), variables, {"value": 2})
    assert export.load_network(tmp_path / "net")[2] == {"value": 1} and len(list(tmp_path.iterdir())) == 1


def test_every_kind_of_damage_is_told_in_one_sentence(tmp_path, variables):
    net = tmp_path / "net"

    def refused(word):
        with pytest.raises(UserError, match=word) as error:
            export.load_network(net)
        assert str(net) in str(error.value)
    refused("does not exist")
    net.mkdir()
    refused("holds no network")
    export.save_network(net, network(), variables)
    description, weights = (net / "network.json").read_text(), (net / "weights.safetensors").read_bytes()
    (net / "weights.safetensors").write_bytes(weights[:-9] + bytes([weights[-9] ^ 1]) + weights[-8:])
    refused("is damaged: weights")
    (net / "weights.safetensors").write_bytes(weights)
    for text in ("", "{}", "[1]", "{\"format\": 3}", "\xff"):
        (net / "network.json").write_text(text, encoding="latin1")
        refused("is damaged|another version")
    (net / "network.json").write_text(description.replace('"num_classes": 10', '"num_classes": 11'))
    refused("does not fit")
    (net / "network.json").write_text(json.dumps(json.loads(description) | {"name": "resnett"}))
    with pytest.raises(UserError, match="unknown network"):
        export.load_network(net)
    (net / "weights.safetensors").unlink()
    refused("holds no network")


def test_a_written_pth_is_what_torch_and_we_read(tmp_path, variables):
    export.save_torch(tmp_path / "x.pth", network(), variables, {"epoch": 7, "accuracy": 61.5})
    obj = torch.load(tmp_path / "x.pth", weights_only=True)
    assert list(obj["model"]) == list(state_dict()) and (obj["epoch"], obj["accuracy"]) == (7, 61.5)
    assert type(obj["model"]).__name__ == "OrderedDict"
    for key, value in state_dict().items():
        counter = key.endswith("num_batches_tracked")
        assert obj["model"][key].dtype == value.dtype and obj["model"][key].shape == value.shape
        assert obj["model"][key].item() == 0 if counter else torch.equal(obj["model"][key], value)
    net, back = models.load(tmp_path / "x.pth")
    assert net.name == "resnet8" and equal(back, variables)


@pytest.mark.parametrize("counters", [True, False])
def test_an_imported_checkpoint_comes_back_bit_for_bit(tmp_path, counters):
    state = {key: value for key, value in state_dict().items() if counters or "num_batches" not in key}
    source = save(tmp_path / "x.pth", {"epoch": 5, "model": state}, legacy=not counters)
    export.save_network(tmp_path / "net", *torch_checkpoint.load(source))
    export.save_torch(tmp_path / "back.pth", *export.load_network(tmp_path / "net"))
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    assert list(back["model"]) == list(state) and back["epoch"] == 5
    assert all(torch.equal(back["model"][key], state[key]) for key in state)


def test_safetensors_hold_the_torch_names_and_layout(tmp_path, variables):
    export.save_safetensors(tmp_path / "x.safetensors", network(), variables)
    got, want = load_file(tmp_path / "x.safetensors"), to_state_dict(network(), variables)
    assert set(got) == set(want) and all(np.array_equal(got[key], want[key]) for key in want)


def test_a_file_that_cannot_be_written_is_refused_in_a_sentence(tmp_path, variables):
    with pytest.raises(UserError, match="is a folder"):
        export.save_torch(tmp_path, network(), variables)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        export.save_torch(tmp_path / "file" / "x.pth", network(), variables)
    with pytest.raises(UserError, match="cannot be written"):
        export.save_network(tmp_path / "file" / "net", network(), variables)
