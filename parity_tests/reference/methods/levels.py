"""Methods on all levels of a network; spec/modern_methods.md 5.1, 5.2."""
from torch import nn

from parity_tests.reference import adapters, losses
from parity_tests.reference.methods.base import Method


class OFD(Method):
    """Connected pre-activations against the teacher's, cut at the margins of the batch norms before its ReLUs."""

    teacher_train = True

    def setup(self, student, teacher):
        self.count = min(len(student.preact), len(teacher.preact)) - 1
        channels = [[shape[0] for shape in net.preact[-self.count:]] for net in (student, teacher)]
        self.adapters["connector"] = adapters.ConnectorV2(*channels)

    def loss(self, ctx, memory):
        g_s = ctx.adapt("connector", ctx.student.features.preact[-self.count:])
        g_t = ctx.teacher.features.preact[-self.count:]
        margins = [losses.ofd_margin(bn.weight.detach(), bn.bias.detach()) for bn in norms(ctx.nets["teacher"])]
        return {"ofd": losses.ofd(g_s, g_t, margins[-self.count:])}, memory


def norms(net):
    """The batch norms that make a network's pre-activations, stage by stage, by its family."""
    if hasattr(net, "block4"):  # VGG
        return [[m for m in getattr(net, f"block{i}").modules() if isinstance(m, nn.BatchNorm2d)][-1]
                for i in (1, 2, 3, 4)]
    if hasattr(net, "blocks"):  # MobileNet
        return [net.blocks[i][-1].conv[7] for i in (1, 2, 4, 6)]
    if hasattr(net, "block1"):  # WRN: the first of the next stage
        return [net.block2.layer[0].bn1, net.block3.layer[0].bn1, net.bn1]
    stages = [getattr(net, f"layer{i}") for i in (1, 2, 3, 4) if hasattr(net, f"layer{i}")]
    return [getattr(stage[-1], "bn3", None) or stage[-1].bn2 for stage in stages]


class ReviewKD(Method):
    """The student's maps and pooled vector through the fusion chain, against the teacher's pre-activations."""

    def setup(self, student, teacher, warmup=20):
        self.warmup, self.count = warmup, min(len(student.maps), len(teacher.preact)) - 1
        levels = [(*maps[-self.count:], (net.embedding, 1, 1))
                  for net, maps in ((student, student.maps), (teacher, teacher.preact))]
        self.adapters["fusion"] = adapters.ReviewKDFusion(*levels)

    def loss(self, ctx, memory):
        def levels(maps, embedding):
            return [*maps[-self.count:], embedding[:, :, None, None]]

        f_s, f_t = ctx.student.features, ctx.teacher.features
        g_s = ctx.adapt("fusion", levels(f_s.maps, f_s.embedding))
        return {"reviewkd": ctx.warm_up(self.warmup) * losses.reviewkd(g_s, levels(f_t.preact, f_t.embedding))}, memory
