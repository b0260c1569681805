"""Methods on feature maps; taps and constants from spec/losses.md 5. f[1:-1] of the originals is `maps[1:]` here."""
from parity_tests.reference import adapters, losses
from parity_tests.reference.adapters import shrink
from parity_tests.reference.methods.base import Method


def stage_pairs(ctx):
    """(student map, teacher map) of every stage, without the stem."""
    return list(zip(ctx.student.features.maps[1:], ctx.teacher.features.maps[1:], strict=True))


class FitNet(Method):
    """One stage through ConvReg; joint, not two-stage as in the paper."""

    def setup(self, student, teacher, layer=2):
        self.layer = layer
        self.adapters["regress_s"] = adapters.ConvReg(student.maps[layer], teacher.maps[layer])

    def loss(self, ctx, memory):
        f_s = ctx.adapt("regress_s", ctx.student.features.maps[self.layer])
        return {"fitnet": losses.hint(f_s, ctx.teacher.features.maps[self.layer])}, memory


class AT(Method):
    def loss(self, ctx, memory):
        return {"at": sum(losses.attention(s, t) for s, t in stage_pairs(ctx))}, memory


class NST(Method):
    def loss(self, ctx, memory):
        return {"nst": sum(losses.nst(s, t) for s, t in stage_pairs(ctx))}, memory


class SP(Method):
    def loss(self, ctx, memory):
        return {"sp": losses.similarity(ctx.student.features.maps[-1], ctx.teacher.features.maps[-1])}, memory


class KDSVD(Method):
    def loss(self, ctx, memory):
        return {"kdsvd": losses.kdsvd(ctx.student.features.maps[1:], ctx.teacher.features.maps[1:])}, memory


class VID(Method):
    """A regressor and a variance per stage, both trained and decayed; regressor "relu" (RepDistiller) or "linear"."""

    def setup(self, student, teacher, regressor="relu", eps=1e-5):
        self.eps = eps
        kind = {"relu": adapters.VIDRegressor, "linear": adapters.VIDSeedRegressor}[regressor]
        for i, (s, t) in enumerate(zip(student.maps[1:], teacher.maps[1:], strict=True)):
            self.adapters[str(i)] = kind(s[0], t[0])

    def loss(self, ctx, memory):
        terms = []
        for i, (f_s, f_t) in enumerate(stage_pairs(ctx)):
            mean, log_scale = ctx.adapt(str(i), shrink(f_s, f_t.shape[2]))
            terms.append(losses.vid(mean, log_scale, f_t, eps=self.eps))
        return {"vid": sum(terms)}, memory


class ICKD(Method):
    """The map that is pooled. embed_t is built by the original, given to the optimizer, and never called."""

    def setup(self, student, teacher):
        c_s, c_t = student.pre_pool[0], teacher.pre_pool[0]
        self.adapters["embed_s"] = adapters.ICKDEmbed(c_s, c_t)
        self.adapters["embed_t"] = adapters.ICKDEmbed(c_s, c_t)

    def loss(self, ctx, memory):
        z_s = ctx.adapt("embed_s", ctx.student.features.pre_pool)
        return {"ickd": losses.ickd(z_s, ctx.teacher.features.pre_pool)}, memory


class SimKD(Method):
    """The projected last map against the one the teacher's head pools; the head classifies it at evaluation."""

    def setup(self, student, teacher, factor=2):
        self.height = teacher.pre_pool[1]
        self.adapters["projector"] = adapters.SimKDProjector(student.maps[-1][0], teacher.pre_pool[0], factor)

    def project(self, ctx):
        return ctx.adapt("projector", shrink(ctx.student.features.maps[-1], self.height))

    def loss(self, ctx, memory):
        return {"simkd": losses.simkd(self.project(ctx), ctx.teacher.features.pre_pool)}, memory

    def predict(self, ctx):
        """The deployed logits."""
        return ctx.teacher_head(self.project(ctx).mean((2, 3)))


class SemCKD(Method):
    """Every pair of stages, weighted by attention between batch similarities; the MLPs are as wide as the batch."""

    def setup(self, student, teacher, batch_size, soft=1.0):
        self.soft = soft
        channels = [[m[0] for m in net.maps[1:]] for net in (student, teacher)]
        self.adapters["attention"] = adapters.SelfA(batch_size, *channels)

    def loss(self, ctx, memory):
        maps_s, maps_t = ctx.student.features.maps[1:], ctx.teacher.features.maps[1:]
        proj, target, query, key = ctx.adapt("attention", maps_s, maps_t)
        weights = losses.semckd_weights(query, key, soft=self.soft)
        return {"semckd": losses.semckd(proj, target, weights)}, memory
