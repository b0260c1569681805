"""KD-SVD: self-supervised distillation by singular value decomposition (Lee, Kim, Song, ECCV 2018)."""
from kdjax import losses
from kdjax.methods.base import Method, feature_shape, refuse
from kdjax.methods.taps import channels


class KDSVD(Method):
    """Leading singular vectors of every stage's map, and their changes from stage to stage; equal channels only.

    The value depends on the signs that the SVD routine returns, as in the original: runs on different machines differ.
    """

    name, paper, year, taps = "kdsvd", "Lee et al., ECCV", 2018, "every stage's map"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        maps_s, maps_t = feature_shape(student, "maps")[1:], feature_shape(teacher, "maps")[1:]
        if channels(maps_s) != channels(maps_t):
            raise refuse("KD-SVD", student, teacher, "it needs the same channels at every stage", [maps_s, maps_t])

    def loss(self, ctx, memory):
        g_s, g_t = ctx.student.features.maps[1:], ctx.teacher.features.maps[1:]
        return {self.name: losses.kdsvd(g_s, g_t, k=self.config.method.kdsvd.k)}, memory
