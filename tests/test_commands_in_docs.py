"""Every command that README and docs show is understood by the program that it names; the cheap ones are run."""
import argparse
import contextlib
import importlib
import pathlib
import re
import shlex
import tomllib
import warnings

import pytest

from kdjax import __main__ as command
from kdjax import main as front
from kdjax import transfer
from kdjax.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("CONTRIBUTING.md"))]
STARTS = ("kdjax", "python", "pytest", "make", "pip", ".", "ruff")


class Parsed(Exception):
    """The arguments were understood."""


def lines(text: str) -> list[str]:
    """The lines of a page's code blocks, indented or fenced as sh, with continued lines joined."""
    fenced = "\n".join(re.findall(r"```(?:sh|bash)\n(.*?)```", text, re.S))
    indented = "\n".join(line[4:] for line in re.sub(r"```.*?```", "", text, flags=re.S).splitlines()
                         if line.startswith("    "))
    return re.sub(r"\\\n\s*", "", f"{fenced}\n{indented}").splitlines()


def words(line: str) -> list[str]:
    """A command's words without comment, brackets of what is optional, `...`, and all but the first of a|b."""
    line = re.sub(r"\s#.*|\s&.*", "", line)
    line = re.sub(r"(?<=\s)\.\.\.(?=\s|$)", "", re.sub(r"[\[\]](?=[\s.\]-]|$)|(?<=\s)\[", " ", line))
    return [re.sub(r"^([\w-]+)\|[\w|-]+$", r"\1", word) for word in shlex.split(line)]


COMMANDS = sorted({(page.name, line.strip()) for page in PAGES for line in lines(page.read_text())
                   if line.split() and line.split()[0] in STARTS})


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[f"{page}: {line[:60]}" for page, line in COMMANDS])
def test_a_shown_command_is_understood(page, line, monkeypatch):
    name, *rest = words(line)
    if name == "python":
        name, rest = ("kdjax", rest[1:]) if rest[:2] == ["-m", "kdjax"] else (name, rest)
    CHECKS[name](rest, monkeypatch)


def check_kdjax(rest: list[str], monkeypatch) -> None:
    if rest[0].startswith("--") and rest[0] != "--config":
        assert rest[0] in ("--list", "--version", "--help")
    elif rest[0] in ("train", "--config"):
        understand("kdjax.main", rest[rest[0] == "train":], monkeypatch)
    else:
        understand(command.COMMANDS[rest[0]][0], rest[1:], monkeypatch)


def check_python(rest: list[str], monkeypatch) -> None:
    if rest[0] == "-m":
        module = rest[1]
        if module.startswith("kdjax."):
            understand(module, rest[2:], monkeypatch)
        else:
            found = ROOT / module.replace(".", "/")
            file = found.with_suffix(".py") if found.with_suffix(".py").is_file() else found / "__main__.py"
            assert all(flag.split("=")[0] in file.read_text() for flag in rest[2:] if flag.startswith("--"))
    elif rest[0] == "convert_torch_ckpt.py":
        understand("kdjax.convert", rest[1:], monkeypatch)
    else:
        assert (ROOT / rest[0]).is_file() or rest[0].startswith("../shared/"), rest[0]


def check_make(rest: list[str], monkeypatch) -> None:
    for target in rest:
        assert "=" in target or f"\n{target}:" in (ROOT / "Makefile").read_text()


def check_pip(rest: list[str], monkeypatch) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert rest[0] == "install"
    for word in re.findall(r"\[(\w+)\]", " ".join(rest)):
        assert word in extras


def check_path(rest: list[str], monkeypatch) -> None:
    assert rest in (["parity_tests"], [".venv/bin/activate"], ["check", "."]) or (ROOT / rest[-1]).exists(), rest


CHECKS = {"kdjax": check_kdjax, "python": check_python, "make": check_make, "pip": check_pip, "pytest": check_path,
          ".": check_path, "ruff": check_path}


def understand(module: str, arguments: list[str], monkeypatch) -> None:
    """The arguments pass the program's own parser; what they name need not exist."""
    monkeypatch.chdir(ROOT)
    if module in ("kdjax.main", "kdjax.transfer"):
        if not {"--list", "--help"} & set(arguments):
            arguments = transfer.worded(arguments) if module == "kdjax.transfer" else arguments
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                front.parse([word.replace("HOST:PORT", "localhost:1234") for word in arguments])
        return
    main, depth = importlib.import_module(module).main, []
    with monkeypatch.context() as patched:
        for name in ("parse_args", "parse_known_args"):
            patched.setattr(argparse.ArgumentParser, name, parse_only(getattr(argparse.ArgumentParser, name), depth))
        with pytest.raises(Parsed):
            main(arguments)


def parse_only(parse, depth: list):
    """A parsing method that ends the program where the outermost call has understood everything."""
    def parsed(*args, **kwargs):
        depth.append(1)
        try:
            got = parse(*args, **kwargs)
        finally:
            depth.pop()
        if not depth:
            raise Parsed
        return got
    return parsed


def test_the_pages_show_commands_at_all():
    assert len(COMMANDS) > 25 and {page for page, _ in COMMANDS} >= {"README.md", "runs.md", "checkpoints.md"}


def test_a_mistaken_command_would_be_noticed(monkeypatch):
    with pytest.raises(UserError):
        check_kdjax(words("evaluate teachers/x --datset=cifar10"), monkeypatch)
    with pytest.raises(UserError):
        check_kdjax(words("train --config itdr"), monkeypatch)
    with pytest.raises(AssertionError):
        check_make(["demoo"], monkeypatch)


@pytest.mark.parametrize("name", command.here())
def test_every_commands_help_is_printed(name, capsys):
    with contextlib.suppress(SystemExit):
        command.main([name, "--help"])
    said = capsys.readouterr().out
    assert len(said) > 100 and f"kdjax{'.main' if name == 'train' else ''}" in said


def test_the_list_and_the_version_are_printed(capsys):
    assert command.main(["--list"]) == command.main(["--version"]) == 0
    said = capsys.readouterr().out
    assert "configs/itrd.py" in said and said.splitlines()[-1].startswith("kdjax ")


def test_every_link_of_the_pages_leads_somewhere():
    for page in [*PAGES, *sorted(ROOT.glob("CHANGELOG.md"))]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_the_site_has_every_page_and_no_other():
    site = (ROOT / "mkdocs.yml").read_text()
    assert set(re.findall(r":\s+([\w/]+\.(?:md|ipynb))", site)) == {
        *(path.name for path in (ROOT / "docs").glob("*.md")), "notebooks/first_steps.ipynb"}
