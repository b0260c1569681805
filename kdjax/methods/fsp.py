"""Flow of solution procedure (Yim et al., CVPR 2017): a pre-stage on flow matrices, then plain training."""
from kdjax import losses
from kdjax.methods.base import Method, Stage, feature_shape, refuse
from kdjax.methods.taps import channels


class FSP(Method):
    """Pre-stage: Gram matrices between consecutive maps, learned by the student's trunk; equal channels only.

    The main stage has no term of its own (as released, where its beta is inert).
    """

    name, paper, year, taps = "fsp", "Yim et al., CVPR", 2017, "stem and every stage's map"
    num_stages = 2

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        maps_s, maps_t = feature_shape(student, "maps"), feature_shape(teacher, "maps")
        if channels(maps_s) != channels(maps_t):
            raise refuse("FSP", student, teacher, "it needs the same channels at every stage", [maps_s, maps_t])
        self.stages = (Stage("flow", self.flow, student="trunk"),)

    def flow(self, ctx):
        return {"flow": losses.fsp(ctx.student.features.maps, ctx.teacher.features.maps)}
