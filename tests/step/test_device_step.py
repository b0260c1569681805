"""Which images a step of a run takes, in which views, and what it counts."""
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kdjax.config import default
from kdjax.step import device_step
from kdjax.step.metrics import no_metrics
from kdjax.step.objective import Objective
from kdjax.step.optimizer import partition, sgd
from kdjax.step.outputs import Given
from kdjax.step.state import TrainState, trainable
from kdjax.tasks import View
from tests.step.toy import CLASSES, Toy, frozen, task

N, B, STEPS = 10, 4, 3  # two full batches and a tail of two
PLACE = types.SimpleNamespace(spread=lambda x: x, replicas_of_pmap=1, axis=None, replica_mesh=None,
                              own_share=lambda draws, rows: draws)
ORDER = jnp.asarray(np.random.default_rng(0).permutation(N)[:2 * B].reshape(2, B), jnp.int32)
TAIL = jnp.asarray([[8, 1]], jnp.int32)


def data() -> dict:
    images = jnp.asarray(np.random.default_rng(1).standard_normal((N, 2, 2, 3)), jnp.float32)
    return {"images": images, "labels": jnp.arange(N) % CLASSES}


def objective() -> Objective:
    made = task()
    made.views = {"x": View(lambda key, n: jax.random.uniform(key, (n,)), lambda raw, drawn: raw + 0 * drawn[0]),
                  "x2": View(lambda key, n: jax.random.uniform(key, (n,)), lambda raw, drawn: -raw)}
    return Objective(made, optax.sgd(0.1))


def picked(step, order=ORDER, seed=0, purpose="main"):
    given = Given(jnp.asarray(seed), {})
    return device_step.pick(objective(), given, frozen(), data(), order, jnp.asarray(step), STEPS, purpose, PLACE)


@pytest.mark.parametrize(("step", "row", "epoch"), [(0, 0, 1), (1, 1, 1), (3, 0, 2), (7, 1, 3)])
def test_a_step_takes_its_row_of_the_epoch_s_order_and_knows_its_epoch(step, row, epoch):
    batch, _ = picked(step)
    np.testing.assert_array_equal(batch.index, ORDER[row])
    np.testing.assert_array_equal(batch.labels, ORDER[row] % CLASSES)
    np.testing.assert_array_equal(batch.inputs["x"], data()["images"][ORDER[row]])
    np.testing.assert_array_equal(batch.inputs["x2"], -data()["images"][ORDER[row]])
    assert float(batch.epoch) == epoch


def test_the_last_step_of_an_epoch_takes_the_only_row_of_the_tail():
    assert picked(2, TAIL)[0].index.tolist() == picked(5, TAIL)[0].index.tolist() == [8, 1]


def test_steps_seeds_stages_and_views_draw_apart_and_the_same_step_the_same():
    drawn = lambda *args, view="x", **kwargs: np.asarray(picked(*args, **kwargs)[0].draws["views"][view])
    np.testing.assert_array_equal(drawn(4), drawn(4))
    others = [drawn(5), drawn(4, seed=1), drawn(4, purpose="ft"), drawn(4, view="x2")]
    assert not any(np.allclose(drawn(4), other) for other in others)
    assert not np.array_equal(*(jax.random.key_data(picked(step)[1]) for step in (0, 1)))


def stepped(given, made):
    """(The network before step 1, the state after it, its tick)."""
    net = Toy().init(jax.random.key(0))
    adapters = {m: {a: f.init(None) for a, f in method.adapters.items()} for m, method in made.task.methods.items()}
    state = TrainState(jnp.asarray(1), {"student": net["params"]}, {"student": net["batch_stats"]}, adapters,
                       {"pull": {}})
    terms = ["total", "ce", "kl", "pull.near", "pull.far"]
    state = state._replace(opt=made.tx.init(partition(trainable(state), made.trains)[0]), metrics=no_metrics(terms))
    step = device_step.make(made, STEPS, "main", PLACE)
    return net, *step(state, frozen(), data(), ORDER, jnp.asarray([False, True]), given)


def test_a_whole_step_counts_its_images_hits_and_wishes():
    net, new, tick = stepped(Given(jnp.asarray(0), {}), objective())
    logits = Toy().apply(net, data()["images"][ORDER[1]], True)[0].logits
    assert bool(tick) and int(new.step) == 2
    assert float(new.metrics["correct"]) == int((logits.argmax(-1) == ORDER[1] % CLASSES).sum())
    assert float(new.metrics["images"]) == float(new.metrics["weight"]) == B


def test_a_step_uses_the_rate_and_the_weights_that_it_is_told():
    config = default()
    config.optim.update({"momentum": 0.0, "weight_decay": 0.0})

    def moved(**told):
        made = Objective(objective().task, sgd(config, lambda step: 0.1))
        before, after, _ = stepped(Given(jnp.asarray(0), **told), made)
        return jax.tree.map(lambda a, b: a - b, after.params["student"], before["params"])

    own, rates = moved(), jnp.asarray([0.1, 0.3])
    agree = lambda a, b: jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), a, b)
    agree(moved(rates=rates), jax.tree.map(lambda x: 3 * x, own))
    only = {"ce": jnp.ones(()), "kl": jnp.zeros(()), "pull.near": jnp.zeros(()), "pull.far": jnp.zeros(())}
    ce = moved(weights=only)
    agree(moved(weights=only | {"ce": jnp.asarray(2.0)}), jax.tree.map(lambda x: 2 * x, ce))
    assert max(float(jnp.abs(a - b).max()) for a, b in zip(jax.tree.leaves(own), jax.tree.leaves(ce))) > 1e-3
