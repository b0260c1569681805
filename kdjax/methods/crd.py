"""Contrastive representation distillation (Tian, Krishnan, Isola, ICLR 2020), and the queue form of `distillers`."""
import jax.numpy as jnp

from kdjax import losses
from kdjax.errors import UserError
from kdjax.methods import adapters
from kdjax.methods.base import Method
from kdjax.methods.memories import bank, queue
from kdjax.methods.taps import widths


class CRD(Method):
    """Each network's embedding against the other's bank of all training samples: towards its own
    row, away from K rows of other classes.

    `crd.mode`: the positive is the sample itself ("exact") or a random one of its class ("relax"). `crd.memory`: "bank"
    as in the paper, or "queue", an InfoNCE loss against recent teacher embeddings. Both embeddings are trained. The
    normalising constants are the first batch's, for the whole run. Rows given as batch["contrast"] [B, K + 1] replace
    the draw.
    """

    name, paper, year, taps, has_memory = "crd", "Tian et al., ICLR", 2020, "embedding", True

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        self.options, self.dim = config.method.crd, config.method.feat_dim
        bank.check("crd", self.options)
        for field, known in (("mode", ("exact", "relax")), ("enqueue", ("before", "after"))):
            if self.options[field] not in known:
                raise UserError(f"config.method.crd.{field}={self.options[field]!r} is unknown; "
                                f"use {known[0]!r} or {known[1]!r}")
        if self.options.memory == "queue":
            queue.check("crd", config)
        embed = adapters.embed if self.options.memory == "bank" else adapters.unit_linear
        d_s, d_t = widths(student, teacher)
        self.adapters = {"embed_s": embed(d_s, self.dim), "embed_t": embed(d_t, self.dim)}

    def init_memory(self, key, labels):
        if self.options.memory == "queue":
            return queue.init(key, self.options.queue_size, self.dim)
        return bank.init(key, labels, self.dim, self.student.num_classes)

    def loss(self, ctx, memory):
        z_s = ctx.adapt("embed_s", ctx.student.features.embedding)
        z_t = ctx.adapt("embed_t", ctx.teacher.features.embedding)
        if self.options.memory == "queue":
            contrast = lambda rows: losses.crd_fifo(z_s, z_t, rows, temperature=self.options.temperature)
            loss, memory = queue.around(contrast, memory, z_t, self.options.enqueue)
        else:
            side = self.given(ctx) if "contrast" in ctx.batch else self.drawn(ctx, memory["table"])
            loss_s, norm_s = side(z_s, memory["bank_t"], memory["norm_s"])
            loss_t, norm_t = side(z_t, memory["bank_s"], memory["norm_t"])
            moved = bank.update(memory, ctx.batch["index"], z_s, z_t, self.options.momentum)
            loss, memory = loss_s + loss_t, moved | {"norm_s": norm_s, "norm_t": norm_t}
        return {self.name: loss}, memory

    def drawn(self, ctx, table):
        """The loss of one side, on a fresh draw that both sides share."""
        o = self.options
        draw = bank.draw(ctx.key, ctx.batch, table, o.num_negatives, o.mode)
        return lambda z, rows, norm: bank.masked_nce(bank.positive_scores(z, rows, draw.positive, o.temperature),
                                                     bank.scores(z, rows, o.temperature), draw, o.num_negatives, norm)

    def given(self, ctx):
        """The loss of one side, on the rows that the batch brings."""
        chosen, temperature = ctx.batch["contrast"], self.options.temperature
        pick = lambda z, rows: jnp.take_along_axis(bank.scores(z, rows, temperature), chosen, axis=1)
        return lambda z, rows, norm: losses.nce_from_scores(pick(z, rows), len(rows), norm)
