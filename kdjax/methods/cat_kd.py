"""Class attention transfer (Guo et al., CVPR 2023)."""
import jax
import jax.numpy as jnp

from kdjax import losses
from kdjax.methods.base import Method, feature_shape
from kdjax.methods.taps import classifier, head_of_positions
from kdjax.models.layers import KAIMING_FAN_OUT


class CATKD(Method):
    """The student's class activation maps follow the teacher's.

    Both heads act as 1x1 convolutions without bias on the map that is pooled; the teacher's bias is dropped, as
    released. The student's is 0 and never trained, so that its logits are the mean of its maps, and its kernel starts
    as the release's convolution does: what is exported is an ordinary network.
    """

    name, paper, year, taps = "cat_kd", "Guo et al., CVPR", 2023, "map that is pooled, both heads"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        for net in (student, teacher):
            feature_shape(net, "pre_pool")
        self.head = classifier(student)
        self.student_frozen = frozenset({(*self.head, "bias")}) if self.head else frozenset()

    def start(self, key, params):
        """The classifier without bias, its kernel drawn as a convolution's (He, fan out)."""
        def fresh(path, value):
            words = tuple(entry.key for entry in path)
            if words[:-1] != self.head:
                return value
            return jnp.zeros_like(value) if words[-1] == "bias" else KAIMING_FAN_OUT.kernel(key, value.shape)

        return jax.tree_util.tree_map_with_path(fresh, params)

    def loss(self, ctx, memory):
        o = self.config.method.cat_kd
        cam_s, cam_t = (self.cam(ctx.heads(net), ctx.forward(net).features.pre_pool) for net in ("student", "teacher"))
        return {self.name: losses.cat_kd(cam_s, cam_t, resolution=o.resolution, normalize=o.normalize)}, memory

    def cam(self, head, f):
        """[B, h, w, C] -> [B, h, w, classes]: the head at every position, without its bias."""
        return head_of_positions(head, f) - head(jnp.zeros_like(f[:1, 0, 0]))
