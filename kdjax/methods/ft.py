"""Factor transfer (Kim, Park, Kwak, NeurIPS 2018): a paraphraser is trained first, then a translator imitates it."""
import jax
import jax.numpy as jnp

from kdjax import losses
from kdjax.methods import adapters
from kdjax.methods.base import Method, Stage, feature_shape


class FT(Method):
    """Pre-stage: the paraphraser learns to reconstruct the teacher's last map. Main stage: the student's translated map
    follows the paraphraser's factor, whose spatial energy (not the factor itself, as in the paper) is compared.

    The pre-stage's rate is 0.01 for students called resnet* or wrn*, the base rate otherwise, as released.
    """

    name, paper, year, taps = "ft", "Kim et al., NeurIPS", 2018, "last stage's map"
    num_stages = 2

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        self.options = config.method.ft
        shape_s, shape_t = feature_shape(student, "maps")[-1], feature_shape(teacher, "maps")[-1]
        self.adapters = {"paraphraser": adapters.paraphraser(shape_t, k=self.options.rate),
                         "translator": adapters.translator(shape_s, shape_t, k=self.options.rate)}
        self.frozen = self.eval_mode = frozenset({"paraphraser"})
        lr = 0.01 if student.name.startswith(("resnet", "wrn")) and ":" not in student.name else None
        self.stages = (Stage("reconstruction", self.reconstruction, ("paraphraser",), lr=lr),)

    def reconstruction(self, ctx):
        f_t = ctx.teacher.features.maps[-1]
        _, again = ctx.adapt("paraphraser", f_t)
        return {"reconstruction": jnp.mean((again - f_t) ** 2)}

    def loss(self, ctx, memory):
        factor_t = jax.lax.stop_gradient(ctx.adapt("paraphraser", ctx.teacher.features.maps[-1], method="encode"))
        factor_s = ctx.adapt("translator", ctx.student.features.maps[-1])
        return {self.name: losses.factor_transfer(factor_s, factor_t, p1=self.options.p1, p2=self.options.p2)}, memory
