import os
import warnings

import numpy as np
import pytest

from kdjax.data import cache
from kdjax.data.types import Raw, Split


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").write_text("one")
    return tmp_path / "source"


@pytest.fixture
def load(tmp_path, source, arrays):
    """Reads through the cache; returns (what came, whether it was built)."""
    def run(**options):
        built = []
        split = lambda name: Split(arrays[f"{name}_images"], arrays[f"{name}_labels"])
        build = lambda: built.append(1) or Raw("tiny", split("train"), split("test"), 3, "cifar10")
        raw = cache.cached(tmp_path / "cache", source, [source], options, build)
        assert (raw.name, raw.num_classes, raw.stats) == ("tiny", 3, "cifar10")
        for name in ("train", "test"):
            np.testing.assert_array_equal(getattr(raw, name).images, arrays[f"{name}_images"])
            np.testing.assert_array_equal(getattr(raw, name).labels, arrays[f"{name}_labels"])
        return bool(built)
    return run


def test_data_is_built_once_and_then_read(load):
    assert [load(), load(), load()] == [True, False, False]


def test_options_are_cached_apart(load):
    assert [load(size=1), load(size=2), load(size=1)] == [True, True, False]


def test_a_changed_source_replaces_its_cache_file(load, source, tmp_path):
    load()
    source.write_text("three")
    assert [load(), load()] == [True, False]
    os.utime(source, ns=(1, 1))
    assert [load(), load()] == [True, False]
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_every_flipped_bit_is_rebuilt_or_harmless(load, tmp_path):
    load()
    (path,) = (tmp_path / "cache").iterdir()
    good, rng = path.read_bytes(), np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place in rng.integers(0, len(good), 100):
            bad = bytearray(good)
            bad[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(bad)
            load()  # compares every array


@pytest.mark.parametrize("keep", [0, 1, 100, 3000])
def test_a_truncated_cache_is_rebuilt_with_a_warning(load, tmp_path, keep):
    load()
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.warns(UserWarning, match="damaged and is built again"):
        assert load()
    assert not load()


def test_a_cache_that_cannot_be_written_costs_a_warning_only(load, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="not cached.*data.cache_dir"):
        assert load()


def test_nothing_half_written_stays_when_the_disk_is_full(load, tmp_path, monkeypatch):
    def full(file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(UserWarning, match="No space left"):
        assert load()
    assert not list((tmp_path / "cache").iterdir())


def test_what_a_killed_run_left_half_written_is_swept_up_later(load, tmp_path):
    (tmp_path / "cache").mkdir()
    old, young = (tmp_path / "cache" / f".building-{name}.npz" for name in ("old", "young"))
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (1, 1))
    load()
    assert not old.exists()
    assert young.exists()


def test_the_folder_is_the_configured_one_or_the_environments(monkeypatch, tmp_path):
    monkeypatch.setenv("KDJAX_CACHE", str(tmp_path))
    assert cache.folder("") == tmp_path
    assert str(cache.folder("elsewhere")) == "elsewhere"
