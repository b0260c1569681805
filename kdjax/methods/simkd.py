"""SimKD: the student with the teacher's classifier (Chen et al., CVPR 2022)."""
from kdjax import losses
from kdjax.methods import adapters
from kdjax.methods.base import Method, feature_shape


class SimKD(Method):
    """A projector carries the student's last map to the teacher's pooled one; the teacher's head classifies the result.

    The projector and the head are deployed with the student, so accuracy is theirs; the student's own classifier idles.
    The teacher's map is the one its head pools (the last one in all of the original's networks; not so in WRN here).
    """

    name, paper, year, taps = "simkd", "Chen et al., CVPR", 2022, "last stage's map, teacher's head"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        shapes = feature_shape(student, "maps")[-1], feature_shape(teacher, "pre_pool")
        self.adapters = {"projector": adapters.simkd_projector(*shapes, factor=config.method.simkd.factor)}

    def loss(self, ctx, memory):
        projected = ctx.adapt("projector", ctx.student.features.maps[-1])
        return {self.name: losses.simkd(projected, ctx.teacher.features.pre_pool)}, memory

    def predict(self, ctx):
        return ctx.teacher_head(ctx.adapt("projector", ctx.student.features.maps[-1]).mean(axis=(1, 2)))
