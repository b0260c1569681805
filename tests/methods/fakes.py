"""Networks that are only shapes, and outputs that are only noise: what a method sees, without anything to compile."""
import functools
import typing

import jax
import jax.numpy as jnp

from kdjax.config import default
from kdjax.methods.base import Adapt
from kdjax.models import Features, Output
from kdjax.step.context import Batch, Context

B, N, CLASSES = 8, 60, 5


class FakeNetwork(typing.NamedTuple):
    """What methods ask of a Network: name, classes, and the shapes of its features."""

    name: str
    num_classes: int
    feature_shapes: Features
    preact_norms: tuple = (("norms", "0"), ("norms", "1"))  # behind the pre-activations of both stages


def network(name, maps, embedding):
    return FakeNetwork(name, CLASSES, Features(maps, maps, (embedding,), maps[-1]))


SMALL = network("resnet_s", ((8, 8, 4), (8, 8, 4), (4, 4, 6)), 6)
SAME = network("resnet_t", ((8, 8, 4), (8, 8, 4), (4, 4, 6)), 6)
OTHER = network("vgg_t", ((8, 8, 6), (4, 4, 8), (2, 2, 10)), 10)


def config(**method):
    """The defaults, at the size of these tests; method: blocks of options to update."""
    c = default()
    c.data.batch_size, c.method.feat_dim = B, 7
    c.method.crd.update({"num_negatives": 9, "queue_size": 2 * B})
    c.method.rrd.update({"num_negatives": 9, "queue_size": 2 * B})
    c.method.proto.update({"num_clusters": (4, 6), "num_negatives": 2, "align": "linear", "restarts": 1})
    for block, options in method.items():
        c.method[block].update(options)
    return c


@functools.cache
def output(net, seed):
    """Random logits and (non-negative) features of a network."""
    keys = iter(jax.random.split(jax.random.key(seed), 20))
    draw = lambda shape: jax.nn.relu(jax.random.normal(next(keys), (B, *shape)) + 0.3)
    s = net.feature_shapes
    maps = tuple(map(draw, s.maps))
    features = Features(maps, tuple(m - 0.5 for m in maps), draw(s.embedding), draw(s.pre_pool))
    return Output(jax.random.normal(next(keys), (B, net.num_classes)), features)


def labels():
    return jnp.arange(N) % CLASSES


def batch(**more):
    index = jnp.arange(B) * 3
    return Batch({}, labels()[index], index, jnp.float32(1))._replace(**more)


class Look(typing.NamedTuple):
    """What `at_epoch` sees of the training set: noise."""

    method: typing.Any
    epoch: int = 10
    key: jax.Array = jax.random.key(5)

    def features(self, net, tap="embedding", split="train"):
        return jax.random.normal(jax.random.key(6), (N, *getattr(self.method.teacher.feature_shapes, tap)))

    def labels(self, split="train"):
        return labels()


def memory(method):
    """A method's memory before a later epoch."""
    now = method.init_memory(jax.random.key(3), labels())
    for epoch in (1, 10):
        now = method.at_epoch(Look(method, epoch), now)
    return now


def variables(method):
    """Fresh variables of all adapters, in one compiled call: drawn one by one they cost a second each."""
    return jax.jit(lambda: {k: a.init(jax.random.key(i)) for i, (k, a) in enumerate(method.adapters.items())})()


def context(method, adapters, student, teacher, more=None, train=None):
    """A Context over given outputs, with the method's draws of one key. train: adapter name -> mode; all but
    `eval_mode` by default."""
    params = {k: v["params"] for k, v in adapters.items()}
    stats = {k: v["batch_stats"] for k, v in adapters.items()}
    train = train or (lambda name: name not in method.eval_mode)
    adapt, given = Adapt(method.adapters, params, stats, train), batch(**(more or {}))
    given = given._replace(draws={"it": method.draw(jax.random.key(4), given), **given.draws})
    nets, outputs = {"student": method.student, "teacher": method.teacher}, {"student": student, "teacher": teacher}
    forward = lambda net, view="x": outputs[net] if view == "x" else seen_again(outputs[net])
    return Context(forward, given, {"it": adapt}, lambda net: head(nets[net]), "it", lambda net: parameters(nets[net]))


def head(net):
    """A network's classifier, which needs no biases here."""
    kernel = jax.random.normal(jax.random.key(9), (net.feature_shapes.embedding[0], CLASSES))
    return lambda e: e @ kernel


def parameters(net):
    """What OFD looks up: the batch norms of the stages."""
    return {"norms": {str(i): {"scale": jnp.ones(shape[-1]), "bias": jnp.zeros(shape[-1])}
                      for i, shape in enumerate(net.feature_shapes.preact[1:])}}


def seen_again(output):
    """Another view of the same images."""
    return jax.tree.map(lambda x: 1.5 * x[::-1], output)
