"""Plain training, and knowledge distillation by softened logits."""
from kdjax.methods.base import Method


class Vanilla(Method):
    """No teacher: cross-entropy alone. Trains teachers, and students to compare with."""

    name, taps, needs_teacher = "vanilla", "none", False


class KD(Method):
    """Hinton, Vinyals, Dean 2015. No term of its own: the work is done by `loss.alpha` and `loss.kd_temperature`."""

    name, paper, year, taps = "kd", "Hinton et al., NIPS workshop", 2015, "logits"
