"""kdjax.io.run_checkpoint: what was saved comes back bit for bit, or an earlier step does; never anything else."""

import contextlib
import errno
import itertools
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.errors import UserError
from kdjax.io import checksums, leaves, run_checkpoint, step_folders
from kdjax.io.run_checkpoint import RunCheckpoints
from tests.io.checkpoint_child import tree_of

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]


def same(a, b) -> bool:
    """Equal structure, and leaves equal in dtype, shape and every bit."""
    a, b = ({n: x if isinstance(x, str) else checksums.describe(x) for n, x in run_checkpoint.to_host(t).items()}
            for t in (a, b))
    return a == b


def restore_quietly(folder):
    """(what restore gives, the texts of its warnings)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return RunCheckpoints(folder).restore(), [str(w.message) for w in caught]


def fell_back_or_unharmed(folder) -> str:
    """Restores a folder whose step 2 was tampered with; "fell back" or "unharmed", and fails on anything else."""
    (step, tree, meta), told = restore_quietly(folder)
    assert same(tree, tree_of(step)) and meta == {"epoch": step}
    assert step == 2 or (step == 1 and len(told) == 1 and "2 is damaged: " in told[0] and not (folder / "2").exists())
    return "unharmed" if step == 2 else "fell back"


@pytest.fixture(scope="module")
def two_steps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original") / "checkpoints"
    for step in (1, 2):
        RunCheckpoints(folder).save(step, tree_of(step), {"epoch": step})
    return folder


@pytest.fixture
def copies(two_steps, tmp_path):
    """Yields fresh copies of the two-step folder, one after the other."""
    return (pathlib.Path(shutil.copytree(two_steps, tmp_path / str(n))) for n in itertools.count())


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB of its own: (folder, remount)."""
    def mount(*options):
        return subprocess.run(["mount", *options, str(tmp_path)], capture_output=True, check=False).returncode == 0

    if os.getuid() != 0 or not shutil.which("mount") or not mount("-t", "tmpfs", "-o", "size=4m", "tmpfs"):
        pytest.skip("mounting a small disk needs root")
    yield tmp_path, lambda mode: mount("-o", f"remount,{mode}")
    subprocess.run(["umount", str(tmp_path)], check=True)


# ---------------------------------------------------------------- what goes in comes out

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


# ---------------------------------------------------------------- which steps are kept, which is the newest

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


# ---------------------------------------------------------------- bits that flip, files that go

@pytest.mark.parametrize("flips", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_no_flipped_bit_restores_wrong_weights(copies, flips):
    rng, outcomes = random.Random(flips), []
    for folder in itertools.islice(copies, flips):
        files = sorted(path for path in (folder / "2").rglob("*") if path.is_file() and path.stat().st_size)
        flip_a_bit(files[len(outcomes) % len(files)], rng)  # every file in turn: data, orbax's metadata, our manifest
        outcomes.append(fell_back_or_unharmed(folder))
        shutil.rmtree(folder)
    assert outcomes.count("fell back") == flips


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # orbax's threads, on damaged files
def test_flips_are_caught_by_leaf_checksums_alone(copies, monkeypatch):
    monkeypatch.setattr(run_checkpoint, "check_files", lambda *_: None)
    rng = random.Random(3)
    for folder in itertools.islice(copies, 12):  # some land in bytes that orbax never reads: unharmed
        flip_a_bit(rng.choice(sorted((folder / "2").rglob("d/*"))), rng)
        fell_back_or_unharmed(folder)


@pytest.mark.parametrize("change", [
    lambda x: np.frombuffer(bytes([x.tobytes()[0] ^ 1]) + x.tobytes()[1:], x.dtype).reshape(x.shape),
    lambda x: x.view(np.int32), lambda x: x.T, lambda x: x[:-1], lambda x: None, lambda x: float(x[0, 0]),
])
def test_a_leaf_that_orbax_hands_back_wrong_is_named_and_passed_over(copies, monkeypatch, change):
    name, right = "params/layer1/kernel", run_checkpoint._orbax()

    class Wrong:
        def restore(self, path):
            arrays = right.restore(path)
            return arrays | {name: change(arrays[name])} if "/2/" in str(path) else arrays

    monkeypatch.setattr(run_checkpoint, "_orbax", Wrong)
    with pytest.warns(UserWarning, match=f"leaf {name} was not restored as it was saved"):
        assert RunCheckpoints(next(copies)).restore()[0] == 1


def flip_a_bit(path, rng):
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def _swap_for_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _swap_for_folder(path):
    path.unlink()
    path.mkdir()


TAMPERS = {"truncated": _truncate, "emptied": lambda path: os.truncate(path, 0), "missing": os.unlink,
           "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"), "folder": _swap_for_folder,
           "link": _swap_for_link}


@pytest.mark.parametrize("how", TAMPERS)
def test_truncated_emptied_and_missing_files_are_noticed_at_every_position(copies, two_steps, how):
    names = sorted(p.relative_to(two_steps) for p in (two_steps / "2").rglob("*") if p.is_file() and p.stat().st_size)
    assert len(names) > 5
    for name in names:
        folder = next(copies)
        TAMPERS[how](folder / name)
        outcome = fell_back_or_unharmed(folder)
        assert outcome == "fell back" or (how == "link" and name.name == "MANIFEST")


def test_the_warning_names_the_file(copies):
    folder = next(copies)
    path = next((folder / "2").rglob("_METADATA"))
    path.unlink()
    with pytest.warns(UserWarning, match=r"2 is damaged: file arrays/_METADATA is missing. It was moved to damaged/"):
        assert RunCheckpoints(folder).restore()[0] == 1


def test_when_every_step_is_damaged_there_is_none(copies):
    folder = next(copies)
    for path in folder.rglob("MANIFEST"):
        _truncate(path)
    found, told = restore_quietly(folder)
    assert found is None and len(told) == 2 and sorted(os.listdir(folder / "damaged")) == ["1", "2"]


def test_a_checkpoint_of_a_later_format_is_refused_and_left_alone(copies):
    folder = next(copies)
    document = checksums.unseal((folder / "2" / "MANIFEST").read_bytes())
    (folder / "2" / "MANIFEST").write_bytes(checksums.seal(document | {"version": 99}))
    with pytest.raises(UserError, match="format 99"):
        RunCheckpoints(folder).restore()
    assert (folder / "2").is_dir()


# ---------------------------------------------------------------- kills

class Killed(BaseException):
    """As a SIGKILL: no handler runs after it that the library has for errors."""


def test_a_kill_between_any_two_operations_loses_nothing(copies, monkeypatch):
    places = [(run_checkpoint, "reserve"), (run_checkpoint, "_write_arrays"), (run_checkpoint, "atomic_write_bytes"),
              (run_checkpoint, "fsync_tree"), (run_checkpoint, "fsync_folder"), (pathlib.Path, "rename"),
              (pathlib.Path, "mkdir"), (shutil, "rmtree")]
    for again in (False, True):
        for deadline in itertools.count(1):
            folder, calls = next(copies), itertools.count(1)
            step = 2 if again else 3
            with monkeypatch.context() as patch, contextlib.suppress(Killed):
                for owner, name in places:
                    patch.setattr(owner, name, _deadly(getattr(owner, name), calls, deadline))
                RunCheckpoints(folder, keep=1).save(step, tree_of(step), {"epoch": step})
                break
            (found, tree, meta), told = restore_quietly(folder)
            assert found in (2, step) and same(tree, tree_of(found)) and meta == {"epoch": found} and not told
            RunCheckpoints(folder, keep=1).save(4, tree_of(4), {"epoch": 4})
            assert os.listdir(folder) == ["4"]
        assert deadline > 8


def _deadly(function, calls, deadline):
    def wrapped(*args, **kwargs):
        if next(calls) == deadline:
            raise Killed
        return function(*args, **kwargs)

    return wrapped


@pytest.mark.parametrize("rounds", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_sigkill_at_random_moments_never_loses_a_step_that_was_promised(tmp_path, rounds):
    rng, promised = random.Random(rounds), 0
    for _ in range(rounds):
        child = subprocess.Popen([sys.executable, HERE / "checkpoint_child.py", tmp_path, str(promised + 1)], text=True,
                                 stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})
        assert child.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.1, 0.9))
        child.send_signal(signal.SIGKILL)
        said = [int(line) for line in child.communicate()[0].split("\n") if line]
        promised = max([promised, *said])
        found, told = restore_quietly(tmp_path)
        step, tree, meta = found or (0, tree_of(0), {"epoch": 0})
        assert step in (promised, promised + 1) and same(tree, tree_of(step)) and meta == {"epoch": step} and not told
        promised = step
        assert len([name for name in os.listdir(tmp_path) if name[0] != "."]) <= 4
    assert promised > rounds


# ---------------------------------------------------------------- disks

@pytest.mark.parametrize("place", ["reserve", "_write_arrays", "atomic_write_bytes", "fsync_tree"])
def test_a_full_disk_is_one_sentence_and_keeps_the_last_good_step(copies, monkeypatch, place):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = next(copies)
    with monkeypatch.context() as patch:
        patch.setattr(run_checkpoint, place, full)
        with pytest.raises(UserError, match=r"The disk of .* is full .* free some space .*\(step 2 is saved\)$"):
            RunCheckpoints(folder).save(3, tree_of(3), {})
    assert sorted(os.listdir(folder)) == ["1", "2"]
    RunCheckpoints(folder).save(3, tree_of(3), {})
    assert RunCheckpoints(folder).restore()[0] == 3


def test_a_disk_that_really_fills_keeps_the_last_good_step(small_disk, capfd):
    folder, _ = small_disk
    checkpoints, noise = RunCheckpoints(folder / "checkpoints"), np.random.default_rng(0)
    checkpoints.save(1, tree_of(1), {"epoch": 1})
    refused = 0
    for free in (0, 4, 40, 200, 900, 990, 1010, 1040, 1100, 1200):  # KiB, for a step of about 1000
        filler = folder / "filler"
        filler.write_bytes(bytes(max(0, shutil.disk_usage(folder).free - free * 1024)))
        told = ""
        try:
            checkpoints.save(2, {"x": noise.integers(0, 256, 10**6, dtype=np.uint8)}, {})
        except UserError as error:
            told = str(error)
        if told:
            refused += 1
            assert "is full" in told and "(step 1 is saved)" in told
            assert os.listdir(folder / "checkpoints") == ["1"] and same(checkpoints.restore()[1], tree_of(1))
        else:
            assert checkpoints.restore()[0] == 2
            shutil.rmtree(folder / "checkpoints" / "2")
        filler.unlink()
    assert 5 <= refused <= 9
    assert "Traceback" not in capfd.readouterr().err


def test_a_disk_that_turns_read_only_is_one_sentence_and_can_still_be_read(small_disk):
    folder, remount = small_disk
    checkpoints = RunCheckpoints(folder)
    for step in (1, 2):
        checkpoints.save(step, tree_of(step), {"epoch": step})
    flip_a_bit(folder / "2" / "MANIFEST", random.Random(0))
    assert remount("ro")
    with pytest.raises(UserError, match=r"Cannot write a checkpoint in .*\(Read-only file system\).*step 1 is saved"):
        checkpoints.save(3, tree_of(3), {})
    with pytest.warns(UserWarning, match="could not be moved"):
        assert checkpoints.restore()[0] == 1
    assert remount("rw")


def test_a_folder_without_permission_is_one_sentence(copies, monkeypatch):
    folder = next(copies)

    def forbidden(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:  # root may do anything, so the refusal is played
        patch.setattr(pathlib.Path, "mkdir", forbidden)
        with pytest.raises(UserError, match="Cannot write a checkpoint .*Permission denied.*--workdir"):
            RunCheckpoints(folder).save(3, tree_of(3), {})
    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "read_bytes", forbidden)
        with pytest.raises(UserError, match="Cannot read .*MANIFEST"):
            RunCheckpoints(folder).restore()
    assert RunCheckpoints(folder).restore()[0] == 2  # what could not be read was not taken for damaged


# ---------------------------------------------------------------- several processes

TWO_PROCESSES = """
import sys, jax, numpy as np
rank, folder, port = int(sys.argv[1]), sys.argv[2], sys.argv[3]
jax.distributed.initialize("localhost:" + port, 2, rank)
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec as P
from kdjax.errors import UserError
from kdjax.io.run_checkpoint import RunCheckpoints
rows = np.arange(16, dtype=np.float32).reshape(8, 2)
mesh = jax.make_mesh((2,), ("batch",))
spread, copied = (jax.make_array_from_callback(rows.shape, NamedSharding(mesh, spec), lambda i: rows[i])
                  for spec in (P("batch"), P()))
checkpoints = RunCheckpoints(folder)
for step in range(3):
    checkpoints.save(step, {"spread": spread, "copied": copied, "none": {}}, {"step": step}, best=step)
step, tree, meta = checkpoints.restore()
assert (step, meta) == (2, {"step": 2}) and (tree["spread"] == rows).all() and (tree["copied"] == rows).all()
multihost_utils.sync_global_devices("read")
if rank == 0:
    open(folder + "/2/MANIFEST", "ab").write(b"x")
assert checkpoints.restore()[0] == 1
try:
    RunCheckpoints("/dev/null/no").save(1, {"x": 1}, {})
except UserError as error:
    print("fine", error)
"""


def test_two_processes_save_once_and_agree_on_what_is_good(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    both = [subprocess.Popen([sys.executable, "-c", TWO_PROCESSES, str(rank), str(tmp_path), port], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) for rank in (0, 1)]
    try:
        for rank, (out, err) in enumerate([child.communicate(timeout=120) for child in both]):
            assert "fine" in out, err[-2000:]
            assert "damaged" not in err or rank == 0
    finally:
        for child in both:
            child.kill()
    assert sorted(os.listdir(tmp_path)) == ["1", "damaged"]
