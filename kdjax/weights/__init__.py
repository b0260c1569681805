"""Files of weights: kdjax's folders, PyTorch's checkpoints, safetensors; nothing in a file is executed.

Knows the networks; must not know data, methods or runs.
"""
from kdjax.weights.loading import load, name_at

__all__ = ["load", "name_at"]
