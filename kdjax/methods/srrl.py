"""Softmax regression representation learning (Yang et al., ICLR 2021)."""
from kdjax import losses
from kdjax.methods import adapters
from kdjax.methods.base import Method
from kdjax.methods.taps import widths


class SRRL(Method):
    """The student's vector, carried to the teacher's width, must match the teacher's, also through its frozen head."""

    name, paper, year, taps = "srrl", "Yang et al., ICLR", 2021, "embedding, teacher's head"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        d_s, d_t = widths(student, teacher)
        self.adapters = {"connector": adapters.srrl_transfer(d_s, d_t)}

    def loss(self, ctx, memory):
        carried = ctx.adapt("connector", ctx.student.features.embedding)
        return {self.name: losses.srrl(carried, ctx.teacher.features.embedding, ctx.teacher_head(carried),
                                       ctx.teacher.logits)}, memory
