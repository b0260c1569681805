"""Multi-level logit distillation (Jin, Wang & Lin, CVPR 2023)."""
from kdjax import losses
from kdjax.methods.base import Method
from kdjax.methods.taps import cross_entropy


class MLKD(Method):
    """Instance, class and batch level over five temperatures, on a weak and a strongly augmented view.

    The labels supervise both views, in two passes of the student: `strong_ce` has the weight loss.gamma, whatever
    loss.beta is. What the release does with masks and views (not what the paper says) is in `losses.mlkd`.
    """

    name, paper, year, taps = "mlkd", "Jin et al., CVPR", 2023, "logits of two views"
    views = ("randaugment",)

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        self.term_weights = {"strong_ce": config.loss.gamma / config.loss.beta if config.loss.beta else 0.0}

    def loss(self, ctx, memory):
        o, weak = self.config.method.mlkd, (ctx.student.logits, ctx.teacher.logits)
        strong = tuple(ctx.forward(net, "randaugment").logits for net in ("student", "teacher"))
        kd, cc, bc = losses.mlkd(*weak, *strong, temperature=o.temperature, standardize=o.standardize)
        return {"kd": kd, "cc": cc, "bc": bc, "strong_ce": cross_entropy(strong[0], ctx.labels)}, memory
