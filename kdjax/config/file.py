"""A config from its file: `configs/itrd.py:teacher=resnet56,demo`."""
from __future__ import annotations

import difflib
import importlib.util
import sys
import traceback
from pathlib import Path

from ml_collections import ConfigDict

from kdjax.config.check import check_fields
from kdjax.errors import UserError

PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED = next((path for path in (PACKAGE / "_shipped" / "configs", PACKAGE.parent / "configs") if path.is_dir()),
               Path("configs"))  # a wheel carries the configs inside (setup.py), a checkout beside the package
SEE = "`python -m kdjax.main --list` shows the configs"


def load(spec: str) -> ConfigDict:
    """`configs/itrd.py:teacher=resnet56,demo` -> what the file's get_config(argument) returns, open to no new fields.

    The path is relative to the current folder, else one of kdjax's own, which `itrd` alone names too. Raises UserError
    for a missing or a broken file, naming its line, and for fields that kdjax does not have.
    """
    name, _, argument = spec.partition(":")
    path = find(name)
    try:
        module = execute(path)
        if not callable(getattr(module, "get_config", None)):
            raise UserError(f"{path} has no function get_config(arg=None); add one that returns a config, as "
                            "configs/kd.py does")
        config = module.get_config(argument) if argument else module.get_config()
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"the config file {path} failed{line_of(error, path)} with {type(error).__name__}: "
                        f"{first_line(error)}; correct it") from None
    if not isinstance(config, ConfigDict):
        raise UserError(f"get_config of {path} returned a {type(config).__name__}; return a ConfigDict made by "
                        "kdjax.config.default()")
    check_fields(config)
    return config.lock()


def find(name: str) -> Path:
    """The config file called `name`; a UserError with the near ones where there is none."""
    for path in (Path(name), SHIPPED.parent / name, SHIPPED / f"{name.removesuffix('.py')}.py"):
        if name and path.is_file():
            return path
    known = [f"configs/{path.name}" for path in shipped()]
    words = {Path(path).stem: path for path in known} | dict.fromkeys(known)
    near = [words[word] or word for word in difflib.get_close_matches(name, words, n=1)]
    raise UserError(f"there is no config file {name!r}{f' (did you mean {near[0]}?)' if near else ''}; {SEE}")


def shipped() -> list[Path]:
    """The config files that come with kdjax."""
    return [path for path in sorted(SHIPPED.glob("*.py")) if path.name not in ("common.py", "__init__.py")]


def execute(path: Path):
    """The file as a module. `from configs import common` works in kdjax's own folder and in a copy anywhere."""
    for parent in (path.resolve().parent.parent, SHIPPED.resolve().parent):
        if str(parent) not in sys.path:
            sys.path.append(str(parent))
    spec = importlib.util.spec_from_file_location(f"kdjax_config_{path.stem}", path)
    if spec is None:
        raise UserError(f"{path} is not a Python file; {SEE}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line_of(error: BaseException, path: Path) -> str:
    """` at line 3` of the config file, where the error tells."""
    if isinstance(error, SyntaxError):
        return f" at line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == path.resolve()]
    return f" at line {lines[-1]}" if lines else ""


def first_line(error: BaseException) -> str:
    """The message of an error in one line."""
    return " ".join((str(error) or "no message").split())[:300]
