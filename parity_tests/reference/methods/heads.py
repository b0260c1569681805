"""Methods that use the networks' own classifiers on maps; spec/modern_methods.md 4.8, 5.3."""
import torch.nn.functional as F

from parity_tests.reference import losses
from parity_tests.reference.methods.base import Method


class SDD(Method):
    """Logits of every region through each network's own classifier."""

    def setup(self, student, teacher, loss="dkd", scales=(1, 2, 4), warmup=20):
        self.kind, self.scales, self.warmup = loss, scales, warmup

    def loss(self, ctx, memory):
        s, t = (self.regions(net, out) for net, out in ((ctx.nets["student"], ctx.student), (ctx.nets["teacher"],
                                                                                            ctx.teacher)))
        loss = {"kd": losses.sdd_kd, "dkd": losses.sdd_dkd}[self.kind](s, t, ctx.batch["labels"])
        return {"sdd": ctx.warm_up(self.warmup) * loss}, memory

    def regions(self, net, out):
        cells = losses.multi_scale_pool(out.features.pre_pool, scales=self.scales)
        return net.classify(cells.flatten(0, 1)).unflatten(0, cells.shape[:2])


def linear_of(net):
    """A network's classifier: its last linear layer."""
    return [m for m in net.modules() if type(m).__name__ == "Linear"][-1]


class CATKD(Method):
    """Each classifier's weight as a bias-free 1x1 convolution before the pooling; the student's bias is frozen."""

    def setup(self, student, teacher, resolution=2, normalize=True, bias="fc.bias"):
        self.options, self.student_frozen = {"resolution": resolution, "normalize": normalize}, frozenset({bias})

    def loss(self, ctx, memory):
        cams = [F.conv2d(out.features.pre_pool, linear_of(ctx.nets[net]).weight[:, :, None, None])
                for net, out in (("student", ctx.student), ("teacher", ctx.teacher))]
        return {"cat_kd": losses.cat_kd(*cams, **self.options)}, memory
