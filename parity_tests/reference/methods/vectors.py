"""Methods on the pooled vectors, without a memory; spec/losses.md 6 and 9.2."""
from parity_tests.reference import adapters, losses
from parity_tests.reference.methods.base import Method


def embeddings(ctx):
    return ctx.student.features.embedding, ctx.teacher.features.embedding


class CC(Method):
    """Both linear embeddings are trained."""

    def setup(self, student, teacher, dim=128):
        self.adapters["embed_s"] = adapters.LinearEmbed(student.embedding, dim)
        self.adapters["embed_t"] = adapters.LinearEmbed(teacher.embedding, dim)

    def loss(self, ctx, memory):
        f_s, f_t = embeddings(ctx)
        return {"cc": losses.correlation_congruence(ctx.adapt("embed_s", f_s), ctx.adapt("embed_t", f_t))}, memory


class RKD(Method):
    def loss(self, ctx, memory):
        return {"rkd": losses.rkd(*embeddings(ctx))}, memory


class PKT(Method):
    def loss(self, ctx, memory):
        return {"pkt": losses.pkt(*embeddings(ctx))}, memory


class EGA(Method):
    def loss(self, ctx, memory):
        return {"ega": losses.ega(*embeddings(ctx))}, memory


class ITRD(Method):
    """One shared embedding, which the mutual term uses only if the widths differ."""

    def setup(self, student, teacher, alpha=1.5, corr=2.0, mutual=1.0):
        self.alpha, self.same_width = alpha, student.embedding == teacher.embedding
        self.adapters["embed"] = adapters.LinearEmbed(student.embedding, teacher.embedding)
        self.weights = {"correlation": corr, "mutual": mutual}

    def loss(self, ctx, memory):
        f_s, f_t = embeddings(ctx)
        z_s = ctx.adapt("embed", f_s)
        return {"correlation": losses.itrd_correlation(z_s, f_t, alpha=self.alpha),
                "mutual": losses.itrd_mutual(f_s if self.same_width else z_s, f_t)}, memory


class DCD(Method):
    """Both projections, tau and b are trained (b cancels)."""

    def setup(self, student, teacher, dim=128, alpha=0.5, max_tau=10.0):
        self.options = {"alpha": alpha, "max_tau": max_tau}
        self.adapters["params"] = adapters.DCDScales()
        self.adapters["embed_s"] = adapters.UnitLinear(student.embedding, dim)
        self.adapters["embed_t"] = adapters.UnitLinear(teacher.embedding, dim)

    def loss(self, ctx, memory):
        f_s, f_t = embeddings(ctx)
        z_s, z_t = ctx.adapt("embed_s", f_s), ctx.adapt("embed_t", f_t)
        return {"dcd": losses.dcd(z_s, z_t, *ctx.adapt("params"), **self.options)}, memory


class SRRL(Method):
    """Through the teacher's frozen classifier."""

    def setup(self, student, teacher):
        self.adapters["connector"] = adapters.SRRLTransfer(student.embedding, teacher.embedding)

    def loss(self, ctx, memory):
        f_s, f_t = embeddings(ctx)
        carried = ctx.adapt("connector", f_s)
        return {"srrl": losses.srrl(carried, f_t, ctx.teacher_head(carried), ctx.teacher.logits)}, memory


class KDPP(Method):
    """KL that warms up from 0; norm and direction towards given class means {centers}, projected if widths differ."""

    def setup(self, student, teacher, kd_weight=1.0, nd_weight=2.0, warmup=20):
        self.weights, self.warmup = {"kd": kd_weight, "nd": nd_weight}, warmup
        if student.embedding != teacher.embedding:
            self.adapters["projector"] = adapters.KDPPProjector(student.embedding, teacher.embedding)

    def loss(self, ctx, memory):
        e_s, e_t = embeddings(ctx)
        if "projector" in self.adapters:
            e_s = ctx.adapt("projector", e_s, ctx.batch["keep"])
        kd = losses.kl_divergence(ctx.student.logits, ctx.teacher.logits, temperature=4.0)
        nd = losses.norm_direction(e_s, e_t, memory["centers"], ctx.batch["labels"])
        return {"kd": ctx.warm_up(self.warmup, first=0.0) * kd, "nd": nd}, memory
