import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdjax.data import source as sources
from kdjax.data.readers import npz
from kdjax.errors import UserError


def test_arrays_come_back_as_they_were(tmp_path, arrays, make_cfg):
    np.savez_compressed(tmp_path / "tiny.npz", **arrays)
    data = sources.load(make_cfg(dataset=str(tmp_path / "tiny.npz")), 0)
    np.testing.assert_array_equal(data.test.images, arrays["test_images"])
    np.testing.assert_array_equal(data.train.labels, arrays["train_labels"])
    assert (data.name, data.num_classes) == ("tiny", 3)


@pytest.mark.parametrize(("change", "words"), [
    (dict(train_images=None, test_labels=None), "lacks train_images, test_labels"),
    (dict(train_images=np.zeros((12, 8, 8, 3))), "float64, not integers"),
    (dict(train_images=np.full((12, 8, 8, 3), 256, np.int16)), "must be uint8"),
    (dict(train_images=np.zeros((12, 5, 8, 8), np.uint8)), r"uint8 \[N, H, W, 3\]"),
    (dict(train_images=np.zeros((12, 8), np.uint8)), r"uint8 \[N, H, W, 3\]"),
    (dict(train_images=np.zeros((0, 8, 8, 3), np.uint8), train_labels=np.zeros(0, int)), "count classes"),
    (dict(train_images=np.zeros((11, 8, 8, 3), np.uint8)), "one an image"),
    (dict(train_images=np.zeros((12, 8, 6, 3), np.uint8)), "not square"),
    (dict(train_images=np.zeros((12, 6, 6, 3), np.uint8)), "set data.image_size"),
    (dict(train_labels=np.zeros((12, 2), int)), "one an image"),
    (dict(train_labels=np.arange(12.0)), "float64, not integers"),
    (dict(train_labels=np.arange(12) - 1), r"found -1 \.\. 10"),
    (dict(train_labels=np.arange(12) * 10**9), "count classes from 0"),
    (dict(test_labels=np.arange(6)), r"must lie in 0 \.\. 2, found 0 \.\. 5"),
    (dict(train_labels=np.array(["cat"] * 12)), "not integers"),
    (dict(train_labels=np.array([object()] * 12, dtype=object)), "not integers"),
])
def test_wrong_arrays_are_refused_by_name(tmp_path, arrays, make_cfg, change, words):
    kept = {key: value for key, value in {**arrays, **change}.items() if value is not None}
    np.savez(tmp_path / "bad.npz", **_picklable(kept))
    with pytest.raises(UserError, match=words):
        sources.load(make_cfg(dataset=str(tmp_path / "bad.npz")), 0)


def _picklable(arrays):
    if arrays.get("train_labels", np.zeros(0)).dtype == object:
        arrays["train_labels"] = np.array([None] * 12, dtype=object)
    return arrays


def test_a_small_file_that_promises_a_huge_array_is_refused(tmp_path, arrays):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, dict(descr="|u1", fortran_order=False, shape=(10**12, 1, 1, 3)))
    _with_member(tmp_path / "bomb.npz", arrays, "train_images.npy", header.getvalue())
    with pytest.raises(UserError, match="not a whole .npz"):
        npz.read(tmp_path / "bomb.npz")


def test_a_decompression_bomb_is_refused_before_it_is_read(tmp_path, arrays, monkeypatch):
    monkeypatch.setattr(npz, "BOMB_BYTES", 1 << 20)
    arrays["train_images"] = np.zeros((2000, 32, 32, 3), np.uint8)
    np.savez_compressed(tmp_path / "bomb.npz", **arrays)
    with pytest.raises(UserError, match="a bomb"):
        npz.read(tmp_path / "bomb.npz")


def test_pickles_inside_are_never_loaded(tmp_path, arrays):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))
    _with_member(tmp_path / "evil.npz", arrays, "train_labels.npy", pickle.dumps(Evil()))
    with pytest.raises(UserError, match="not a whole .npz"):
        npz.read(tmp_path / "evil.npz")
    assert not (tmp_path / "touched").exists()


@settings(max_examples=60, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.data())
def test_damaged_files_never_crash_and_never_give_wrong_arrays(tmp_path, arrays, damage):
    path = tmp_path / "tiny.npz"
    np.savez(path, **arrays)
    content = bytearray(path.read_bytes())
    for _ in range(damage.draw(st.integers(1, 3))):
        content[damage.draw(st.integers(0, len(content) - 1))] ^= damage.draw(st.integers(1, 255))
    path.write_bytes(content[: damage.draw(st.integers(0, len(content)))] if damage.draw(st.booleans()) else content)
    try:
        raw = npz.read(path)
    except UserError:
        return
    np.testing.assert_array_equal(raw.train.images, arrays["train_images"])
    np.testing.assert_array_equal(raw.test.labels, arrays["test_labels"])


def _with_member(path, arrays, name, content):
    with zipfile.ZipFile(path, "w") as archive:
        for key, value in arrays.items():
            member = io.BytesIO()
            np.save(member, value)
            archive.writestr(f"{key}.npy", content if f"{key}.npy" == name else member.getvalue())
