"""FitNets (Romero et al., ICLR 2015) as RepDistiller runs it: one regressed stage, trained jointly."""
from kdjax import losses
from kdjax.errors import UserError
from kdjax.methods import adapters
from kdjax.methods.base import Method, feature_shape


class FitNet(Method):
    """The student's map `hint.layer` (0 = stem), through conv + BN + ReLU, regressed on the teacher's.

    The paper pre-trains the lower half with it; the released code, and so this, adds it to the loss of the only stage.
    """

    name, paper, year, taps = "fitnet", "Romero et al., ICLR", 2015, "one stage's map"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        self.layer = config.method.fitnet.layer
        maps_s, maps_t = feature_shape(student, "maps"), feature_shape(teacher, "maps")
        stages = min(len(maps_s), len(maps_t))
        if not 0 <= self.layer < stages:
            raise UserError(f"config.method.fitnet.layer={self.layer} is no map of both networks; use 0 to "
                            f"{stages - 1}")
        self.adapters = {"regress_s": adapters.conv_reg(maps_s[self.layer], maps_t[self.layer])}

    def loss(self, ctx, memory):
        f_s = ctx.adapt("regress_s", ctx.student.features.maps[self.layer])
        return {self.name: losses.hint(f_s, ctx.teacher.features.maps[self.layer])}, memory
