"""kdjax: knowledge distillation for image networks on JAX and Flax."""

__version__ = "0.1.0"
