"""Inter-channel correlation (Liu et al., ICCV 2021), the CIFAR form without grids."""
from kdjax import losses
from kdjax.methods import adapters
from kdjax.methods.base import Method, feature_shape


class ICKD(Method):
    """Channel-by-channel Gram matrices of the map that is pooled, the student's through a 1x1 convolution and a BN.

    The released program also optimises a second embedding that it never applies; it is dropped here.
    """

    name, paper, year, taps = "ickd", "Liu et al., ICCV", 2021, "the map before pooling"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        c_s, c_t = feature_shape(student, "pre_pool")[-1], feature_shape(teacher, "pre_pool")[-1]
        self.adapters = {"embed_s": adapters.ickd_embed(c_s, c_t)}

    def loss(self, ctx, memory):
        z_s = ctx.adapt("embed_s", ctx.student.features.pre_pool)
        return {self.name: losses.ickd(z_s, ctx.teacher.features.pre_pool)}, memory
