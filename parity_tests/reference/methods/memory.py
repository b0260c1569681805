"""Methods with banks or a queue; spec/losses.md 7. A step returns a new memory and changes no tensor of the old one."""
from collections.abc import Callable

from parity_tests.reference import adapters, losses
from parity_tests.reference.methods.base import Method
from parity_tests.reference.methods.vectors import embeddings


def updated(bank, index, z, momentum):
    """The bank with the rows at `index` moved towards z."""
    bank = bank.clone()
    bank[index] = losses.memory_update(bank[index], z, momentum=momentum)
    return bank


class BankMethod(Method):
    """Two banks {bank_s, bank_t} [n_data, D] and two constants {norm_s, norm_t}, None until the first batch sets them.

    Scored against the banks as they were before the step; updated at the true index.
    """

    embed = adapters.UnitLinear
    score: Callable  # (loss, norms) of unit rows and gathered bank rows

    def setup(self, student, teacher, n_data, dim=128, momentum=0.5, **options):
        self.n_data, self.momentum, self.options = n_data, momentum, options
        self.adapters["embed_s"] = self.embed(student.embedding, dim)
        self.adapters["embed_t"] = self.embed(teacher.embedding, dim)

    def loss(self, ctx, memory):
        f_s, f_t = embeddings(ctx)
        z_s, z_t = ctx.adapt("embed_s", f_s), ctx.adapt("embed_t", f_t)
        rows, index = ctx.batch["contrast"], ctx.batch["index"]
        bank_s, bank_t = memory["bank_s"], memory["bank_t"]
        value, norms = self.score(z_s, z_t, bank_s[rows], bank_t[rows], n_data=self.n_data, norm_s=memory["norm_s"],
                                  norm_t=memory["norm_t"], **self.options)
        return {self.name: value}, {"bank_s": updated(bank_s, index, z_s, self.momentum),
                                    "bank_t": updated(bank_t, index, z_t, self.momentum),
                                    "norm_s": norms[0], "norm_t": norms[1]}


class CRD(BankMethod):
    """Both embeddings (normalised without a guard) are trained."""

    name, embed, score = "crd", adapters.Embed, staticmethod(losses.crd)


class RRDMomentum(BankMethod):
    """RRD's loss on CRD's banks. embed_t gets no gradient."""

    name, score = "rrd", staticmethod(losses.rrd_momentum)


class QueueMethod(Method):
    """A queue [K, D] of teacher rows and its pointer. enqueue: "before" or "after" the loss is taken."""

    score: Callable  # the loss of unit rows against a queue

    def setup(self, student, teacher, dim=128, enqueue="before", **options):
        self.enqueue, self.options = enqueue, options
        self.adapters["embed_s"] = adapters.UnitLinear(student.embedding, dim)
        self.adapters["embed_t"] = adapters.UnitLinear(teacher.embedding, dim)

    def loss(self, ctx, memory):
        f_s, f_t = embeddings(ctx)
        z_s, z_t = ctx.adapt("embed_s", f_s), ctx.adapt("embed_t", f_t)
        queue, ptr = losses.queue_enqueue(memory["queue"], memory["ptr"], z_t)
        seen = queue if self.enqueue == "before" else memory["queue"]
        return {self.name: self.score(z_s, z_t, seen, **self.options)}, {"queue": queue, "ptr": ptr}


class CRDQueue(QueueMethod):
    """distillers' default `crd`: InfoNCE. embed_t gets its gradient through the positive."""

    name, score = "crd", staticmethod(losses.crd_fifo)


class RRD(QueueMethod):
    """embed_t gets no gradient, so it stays a fixed random projection, never even decayed."""

    name, score = "rrd", staticmethod(losses.rrd)
