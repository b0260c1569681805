"""The former name of `kdjax.weights.torch`, which scripts of users still import."""
from kdjax.weights.torch import Checkpoint, from_state_dict, load, read, to_state_dict

__all__ = ["Checkpoint", "from_state_dict", "load", "read", "to_state_dict"]
