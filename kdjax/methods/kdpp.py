"""KD++: norm and direction of the student's embedding (Wang et al., 2023)."""
import jax
import jax.numpy as jnp
import numpy as np

from kdjax import losses
from kdjax.methods import adapters
from kdjax.methods.base import Method
from kdjax.methods.taps import warm_up, widths


class KDPP(Method):
    """KL, and embeddings that grow along their class's mean teacher embedding.

    Where the widths differ the student's embedding goes through batch norm, dropout and a linear layer. The class means
    are taken once, before the first epoch, over the training images as they are (the release: over one augmented pass),
    and rounded to four decimals as there. The KL grows from 0 over `kdpp.warmup_epochs` epochs, the other term not.
    """

    name, paper, year, taps, has_memory = "kdpp", "Wang et al., arXiv", 2023, "embedding, logits", True

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        self.options = config.method.kdpp
        self.d_s, self.d_t = widths(student, teacher)
        if self.d_s != self.d_t:
            self.adapters = {"projector": adapters.kdpp_projector(self.d_s, self.d_t)}
        self.term_weights = {"kd": self.options.kd_weight, "nd": self.options.nd_weight}

    def init_memory(self, key, labels):
        return {"centers": jnp.zeros((self.teacher.num_classes, self.d_t))}

    def at_epoch(self, look, memory):
        return memory if look.epoch > 1 else {"centers": class_means(look, self.teacher.num_classes)}

    def draw(self, key, batch):
        return {"keep": jax.random.bernoulli(key, 0.5, (len(batch.labels), self.d_s))} if self.adapters else {}

    def loss(self, ctx, memory):
        e_s, e_t = ctx.student.features.embedding, ctx.teacher.features.embedding
        if self.adapters:
            e_s = ctx.adapt("projector", e_s, ctx.draws.get("keep"))
        kd = losses.kl_divergence(ctx.student.logits, ctx.teacher.logits, temperature=self.options.temperature)
        return {"kd": warm_up(ctx, self.options.warmup_epochs, first=0.0) * kd,
                "nd": losses.norm_direction(e_s, e_t, memory["centers"], ctx.labels)}, memory


def class_means(look, classes: int) -> jax.Array:
    """[classes, D]: means of the teacher's embeddings, to four decimals; 0 for a class without images."""
    rows, labels = np.asarray(look.features("teacher", "embedding"), np.float64), look.labels()
    sums = np.zeros((classes, rows.shape[1]))
    np.add.at(sums, labels, rows)
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    return jnp.asarray(np.round(sums / counts[:, None], 4), jnp.result_type(float))
