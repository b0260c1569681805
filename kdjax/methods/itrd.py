"""Information-theoretic representation distillation (Miles et al., BMVC 2022)."""
from kdjax import losses
from kdjax.methods import adapters
from kdjax.methods.base import Method
from kdjax.methods.taps import widths


class ITRD(Method):
    """Correlation and mutual-information terms on the penultimate vectors, through one shared linear embedding.

    As released: the correlation always sees the embedded student, the mutual term only when the widths differ.
    """

    name, paper, year, taps = "itrd", "Miles et al., BMVC", 2022, "embedding"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        self.options = config.method.itrd
        d_s, d_t = widths(student, teacher)
        self.same_width = d_s == d_t
        self.adapters = {"embed": adapters.linear_embed(d_s, d_t)}
        self.term_weights = {"correlation": self.options.corr_weight, "mutual": self.options.mutual_weight}

    def loss(self, ctx, memory):
        f_s, f_t = ctx.student.features.embedding, ctx.teacher.features.embedding
        z_s = ctx.adapt("embed", f_s)
        return {"correlation": losses.itrd_correlation(z_s, f_t, alpha=self.options.alpha),
                "mutual": losses.itrd_mutual(f_s if self.same_width else z_s, f_t)}, memory
