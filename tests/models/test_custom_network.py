"""A user's own network through models.build("package.module:Class")."""
import sys
import types

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from kdjax import models
from kdjax.errors import UserError


class Small(nnx.Module):
    """Logits, a list of maps and an embedding; flax's own layers."""
    trunk = ("conv", "norm")

    def __init__(self, num_classes, image_size, rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.heads = nnx.List([nnx.Linear(4, num_classes, rngs=rngs)])

    def __call__(self, x):
        x = nnx.relu(self.norm(self.conv(x)))
        embedding = x.mean((1, 2))
        return self.classify(embedding), {"maps": [x], "embedding": embedding}

    def classify(self, embedding):
        return self.heads[0](embedding)


class LogitsOnly(nnx.Module):
    def __init__(self, num_classes, rngs):
        self.linear = nnx.Linear(3, num_classes, rngs=rngs)

    def __call__(self, x):
        return self.linear(x.mean((1, 2)))


class Told(LogitsOnly):
    def __call__(self, x, train):
        return super().__call__(x) + (1.0 if train else 0.0)


class Dropping(LogitsOnly):
    def __init__(self, num_classes, rngs):
        super().__init__(num_classes, rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)


@pytest.fixture(autouse=True)
def own_module(monkeypatch):
    module = types.ModuleType("own_networks")
    module.Small, module.LogitsOnly, module.Told, module.Dropping = Small, LogitsOnly, Told, Dropping
    module.number = 3
    monkeypatch.setitem(sys.modules, "own_networks", module)


def test_own_network_trains_and_shows_its_features():
    net = models.build("own_networks:Small", num_classes=7, image_size=8)
    variables = net.init(jax.random.key(0))
    assert set(variables["params"]["heads"]) == {"0"}
    out, stats = jax.jit(lambda v, x: net.apply(v, x, train=True))(variables, jnp.ones((2, 8, 8, 3)))
    assert out.logits.shape == (2, 7)
    assert out.features.maps[0].shape == (2, 8, 8, 4)
    assert net.feature_shapes.embedding == (4,)
    assert jnp.any(stats["norm"]["mean"] != 0)
    _, kept = jax.jit(net.apply)(variables, jnp.ones((2, 8, 8, 3)))
    assert not jnp.any(kept["norm"]["mean"])
    assert net.classify(variables, out.features.embedding).shape == (2, 7)


def test_a_call_that_takes_train_is_told_the_mode():
    net = models.build("own_networks:Told", num_classes=7, image_size=8)
    variables, images = net.init(jax.random.key(0)), jnp.ones((2, 8, 8, 3))
    trained, evaluated, trunk = (net.apply(variables, images, train=mode)[0].logits for mode in (True, False, "trunk"))
    assert jnp.allclose(trained, evaluated + 1)
    assert jnp.array_equal(trunk, evaluated)


def test_a_missing_feature_is_named_when_it_is_asked_for():
    net = models.build("own_networks:LogitsOnly", num_classes=7)
    variables = net.init(jax.random.key(0))
    out, _ = jax.jit(net.apply)(variables, jnp.ones((2, 32, 32, 3)))
    for use in (lambda: out.features.maps[1], lambda: out.features.embedding.shape,
                lambda: jnp.sum(out.features.pre_pool),
                lambda: out.features.embedding - 1.0, lambda: net.feature_shapes.preact[0],
                lambda: list(out.features.maps)):
        with pytest.raises(UserError, match="own_networks:LogitsOnly returns no features"):
            use()
    with pytest.raises(UserError, match="classify"):
        net.classify(variables, jnp.ones((2, 3)))


@pytest.mark.parametrize(("name", "why"), [
    ("own_networks:Nothing", "cannot import"), ("no_such_package:Net", "cannot import"),
    ("own_networks:number", "not a flax"),
    ("own_networks:Dropping", "Param and BatchStat")])
def test_what_cannot_be_a_network_is_refused(name, why):
    with pytest.raises(UserError, match=why):
        models.build(name, num_classes=3)
