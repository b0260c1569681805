"""Compiled programs between runs: kept, checked, bounded, and never in the way."""
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest

from kdjax.device import compiled

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """
import json, time, warnings, jax
from kdjax.device import compiled
compiled.install()
seen = []
jax.monitoring.register_event_listener(lambda event, **_: seen.append(event.rpartition("/")[2]))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    value = float(jax.jit(lambda x: (x @ x).sum() * 3)(jax.numpy.ones((8, 8))))
print(json.dumps([value, seen.count("cache_hits"), seen.count("cache_misses"), [str(w.message) for w in said]]))
"""


def run(folder):
    env = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(folder),
                        "KDJAX_STARTED": "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_second_process_takes_the_first_ones_programs_and_a_damaged_one_is_compiled_again(tmp_path):
    value, hits, misses, said = run(tmp_path)
    assert (value, hits, said) == (1536.0, 0, [])
    assert misses > 0
    assert run(tmp_path) == [1536.0, misses, 0, []]
    for file in tmp_path.iterdir():
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    value, hits, again, said = run(tmp_path)
    assert (value, hits, again) == (1536.0, 0, misses)
    assert all("is damaged and is compiled again" in line for line in said)
    assert run(tmp_path)[1] == misses


def test_an_entry_is_returned_as_it_was_put(tmp_path):
    programs = compiled.Programs(str(tmp_path / "new"))
    assert programs.get("a") is None
    programs.put("a", b"code")
    assert programs.get("a") == b"code"
    assert [file.name.startswith("a-") for file in (tmp_path / "new").iterdir()] == [True]


@pytest.mark.parametrize("harm", [
    lambda file: file.write_bytes(file.read_bytes()[:-1]),
    lambda file: file.write_bytes(b""),
    lambda file: file.write_bytes(b"x" * 100),
    lambda file: file.write_bytes(compiled._digest("another", b"code") + b"code"),
])
def test_a_truncated_foreign_or_changed_entry_is_noticed_and_rebuilt(tmp_path, harm):
    programs = compiled.Programs(str(tmp_path))
    programs.put("a", b"code")
    harm(programs.file("a"))
    with pytest.warns(UserWarning, match="damaged and is compiled again"):
        assert programs.get("a") is None
    programs.put("a", b"code")
    assert programs.get("a") == b"code"


def test_a_program_of_another_kind_of_cpu_is_not_ours(tmp_path, monkeypatch):
    compiled.Programs(str(tmp_path)).put("a", b"code")
    monkeypatch.setattr(compiled, "machine", lambda: "another")
    assert compiled.Programs(str(tmp_path)).get("a") is None


def test_the_longest_unused_programs_make_room(tmp_path):
    programs = compiled.Programs(str(tmp_path), limit=3 * (100 + compiled.DIGEST))
    for i, key in enumerate("abc"):
        programs.put(key, b"x" * 100)
        os.utime(programs.file(key), (i, i))
    assert programs.get("a")     # used just now
    programs.put("d", b"x" * 100)
    assert [key for key in "abcd" if programs.get(key)] == ["a", "c", "d"]
    programs.put("huge", b"x" * 1000)
    assert programs.get("huge") is None


def test_what_killed_writers_left_is_swept(tmp_path):
    old, new = tmp_path / f"{compiled.UNFINISHED}old", tmp_path / f"{compiled.UNFINISHED}new"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    compiled.Programs(str(tmp_path)).put("a", b"code")
    assert (old.exists(), new.exists()) == (False, True)


def test_a_full_disk_costs_a_warning(small_disk):
    folder, _ = small_disk
    programs = compiled.Programs(str(folder))
    with pytest.warns(UserWarning, match="not kept in .*No space left"):
        programs.put("a", bytes(20_000_000))
    assert programs.get("a") is None
    assert list(folder.iterdir()) == []
    programs.put("b", b"code")
    assert programs.get("b") == b"code"


def test_a_folder_that_cannot_be_made_costs_a_warning(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="are not kept in"):
        compiled.Programs(str(tmp_path / "file" / "sub")).put("a", b"code")


def test_many_writers_at_once_leave_whole_programs(tmp_path):
    programs = [compiled.Programs(str(tmp_path), limit=4000) for _ in range(4)]
    seen = []

    def work(p):
        for i in range(60):
            p.put(f"k{i % 7}", bytes([i % 7]) * 500)
            seen.append((i % 7, p.get(f"k{i % 7}")))
    threads = [threading.Thread(target=work, args=(p,)) for p in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 240
    assert all(value in (None, bytes([i]) * 500) for i, value in seen)
