"""Prototypical relations (DS-SRD): the student stands to clusters of the teacher's features as a reference does."""
import jax
import jax.numpy as jnp

from kdjax import losses
from kdjax.errors import UserError
from kdjax.methods import adapters
from kdjax.methods.base import Method, feature_shape, refuse
from kdjax.methods.memories import prototypes

REFERENCES = ("teacher", "self_view", "ema_student")


class Proto(Method):
    """From `proto.start_epoch` on; until then the term is 0.

    The teacher's features of the whole training set are clustered, once for each of `proto.num_clusters`; a batch is
    compared with its own images' centres and with `proto.num_negatives` others. `proto.reference`: whose relations the
    student imitates: the teacher's (the augmentation program, and the only one that distils), the student's own on a
    strong view (version 1 of the release), or those of an average of the student (version 2).

    Differences from the release, each behind an option: features are normalised before k-means (`legacy_halving`); the
    clustering of a frozen teacher is computed once (`recluster_every=1`); the reference is detached (`detach_ref`);
    every cluster may be a negative (the release never draws the last).
    """

    name, paper, year, taps, has_memory = "proto", "DS-SRD release", 2021, "embedding", True

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        self.options = o = config.method.proto
        self.own_weight = o.weight
        if o.reference not in REFERENCES:
            raise UserError(f"config.method.proto.reference={o.reference!r} is unknown; use one of "
                            f"{', '.join(REFERENCES)}")
        self.clusters = tuple(int(k) for k in o.num_clusters)
        if not self.clusters or min(self.clusters) < 2:
            raise UserError(f"config.method.proto.num_clusters={self.clusters} must name clusterings of 2 or more")
        self.views = () if o.reference == "teacher" else ("strong",)
        self.align(student, teacher)
        if o.reference == "ema_student":
            self.followers = {"ema_student": dict(follows="student", decay=o.ema_decay, followed=o.ema_bn,
                                                  source="" if o.ema_init == "copy" else "fresh")}

    def align(self, student, teacher):
        """Both widths must agree, unless a learned map takes the student's to the teacher's."""
        widths = [net.num_classes if self.options.tap == "logits" else feature_shape(net, "embedding")[0]
                  for net in (student, teacher)]
        self.width = widths[1]
        if self.options.align == "linear":
            self.adapters = {"align": adapters.linear_embed(*widths)}
        elif widths[0] != widths[1]:
            raise refuse("proto", student, teacher, "the features differ in width; --config.method.proto.align=linear "
                         "learns a map, --config.method.proto.tap=logits compares logits", widths)

    def init_memory(self, key, labels):
        if max(self.clusters) > len(labels):
            raise UserError(f"config.method.proto.num_clusters asks for {max(self.clusters)} clusters of "
                            f"{len(labels)} training images; lower it")
        return prototypes.empty(len(labels), self.width, self.clusters)

    def at_epoch(self, look, memory):
        o = self.options
        due = look.epoch >= o.start_epoch and (not bool(memory["ready"]) or (
            o.recluster_every and (look.epoch - o.start_epoch) % o.recluster_every == 0))
        if not due:
            return memory
        features = look.features("teacher", "logits" if o.tap == "logits" else "embedding")
        return prototypes.cluster(features, self.clusters, look.key, temperature=o.temperature,
                                  halve=o.legacy_halving, num_iters=o.num_iters, restarts=o.restarts)

    def draw(self, key, batch):
        """For each clustering a score a cluster; the negatives are the highest of those that may be drawn."""
        return {f"score_{i}": jax.random.gumbel(jax.random.fold_in(key, i), (k,), jnp.float32)
                for i, k in enumerate(self.clusters)}

    def loss(self, ctx, memory):
        o = self.options
        negatives = [prototypes.negatives(ctx.draws[f"score_{i}"], memory[f"assign_{i}"][ctx.index], o.num_negatives)
                     for i in range(len(self.clusters))]
        columns = prototypes.columns(memory, ctx.index, negatives)
        u_s, u_ref = self.tap(ctx, ctx.student), self.reference(ctx)
        loss = losses.prototype_relation(u_s, u_ref, columns.prototypes, columns.density, present=columns.present,
                                         temperature=self.config.loss.kd_temperature)
        return {self.name: jnp.where(memory["ready"], loss, 0.0)}, memory

    def reference(self, ctx):
        """[B, D] of whom the student shall resemble."""
        if self.options.reference == "teacher":
            return self.vector(ctx.teacher)
        if self.options.reference == "ema_student":
            return jax.lax.stop_gradient(self.tap(ctx, ctx.forward("ema_student", "strong")))
        own = self.tap(ctx, ctx.forward("student", "strong"))
        return jax.lax.stop_gradient(own) if self.options.detach_ref else own

    def tap(self, ctx, out):
        """A student's vector, in the teacher's width."""
        return ctx.adapt("align", self.vector(out)) if self.adapters else self.vector(out)

    def vector(self, out):
        return out.logits if self.options.tap == "logits" else out.features.embedding
