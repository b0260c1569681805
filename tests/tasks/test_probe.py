"""The probe of a frozen network against the originals' twenty steps (golden/transfer), and what it must leave alone."""
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import models
from kdjax.config import default
from kdjax.step import schedules, update
from kdjax.step.context import Batch
from kdjax.step.objective import Objective, predict
from kdjax.step.optimizer import partition, sgd
from kdjax.step.state import TrainState, trainable
from kdjax.tasks.probe import Probe
from kdjax.weights.torch.naming import from_state_dict, to_state_dict, torch_shapes
from tests.models.model_golden import draw, golden_file

CASES = [pytest.param("resnet8", "train"), *(pytest.param(*case, marks=pytest.mark.slow) for case in (
    ("resnet8", "eval"), ("wrn_16_1", "eval"), ("wrn_16_1", "train")))]


class Case:
    """One golden probe: its task, images and the optimizer of `protocol=distillers`, in float64."""

    def __init__(self, network: str, bn_mode: str):
        read = lambda name: np.load(golden_file(f"transfer/{name}"), allow_pickle=False)
        self.data, self.want = read("probe_data"), read(f"probe_{network}_{bn_mode}")
        self.meta, self.own = (json.loads(str(d["meta"])) for d in (self.data, self.want))
        m, config = self.meta, default()
        config.train.epochs, config.optim.lr, config.optim.weight_decay = m["epochs"], m["lr"], m["weight_decay"]
        config.optim.schedule.update({"kind": "step", "milestones": tuple(m["milestones"]), "decay": m["decay"]})
        self.net = models.build(network, num_classes=m["num_classes"])
        self.rate = schedules.learning_rate(config, len(self.want["loss"]))
        self.objective = Objective(Probe(self.net, "", None, bn_mode=bn_mode), sgd(config, self.rate))

    def start(self) -> TrainState:
        kept = {k: draw(k, shape, self.own["salt"]) for k, shape in torch_shapes(self.net).items()}
        kept |= {"fc.weight": self.want["head_weight_init"], "fc.bias": np.zeros(10)}
        found = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), from_state_dict(
            self.net, {k: np.asarray(v, np.float64) for k, v in kept.items()}))
        state = TrainState(jnp.zeros((), jnp.int32), {"student": found["params"]}, {"student": found["batch_stats"]},
                           {}, {}, {})
        owned = partition(trainable(state), self.objective.trains)[0]
        return state._replace(opt=self.objective.tx.init(owned))

    def inputs(self, which: str) -> jax.Array:
        images = jnp.asarray(self.data[f"{which}_images"].transpose(0, 2, 3, 1), jnp.float64)
        return (images / 255 - jnp.asarray(self.meta["mean"])) / jnp.asarray(self.meta["std"])

    def batches(self):
        images, labels, size = self.inputs("train"), jnp.asarray(self.data["train_labels"]), self.meta["batch_size"]
        for order in self.data["order"]:
            for rows in (order[i:i + size] for i in range(0, len(order), size)):
                yield Batch({"x": images[rows]}, labels[rows], jnp.asarray(rows))


@pytest.mark.parametrize(("network", "bn_mode"), CASES)
def test_twenty_steps_equal_the_originals_and_the_network_stays(network, bn_mode):
    same = lambda got, want: np.testing.assert_allclose(np.asarray(got), want, rtol=1e-9, atol=1e-9)
    with jax.enable_x64(True):
        case = Case(network, bn_mode)
        first, want = case.start(), case.want
        grads = jax.jit(lambda s, b: update.gradients(case.objective, s, {}, b)[0])(first, next(case.batches()))
        head = to_state_dict(case.net, {"params": {**first.params["student"], **grads["student"]},
                                        "batch_stats": first.stats["student"]}, False)
        same(head["fc.weight"], want["grad0_weight"]), same(head["fc.bias"], want["grad0_bias"])
        step, state, terms = jax.jit(lambda s, b: update.update(case.objective, s, {}, b)[:2]), first, []
        for n, batch in enumerate(case.batches()):
            same(case.rate(jnp.asarray(n)), want["lr"][n])
            state, seen = step(state, batch)
            terms.append(seen["total"])
            same(np.linalg.norm(state.params["student"]["fc"]["kernel"]), want["head_weight_norm"][n])
        same(jnp.stack(terms), want["loss"])
        after = to_state_dict(case.net, {**state.net("student")}, False)
        same(after["fc.weight"], want["head_weight"]), same(after["fc.bias"], want["head_bias"])
        for name, norm, total, few in zip(case.own["bn_names"], want["bn_norm"], want["bn_sum"], want["bn_first8"]):
            same(np.linalg.norm(after[name]), norm), same(after[name].sum(), total), same(after[name][:8], few)
        before = to_state_dict(case.net, first.net("student"), False)
        assert {k for k in after if not np.array_equal(after[k], before[k])} == {"fc.weight", "fc.bias"} | (
            set(case.own["bn_names"]) if bn_mode == "train" else set())
        logits = jax.jit(lambda s, x: predict(case.objective.task, s, {}, x))(state, case.inputs("test"))
        same(logits, want["test_logits"])
        assert 100 * np.mean(np.argmax(logits, 1) == case.data["test_labels"]) == want["test_top1"]
