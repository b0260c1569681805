"""kdjax.run.checkpoints: what was saved comes back bit for bit; which steps are kept, and which is the newest."""

import os
import shutil
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.errors import UserError
from kdjax.run import leaves, step_folders
from kdjax.run.checkpoints import RunCheckpoints
from tests.run.checkpoint_child import tree_of
from tests.run.checkpoints import restore_quietly, same


@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 3), (3, 1, 2)])
def test_every_dtype_comes_back_bit_identical(tmp_path, shape):
    rng = np.random.default_rng(0)
    tree = {}
    for name in sorted(leaves.DTYPES):
        dtype = jnp.dtype(name)
        raw = rng.integers(0, 256, (*shape, dtype.itemsize), dtype=np.uint8)  # any bits: NaNs, infinities, subnormals
        tree[name] = (raw[..., 0] > 99) if name == "bool" else raw.view(dtype)[..., 0]
    RunCheckpoints(tmp_path).save(7, tree, {})
    step, restored, _ = RunCheckpoints(tmp_path).restore()
    assert step == 7 and same(restored, tree)
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(restored))


def test_jax_arrays_scalars_empty_dicts_and_odd_names_survive(tmp_path):
    device = jnp.arange(6, dtype=jnp.bfloat16).reshape(2, 3)
    tree = {"a": {"b": device, "none": {}}, "a.b": 3, "ü %2F": 2.5, "": {"": True}, "x": {"y": {"z": {}}},
            "strided": np.arange(12).reshape(3, 4).T[::2], "key": jax.random.key_data(jax.random.key(5))}
    RunCheckpoints(tmp_path).save(0, tree, {})
    step, restored, _ = RunCheckpoints(tmp_path).restore()
    assert step == 0 and same(restored, tree)
    assert restored["x"] == {"y": {"z": {}}} and restored["a.b"] == 3 and restored["a.b"].dtype == np.int64


def test_arrays_sharded_over_devices_come_back_whole(tmp_path):
    mesh = jax.make_mesh((len(jax.devices()),), ("batch",))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
    rows = np.arange(8.0 * len(jax.devices()), dtype=np.float32).reshape(-1, 4)
    RunCheckpoints(tmp_path).save(1, {"rows": jax.device_put(rows, spread)}, {})
    assert same(RunCheckpoints(tmp_path).restore()[1], {"rows": rows})


def test_meta_comes_back_exactly(tmp_path):
    meta = {"history": [{"top1": 0.1 + 0.2, "loss": float("inf")}], "stage": "ft", "none": None, "big": 2**70}
    RunCheckpoints(tmp_path).save(1, {"x": 1}, meta | {"numpy": np.float32(0.5), "row": np.arange(3)})
    assert RunCheckpoints(tmp_path).restore()[2] == meta | {"numpy": 0.5, "row": [0, 1, 2]}


def test_a_template_gives_its_own_structure_and_refuses_another_kind_of_run(tmp_path):
    tree = {"sgd": (np.ones(3, np.float32), [np.zeros((), np.int32)]), "memory": {}}
    RunCheckpoints(tmp_path).save(1, tree, {})
    restored = RunCheckpoints(tmp_path).restore(jax.eval_shape(lambda: tree))[1]
    assert jax.tree.structure(restored) == jax.tree.structure(tree) and same(restored, tree)
    with pytest.raises(UserError, match=r"sgd/0 is float32\[3\] instead of float32\[4\]"):
        RunCheckpoints(tmp_path).restore({"sgd": (np.ones(4, np.float32), [np.zeros((), np.int32)]), "memory": {}})
    with pytest.raises(UserError, match=r"memory is empty instead of absent"):
        RunCheckpoints(tmp_path).restore({"sgd": tree["sgd"]})
    assert RunCheckpoints(tmp_path).latest_step() == 1  # a refusal is no damage


@pytest.mark.parametrize(("tree", "meta"), [
    ({"x": jax.random.key(0)}, {}), ({"x": "text"}, {}), ({1: 2}, {}), ({"a/b": 2}, {}), (np.ones(3), {}),
    ({"x": 1}, {"f": print}),
])
def test_what_cannot_be_kept_is_refused_before_anything_is_written(tmp_path, tree, meta):
    with pytest.raises((TypeError, ValueError, AttributeError)):
        RunCheckpoints(tmp_path).save(1, tree, meta)
    assert not os.listdir(tmp_path)



def test_the_newest_and_the_best_are_kept_and_nothing_else(tmp_path):
    checkpoints = RunCheckpoints(tmp_path, keep=2)
    for step, score in enumerate([1.0, 3.0, 3.0, float("nan"), None, 2.0]):
        checkpoints.save(step, {"x": step}, {}, best=score)
        assert checkpoints.latest_step() == step
    assert checkpoints.best_step() == 1 and sorted(os.listdir(tmp_path)) == ["1", "4", "5"]
    assert checkpoints.restore(step=1)[1] == {"x": 1} and checkpoints.restore(step=3) is None


def test_an_empty_or_absent_folder_has_no_steps(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        checkpoints = RunCheckpoints(folder)
        assert checkpoints.restore() is None and checkpoints.latest_step() is None and checkpoints.best_step() is None
    assert not os.listdir(tmp_path)


def test_a_step_saved_again_is_replaced(tmp_path):
    for value in (1, 2, 3):
        RunCheckpoints(tmp_path).save(5, {"x": value}, {"value": value})
        assert len(os.listdir(tmp_path)) == 1
    assert RunCheckpoints(tmp_path).restore() == (5, {"x": 3}, {"value": 3})


def test_steps_are_ordered_by_number_whatever_the_clock_says(tmp_path):
    checkpoints = RunCheckpoints(tmp_path, keep=3)
    for step, clock in [(9, 4e9), (10, 0), (11, 1e9)]:
        checkpoints.save(step, {"x": step}, {})
        for path in [tmp_path / str(step), *(tmp_path / str(step)).rglob("*")]:
            os.utime(path, (clock, clock))
    assert checkpoints.latest_step() == 11 and checkpoints.restore()[0] == 11
    checkpoints.save(100, {"x": 100}, {})
    assert sorted(os.listdir(tmp_path)) == ["10", "100", "11"]


def test_stray_and_half_written_folders_are_never_the_newest(copies):
    folder = next(copies)
    (folder / "99").mkdir()
    shutil.copytree(folder / "2", folder / "98")  # a good step under a wrong number
    shutil.copytree(folder / "2" / "arrays", folder / "97" / "arrays")  # no manifest
    shutil.copytree(folder / "2", folder / "007")
    shutil.copytree(folder / "2", folder / ".tmp-96")
    shutil.copytree(folder / "2", folder / "95.orbax-checkpoint-tmp")
    os.symlink(folder / "2", folder / "94")
    (folder / "93").write_text("a file")
    assert RunCheckpoints(folder).latest_step() == 2
    (step, tree, _), told = restore_quietly(folder)
    assert step == 2 and same(tree, tree_of(2)) and len(told) == 3
    assert "file MANIFEST" in told[0] and {"97", "98", "99"}.isdisjoint(os.listdir(folder))
    RunCheckpoints(folder).save(3, tree_of(3), {})
    assert not (folder / ".tmp-96").exists()


def test_damaged_steps_take_bounded_space(tmp_path):
    checkpoints = RunCheckpoints(tmp_path)
    checkpoints.save(0, {"x": 0}, {})
    for step in [*range(1, 6), 5, 5]:
        checkpoints.save(step, {"x": step}, {})
        (tmp_path / str(step) / "MANIFEST").write_text("")
        assert restore_quietly(tmp_path)[0][0] == 0
    assert len(os.listdir(tmp_path / "damaged")) == step_folders.DAMAGED_KEPT


def test_saving_leaves_no_threads_or_open_files_behind(tmp_path):
    def held():
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    def save_and_restore(steps):
        for step in steps:
            RunCheckpoints(tmp_path).save(step, {"x": step}, {})
            RunCheckpoints(tmp_path).restore()
        return held()

    threads, files = save_and_restore(range(4))
    after = save_and_restore(range(4, 12))
    assert after[0] <= threads + 2 and after[1] <= files + 2
