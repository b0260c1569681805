"""What can be set and how it is said: the table of fields, the command line's values, the refusals that need no data.

Knows no network, no method, no file but a config file.
"""
from kdjax.config.fields import DOCS, default, method_defaults

__all__ = ["DOCS", "default", "method_defaults"]
