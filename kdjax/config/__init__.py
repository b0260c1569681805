"""What can be set and how it is said: the table of fields, the command line's values, the refusals that need no data.

Knows no network, no method, no file but a config file.
"""
from kdjax.config.field import Field
from kdjax.config.fields import FIELDS, default

__all__ = ["FIELDS", "Field", "default"]
