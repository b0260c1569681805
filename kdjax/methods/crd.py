"""Contrastive representation distillation (Tian, Krishnan, Isola, ICLR 2020), and the queue form of `distillers`."""
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
    normalising constants are the first batch's, for the whole run.
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
            drawn = self.drawn(ctx, memory)
            loss_s, norm_s = self.side(z_s, memory["bank_t"], drawn, memory["norm_s"])
            loss_t, norm_t = self.side(z_t, memory["bank_s"], drawn, memory["norm_t"])
            moved = bank.update(memory, ctx.index, z_s, z_t, self.options.momentum)
            loss, memory = loss_s + loss_t, moved | {"norm_s": norm_s, "norm_t": norm_t}
        return {self.name: loss}, memory

    def draw(self, key, batch):
        return bank.draw(key, batch) if self.options.memory == "bank" else {}

    def drawn(self, ctx, memory) -> bank.Draw:
        """Whom this step compares; both sides share it."""
        return bank.drawn(ctx, memory["table"], self.options.num_negatives, self.options.mode)

    def side(self, z, rows, drawn, norm):
        """(loss, constant) of one network's embedding against the other's bank."""
        every = bank.scores(z, rows, self.options.temperature)
        positive = bank.positive_scores(z, rows, drawn.positive, self.options.temperature)
        return bank.masked_nce(positive, every, drawn, self.options.num_negatives, norm)
