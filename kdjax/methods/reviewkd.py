"""Distilling knowledge via knowledge review (Chen et al., CVPR 2021)."""
from kdjax import losses
from kdjax.methods import adapters
from kdjax.methods.base import Method, feature_shape
from kdjax.methods.taps import warm_up


class ReviewKD(Method):
    """The student's stages and pooled vector, fused from deep to shallow, follow the teacher's at several scales.

    As released the student shows maps after their activation, the teacher before. Networks of unequally many stages
    meet at their ends. Grows over `reviewkd.warmup_epochs` epochs.
    """

    name, paper, year, taps = "reviewkd", "Chen et al., CVPR", 2021, "every stage's map, embedding"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        maps_s, pre_t = feature_shape(student, "maps")[1:], feature_shape(teacher, "preact")[1:]
        self.count = min(len(maps_s), len(pre_t))
        (d_s,), (d_t,) = feature_shape(student, "embedding"), feature_shape(teacher, "embedding")
        shapes_s, shapes_t = (*maps_s[-self.count:], (1, 1, d_s)), (*pre_t[-self.count:], (1, 1, d_t))
        self.adapters = {"fusion": adapters.reviewkd_fusion(shapes_s, shapes_t)}

    def loss(self, ctx, memory):
        levels = lambda maps, features: (*maps[-self.count:], features.embedding[:, None, None])
        f_s, f_t = ctx.student.features, ctx.teacher.features
        loss = losses.reviewkd(ctx.adapt("fusion", levels(f_s.maps, f_s)), levels(f_t.preact, f_t))
        return {self.name: warm_up(ctx, self.config.method.reviewkd.warmup_epochs) * loss}, memory
