"""Relational representation distillation (Giakoumoglou and Stathaki, 2024)."""
import jax
import jax.numpy as jnp

from kdjax import losses
from kdjax.errors import UserError
from kdjax.methods import adapters
from kdjax.methods.base import Method
from kdjax.methods.memories import bank, queue
from kdjax.methods.taps import widths

VARIANTS = {  # when the batch's keys join the queue, student and teacher temperature
    "seed": ("after", 0.04, 0.10),  # the revision that the published numbers belong to
    "newest": ("before", 0.1, 0.02),  # the repository today: the keys are among their own negatives
}


class RRD(Method):
    """The student's similarities to a queue of teacher embeddings must be those of the teacher's own embedding.

    `rrd.variant` "seed" or "newest"; rrd.student_temperature and rrd.teacher_temperature override the variant's. The
    teacher's embedding gets no gradient in the released code and so stays the random projection that it starts as.
    `rrd.memory="bank"` compares over CRD's banks instead, softmax of already exponentiated scores, as released.
    """

    name, paper, year, taps, has_memory = "rrd", "Giakoumoglou & Stathaki, arXiv", 2024, "embedding", True

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        self.options, self.dim = config.method.rrd, config.method.feat_dim
        o = self.options
        bank.check("rrd", o)
        if o.variant not in VARIANTS:
            raise UserError(f"config.method.rrd.variant={o.variant!r} is unknown; use 'seed' (published) or 'newest'")
        if o.memory == "queue":
            queue.check("rrd", config)
        self.enqueue, t_s, t_t = VARIANTS[o.variant]
        self.temperatures = {"temperature_s": t_s if o.student_temperature is None else o.student_temperature,
                             "temperature_t": t_t if o.teacher_temperature is None else o.teacher_temperature}
        d_s, d_t = widths(student, teacher)
        self.adapters = {"embed_s": adapters.unit_linear(d_s, self.dim), "embed_t": adapters.unit_linear(d_t, self.dim)}
        self.frozen = frozenset({"embed_t"})

    def init_memory(self, key, labels):
        if self.options.memory == "queue":
            return queue.init(key, self.options.queue_size, self.dim)
        return bank.init(key, labels, self.dim, self.student.num_classes)

    def loss(self, ctx, memory):
        z_s = ctx.adapt("embed_s", ctx.student.features.embedding)
        z_t = jax.lax.stop_gradient(ctx.adapt("embed_t", ctx.teacher.features.embedding))
        if self.options.memory == "queue":
            relate = lambda rows: losses.rrd(z_s, z_t, rows, **self.temperatures)
            loss, memory = queue.around(relate, memory, z_t, self.enqueue)
        else:
            loss, memory = self.over_banks(ctx, memory, z_s, z_t)
        return {self.name: loss}, memory

    def draw(self, key, batch):
        return bank.draw(key, batch) if self.options.memory == "bank" else {}

    def drawn(self, ctx, memory) -> bank.Draw:
        """Whom this step compares; both sides share it."""
        return bank.drawn(ctx, memory["table"], self.options.num_negatives)

    def over_banks(self, ctx, memory, z_s, z_t):
        """(loss, memory): `losses.rrd_momentum` with the whole banks scored at once, the drawn columns counted."""
        drawn, options = self.drawn(ctx, memory), self.temperatures
        log_s, _, norm_s = self.side(z_s, memory["bank_t"], drawn, memory["norm_s"], options["temperature_s"])
        log_t, often, norm_t = self.side(z_t, memory["bank_s"], drawn, memory["norm_t"], options["temperature_t"])
        loss = -jnp.mean(jnp.sum(often * jnp.exp(log_t) * log_s, axis=1))
        moved = bank.update(memory, ctx.index, z_s, z_t, self.options.momentum)
        return loss, moved | {"norm_s": norm_s, "norm_t": norm_t}

    def side(self, z, rows, drawn, norm, sharpness):
        """(log-probabilities, how often each is drawn, constant) of one embedding over the other's bank."""
        every = bank.scores(z, rows, self.options.temperature)
        positive = bank.positive_scores(z, rows, drawn.positive, self.options.temperature)
        norm = bank.masked_norm(positive, every, drawn, self.options.num_negatives, norm)
        often, log = bank.masked_log_softmax(jnp.exp(every) / norm / sharpness, drawn)
        return log, often, norm
