"""SemCKD: cross-layer distillation with learned assignments (Chen et al., AAAI 2021)."""
from kdjax import losses
from kdjax.errors import UserError
from kdjax.methods import adapters
from kdjax.methods.base import Method, feature_shape
from kdjax.methods.taps import share_of_batch


class SemCKD(Method):
    """Every student stage learns from every teacher stage, weighted by attention between their batch similarities.

    The attention's layers read rows of a [B, B] matrix, so the batch size is part of the parameters.
    """

    name, paper, year, taps = "semckd", "Chen et al., AAAI", 2021, "every stage's map"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        batch = share_of_batch(config)
        if not config.data.drop_last:
            raise UserError("SemCKD's attention is as wide as the batch, so that every batch must be whole; "
                            "set config.data.drop_last=True")
        if batch < 4:
            raise UserError(f"SemCKD's attention is as wide as the batch and needs 4 images a replica, not {batch}; "
                            f"raise config.data.batch_size")
        maps_s, maps_t = feature_shape(student, "maps")[1:], feature_shape(teacher, "maps")[1:]
        self.adapters = {"attention": adapters.semckd(batch, maps_s, maps_t)}

    def loss(self, ctx, memory):
        maps_s, maps_t = ctx.student.features.maps[1:], ctx.teacher.features.maps[1:]
        carried, targets, query, key = ctx.adapt("attention", maps_s, maps_t)
        weights = losses.semckd_weights(query, key, soft=self.config.method.semckd.soft)
        return {self.name: losses.semckd(carried, targets, weights)}, memory
