"""PyTorch's files without PyTorch: reading, naming, recognising and writing them; nothing in a file is executed.

Knows kdjax.models; must not know runs, data or methods.
"""
from kdjax.weights.torch.checkpoint import Checkpoint, load, read
from kdjax.weights.torch.naming import from_state_dict, to_state_dict

__all__ = ["Checkpoint", "from_state_dict", "load", "read", "to_state_dict"]
