"""Activation boundaries (Heo et al., AAAI 2019): a pre-stage on pre-activations, then plain training."""
from kdjax import losses
from kdjax.methods import adapters
from kdjax.methods.base import Method, Stage, feature_shape, refuse


class AB(Method):
    """Pre-stage: the student's trunk learns the signs of the teacher's pre-activations, through a connector.

    The main stage has no term of its own (as released, where its beta is inert); the connector idles in eval mode.
    """

    name, paper, year, taps = "ab", "Heo et al., AAAI", 2019, "every stage's pre-activation"
    num_stages = 2

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        pre_s, pre_t = feature_shape(student, "preact")[1:], feature_shape(teacher, "preact")[1:]
        if len(pre_s) != len(pre_t):
            raise refuse("AB", student, teacher, "it needs the same number of stages", [pre_s, pre_t])
        same = all(s[-1] == t[-1] and s[0] == t[0] for s, t in zip(pre_s, pre_t))
        self.adapters = {} if same else {"connector": adapters.connector(pre_s, pre_t)}
        self.frozen = self.eval_mode = frozenset(self.adapters)
        self.stages = (Stage("boundary", self.boundary, tuple(self.adapters), student="trunk"),)

    def boundary(self, ctx):
        pre_s = ctx.student.features.preact[1:]
        g_s = ctx.adapt("connector", pre_s) if self.adapters else pre_s
        return {"boundary": losses.activation_boundary(g_s, ctx.teacher.features.preact[1:],
                                                       margin=self.config.method.ab.margin)}
