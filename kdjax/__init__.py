"""kdjax: knowledge distillation for image networks on JAX and Flax.

    config = kdjax.get_config("itrd:demo")          docs/api.md
    result = kdjax.train(config)
    net, variables = kdjax.load(result.folder)

`import kdjax` loads nothing heavy: what is used is imported when it is first used.
"""
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdjax.run.api import Result, dataset, get_config, load, train

__version__ = "0.1.0"
__all__ = ["Result", "convert", "dataset", "evaluate", "export", "get_config", "load", "train"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "convert":  # commands, whose modules can be called
        return importlib.import_module("kdjax.convert")
    if name == "evaluate":
        return importlib.import_module("kdjax.evaluate")
    if name == "export":
        return importlib.import_module("kdjax.export")
    return getattr(importlib.import_module("kdjax.run.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
