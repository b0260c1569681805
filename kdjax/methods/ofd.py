"""A comprehensive overhaul of feature distillation (Heo et al., ICCV 2019)."""
from kdjax import losses
from kdjax.errors import UserError
from kdjax.methods import adapters
from kdjax.methods.base import Method, feature_shape
from kdjax.methods.taps import channels


class OFD(Method):
    """Every stage's pre-activation, through a 1x1 convolution and batch norm, follows the teacher's down to a margin.

    The margins come from the teacher's batch norm before each ReLU (a network tells them as `preact_norms`). Networks
    of unequal many stages meet at their ends; the port in mdistiller then takes the margins from the front, which pairs
    them wrongly, and is not followed. Both releases run the teacher in train mode: `teacher.batch_stats="batch"`.
    """

    name, paper, year, taps = "ofd", "Heo et al., ICCV", 2019, "every stage's pre-activation"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        pre_s, pre_t = (feature_shape(net, "preact")[1:] for net in (student, teacher))
        self.stages_used = min(len(pre_s), len(pre_t))
        self.norms = tuple(getattr(teacher, "preact_norms", ()))[-self.stages_used:]
        if len(self.norms) < self.stages_used:
            raise UserError(f"OFD needs the batch norms before the stages' ReLUs, which network {teacher.name!r} does "
                            f"not have or tell (preact_norms); choose a ResNet, WRN, VGG or MobileNet teacher")
        self.adapters = {"connector": adapters.ofd_connector(channels(pre_s[-self.stages_used:]),
                                                             channels(pre_t[-self.stages_used:]))}

    def loss(self, ctx, memory):
        g_s = ctx.adapt("connector", ctx.student.features.preact[-self.stages_used:])
        g_t = ctx.teacher.features.preact[-self.stages_used:]
        return {self.name: losses.ofd(g_s, g_t, self.margins(ctx.parameters("teacher")))}, memory

    def margins(self, params):
        """[C] of each stage, from the teacher's parameters."""
        found = []
        for path in self.norms:
            norm = params
            for word in path:
                norm = norm[word]
            found.append(losses.ofd_margin(norm["scale"], norm["bias"]))
        return found
