"""Variational information distillation (Ahn et al., CVPR 2019): RepDistiller's form and the authors' own."""
from kdjax import losses
from kdjax.errors import UserError
from kdjax.methods import adapters
from kdjax.methods.base import Method, feature_shape


class VID(Method):
    """A Gaussian with a learned mean and a learned variance per channel predicts each teacher stage from the student's.

    `vid.regressor`: "relu" is RepDistiller's (three 1x1 convolutions, ReLU between them; variance starts at
    `vid.init_variance`), "linear" the authors' (two, nothing between; softplus argument starts at `vid.init_rho`).
    The larger map is pooled, the student's before the regressor. The loss may be negative.
    """

    name, paper, year, taps = "vid", "Ahn et al., CVPR", 2019, "every stage's map"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        self.options = config.method.vid
        shapes = zip(feature_shape(student, "maps")[1:], feature_shape(teacher, "maps")[1:])
        self.adapters = {str(i): self.regressor(s, t) for i, (s, t) in enumerate(shapes)}

    def regressor(self, shape_s, shape_t):
        o = self.options
        if o.regressor == "relu":
            return adapters.vid_regressor(shape_s, shape_t, init_var=o.init_variance, eps=o.eps)
        if o.regressor == "linear":
            given = {} if o.init_rho is None else {"init_rho": o.init_rho}
            return adapters.vid_seed_regressor(shape_s, shape_t, **given)
        raise UserError(f"config.method.vid.regressor={o.regressor!r} is not a regressor; use 'relu' or 'linear'")

    def loss(self, ctx, memory):
        total = 0.0
        for name, f_s, f_t in zip(self.adapters, ctx.student.features.maps[1:], ctx.teacher.features.maps[1:]):
            mean, log_scale = ctx.adapt(name, f_s)
            total += losses.vid(mean, log_scale, f_t, eps=self.options.eps)
        return {self.name: total}, memory
