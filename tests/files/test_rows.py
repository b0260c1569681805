"""Numbered rows between runs: exact, checked, shared, and never in the way."""
import os
import threading

import numpy as np
import pytest

from kdjax.files import rows
from kdjax.files.rows import Rows

KEY = {"teacher": "a", "view": [1, 2]}


def table(numbers, width=3):
    """The row that belongs to each number."""
    return (np.asarray(numbers)[:, None] * 10 + np.arange(width)).astype(np.float32)


def kept(folder, numbers=(5, 2, 900_000_000_000), **options):
    store = Rows(folder, KEY, 3, reserve=0, **options)
    store.add(np.array(numbers), table(numbers))
    return store


def files(folder):
    return sorted(folder.rglob("*.rows"))


@pytest.mark.parametrize("disk", [True, False])
def test_rows_come_back_bit_for_bit_in_any_order(tmp_path, disk):
    store = kept(tmp_path if disk else None)
    asked = np.array([2, 900_000_000_000, 2, 5])
    np.testing.assert_array_equal(store.take(asked), table(asked))
    np.testing.assert_array_equal(store.missing(np.array([7, 5, 1, 7])), [1, 7])
    assert len(store) == 3


def test_another_process_finds_them_and_what_comes_later(tmp_path):
    first, second = kept(tmp_path), Rows(tmp_path, KEY, 3, reserve=0)
    np.testing.assert_array_equal(second.take(np.array([5])), table([5]))
    first.add(np.array([8]), table([8]))
    assert second.missing(np.array([8])).size == 1
    second.refresh()
    assert second.missing(np.array([8])).size == 0


def test_rows_that_another_kept_meanwhile_are_not_kept_twice(tmp_path):
    first, second = Rows(tmp_path, KEY, 3, reserve=0), Rows(tmp_path, KEY, 3, reserve=0)
    first.add(np.array([1, 2]), table([1, 2]))
    second.add(np.array([2, 3]), table([2, 3]))
    third = Rows(tmp_path, KEY, 3)
    assert sum(len(part) for part in third.parts) == len(third) == 3


def test_another_key_is_another_cache(tmp_path):
    kept(tmp_path)
    assert len(Rows(tmp_path, KEY | {"teacher": "b"}, 3)) == 0


def flip(data):
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


@pytest.mark.parametrize("harm", [flip, lambda d: d[:-1], lambda d: b"", lambda d: b"x" * 400,
                                  lambda d: bytes([d[0] ^ 128]) + d[1:]])
def test_a_damaged_or_half_written_part_is_noticed_and_rebuilt(tmp_path, harm):
    kept(tmp_path)
    file, = files(tmp_path)
    file.write_bytes(harm(file.read_bytes()))
    with pytest.warns(UserWarning, match="is damaged; its outputs are computed again"):
        store = Rows(tmp_path, KEY, 3, reserve=0)
    assert len(store) == 0
    store.add(np.array([5]), table([5]))
    np.testing.assert_array_equal(Rows(tmp_path, KEY, 3).take(np.array([5])), table([5]))


def test_a_whole_part_of_another_cache_is_noticed(tmp_path):
    kept(tmp_path)
    other = Rows(tmp_path, KEY | {"teacher": "b"}, 3, reserve=0)
    other.add(np.array([5]), table([7]))
    foreign = files(other.folder)[0]
    os.replace(foreign, Rows(tmp_path, KEY, 3).folder / foreign.name)
    with pytest.warns(UserWarning, match="is another cache's"):
        store = Rows(tmp_path, KEY, 3)
    np.testing.assert_array_equal(store.take(np.array([5])), table([5]))


def test_a_full_disk_costs_the_cache_not_the_run(small_disk):
    folder, _ = small_disk
    store = Rows(folder, KEY, 3, reserve=0)
    many = np.arange(1_000_000)
    with pytest.warns(UserWarning, match="are not kept in"):
        store.add(many, table(many))
    np.testing.assert_array_equal(store.take(many[::1000]), table(many[::1000]))
    assert files(folder) == []
    assert not list(folder.rglob("*.tmp"))


def test_a_reserve_is_left_on_the_disk(tmp_path):
    store = Rows(tmp_path, KEY, 3, reserve=1 << 60)
    with pytest.warns(UserWarning, match="GiB would be left"):
        store.add(np.array([1]), table([1]))
    assert files(tmp_path) == []
    assert len(store) == 1


def test_a_folder_that_cannot_be_made_costs_a_warning(tmp_path):
    (tmp_path / "file").touch()
    store = Rows(tmp_path / "file", KEY, 3)
    with pytest.warns(UserWarning, match="are not kept in"):
        store.add(np.array([1]), table([1]))
    np.testing.assert_array_equal(store.take(np.array([1])), table([1]))


def test_a_row_that_is_not_held_is_an_error():
    with pytest.raises(KeyError):
        kept(None).take(np.array([6]))
    with pytest.raises(KeyError):
        Rows(None, KEY, 3).take(np.array([6]))


def test_what_killed_writers_left_is_swept(tmp_path):
    store = kept(tmp_path)
    old = store.folder / ".x.rows.tmp"
    old.touch()
    os.utime(old, (0, 0))
    store.add(np.array([77]), table([77]))
    assert not old.exists()


def test_many_writers_at_once_keep_every_row_once(tmp_path):
    def work(seed):
        store, r = Rows(tmp_path, KEY, 3, reserve=0), np.random.default_rng(seed)
        for _ in range(10):
            asked = r.integers(0, 200, 30)
            absent = store.missing(asked)
            store.add(absent, table(absent))
            np.testing.assert_array_equal(store.take(asked), table(asked))
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Rows(tmp_path, KEY, 3)
    assert sum(len(part) for part in whole.parts) == len(whole)
    np.testing.assert_array_equal(whole.take(whole.numbers), table(whole.numbers))
    assert rows.ABANDONED > 0
