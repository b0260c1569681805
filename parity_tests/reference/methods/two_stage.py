"""Methods with a stage before the main one: AB, FT, FSP; spec/losses.md 10."""
from parity_tests.reference import adapters, losses
from parity_tests.reference.methods.base import Method, Stage


class AB(Method):
    """Pre-stage: connector and trunk learn the signs of the teacher's pre-activations. Main stage: no own term."""

    frozen = eval_mode = frozenset({"connector"})

    def setup(self, student, teacher):
        self.adapters["connector"] = adapters.Connector(student.preact[1:], teacher.preact[1:])
        self.stages = (Stage("boundary", self.boundary, ("connector",), student="trunk"),)

    def boundary(self, ctx):
        g_s = ctx.adapt("connector", ctx.student.features.preact[1:])
        return {"boundary": losses.activation_boundary(g_s, ctx.teacher.features.preact[1:])}


class FT(Method):
    """Pre-stage: the paraphraser reconstructs the teacher's last map. Main stage: the translator follows its factor."""

    frozen = eval_mode = frozenset({"paraphraser"})

    def setup(self, student, teacher, k=0.5):
        self.adapters["paraphraser"] = adapters.Paraphraser(teacher.maps[-1][0], k)
        self.adapters["translator"] = adapters.Translator(student.maps[-1][0], teacher.maps[-1][0], k)
        lr = 0.01 if student.name.startswith(("resnet", "wrn")) else None
        self.stages = (Stage("reconstruction", self.reconstruction, ("paraphraser",), lr=lr),)

    def reconstruction(self, ctx):
        f_t = ctx.teacher.features.maps[-1]
        _, again = ctx.adapt("paraphraser", f_t)
        return {"reconstruction": (again - f_t).pow(2).mean()}

    def loss(self, ctx, memory):
        factor_t, _ = ctx.adapt("paraphraser", ctx.teacher.features.maps[-1])
        factor_s = ctx.adapt("translator", ctx.student.features.maps[-1])
        return {"ft": losses.factor_transfer(factor_s, factor_t.detach())}, memory


class FSP(Method):
    """Pre-stage: the trunk learns the teacher's flow matrices, stem included. Main stage: nothing of its own."""

    def setup(self, student, teacher):
        self.stages = (Stage("flow", self.flow, student="trunk"),)

    def flow(self, ctx):
        return {"flow": losses.fsp(ctx.student.features.maps, ctx.teacher.features.maps)}
