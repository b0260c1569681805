"""`make demo` and `make test` begin with scripts/venv.sh: tried with Pythons that only pretend."""
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PRETENDER = """#!/bin/bash
minor={minor}
case "$*" in
  --version) echo "Python 3.$minor.0" ;;
  -c*'< (3, 11)'*) [ $minor -ge 11 ] ;;
  -c*print*) echo 3.$minor ;;
  '-m venv '*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  *pip*) echo "$@" >> pip.log; [ ! -e no-network ] ;;
esac
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "venv.sh", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def pretender(folder, name, minor):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(PRETENDER.format(minor=minor))
    (folder / name).chmod(0o755)
    return folder / name


def run(project, *words, pythons, **environment):
    """The script with nothing but `pythons` ({name: minor version}) and the coreutils in PATH."""
    tools = project / "tools"
    shutil.rmtree(tools, ignore_errors=True)
    tools.mkdir()
    for tool in ("bash", "mkdir", "cp", "rm", "touch", "dirname", "env", "cat"):
        (tools / tool).symlink_to(shutil.which(tool))
    for name, minor in pythons.items():
        pretender(tools, name, minor)
    return subprocess.run([project / "scripts" / "venv.sh", *words], env={"PATH": str(tools), **environment}, text=True,
                          capture_output=True, timeout=30)


def installs(project):
    log = project / "pip.log"
    return log.read_text().splitlines() if log.exists() else []


def test_the_demo_installs_the_package_alone_and_the_tests_what_they_need(project):
    assert run(project, pythons={"python3": 12}).returncode == 0
    assert run(project, "test", pythons={"python3": 12}).returncode == 0
    assert [line.split()[-1] for line in installs(project)] == [".", ".[test]"]
    assert not any(word in installs(project)[0].split() for word in ("-q", "--quiet"))


def test_the_second_time_nothing_is_done_or_said(project):
    run(project, pythons={"python3": 12})
    done = run(project, pythons={"python3": 12})
    assert done.returncode == 0 and done.stdout == done.stderr == "" and len(installs(project)) == 1


def test_a_changed_pyproject_installs_again(project):
    run(project, pythons={"python3": 12})
    os.utime(project / "pyproject.toml", (2e9, 2e9))
    assert "installing" in run(project, pythons={"python3": 12}).stdout and len(installs(project)) == 2


@pytest.mark.parametrize("pythons", [{}, {"python3": 10, "python": 9}])
def test_no_python_is_one_sentence_and_no_folder(project, pythons):
    done = run(project, pythons=pythons)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "needs Python 3.11 or newer" in done.stderr
    assert not (project / ".venv").exists()


def test_an_older_python3_is_passed_over_for_a_newer_one(project):
    done = run(project, pythons={"python3": 9, "python3.13": 13})
    assert done.returncode == 0 and "Python 3.13" in done.stdout


def test_an_old_environment_is_made_anew_with_the_reason(project):
    pretender(project / ".venv" / "bin", "python", 9)
    done = run(project, pythons={"python3": 12})
    assert done.returncode == 0 and "making .venv anew: its Python is 3.9, older than 3.11" in done.stdout


def test_an_environment_whose_python_is_gone_is_made_anew(project):
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "python").symlink_to("/gone/python3")
    done = run(project, pythons={"python3": 12})
    assert done.returncode == 0 and "does not start any more" in done.stdout


def test_another_python_that_is_asked_for_replaces_the_environment(project):
    run(project, pythons={"python3": 12})
    done = run(project, pythons={"python3": 12, "python3.13": 13}, PYTHON="python3.13")
    assert "its Python is 3.12, and PYTHON=python3.13 is 3.13" in done.stdout and len(installs(project)) == 2


def test_an_old_python_that_is_asked_for_is_refused_and_the_environment_kept(project):
    run(project, pythons={"python3": 12})
    done = run(project, pythons={"python3": 12, "old": 8}, PYTHON="old")
    assert done.returncode == 2 and "PYTHON=old is no Python 3.11 or newer" in done.stderr
    assert (project / ".venv" / "bin" / "python").exists()


def test_a_failed_installation_is_tried_again(project):
    (project / "no-network").touch()
    done = run(project, pythons={"python3": 12})
    assert done.returncode == 1 and done.stderr.startswith("error: pip could not install")
    (project / "no-network").unlink()
    assert run(project, pythons={"python3": 12}).returncode == 0
