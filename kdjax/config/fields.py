"""The table of fields as one, and what is made from it: the default config and the names of before."""
from __future__ import annotations

from ml_collections import ConfigDict

from kdjax.config.field import Field
from kdjax.config.tables import data, ds_srd, methods, modern, networks, run, selfsup, training

TABLES = (run, networks, methods, modern, training, data, ds_srd, selfsup)
FIELDS: dict[str, Field] = {name: field for table in TABLES for name, field in table.FIELDS.items()}
OPEN = {  # blocks to which a user's own methods and networks may add; the rule of what they add
    "method.": None, "optim.lr_override.": FIELDS["optim.lr_override.MobileNetV2"]}
RENAMED = {"method.hint": "method.fitnet", "method.attention": "method.at", "method.abound": "method.ab",
           "method.factor": "method.ft"}  # blocks, or fields: their names of before -> today's


class Block(ConfigDict):
    """A group whose members are found by their names of before too: config.method.hint.layer is ...fitnet.layer."""

    def __getitem__(self, key):
        return super().__getitem__(_member(key))

    def __setitem__(self, key, value):
        super().__setitem__(_member(key), value)

    def __contains__(self, key):
        return super().__contains__(_member(key))

    def update(self, *others, **values):
        for other in (*others, values):
            super().update({_member(key): value for key, value in other.items()})


def _member(key: str) -> str:
    return renamed(f"method.{key}").removeprefix("method.")


def renamed(name: str) -> str:
    """Today's name of a dotted field."""
    for old, new in RENAMED.items():
        if name == old or name.startswith(old + "."):
            return new + name[len(old):]
    return name


def default() -> ConfigDict:
    """The complete config with the common CIFAR protocol's values; a config file changes some of them."""
    config = nested({name: field.fresh() for name, field in FIELDS.items()})
    return ConfigDict(config | {"method": Block(config["method"])})


def nested(flat: dict) -> dict:
    """{"loss.beta": 1} -> {"loss": {"beta": 1}}."""
    tree = {}
    for name, value in flat.items():
        *blocks, leaf = name.split(".")
        node = tree
        for block in blocks:
            node = node.setdefault(block, {})
        node[leaf] = value
    return tree
