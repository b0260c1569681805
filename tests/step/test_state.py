"""The state in its form for checkpoints: comes back as it was, and from nothing else."""
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kdjax.errors import UserError
from kdjax.step.metrics import no_metrics
from kdjax.step.state import TrainState, from_tree, to_tree, trainable


def state(classes=3, value=1.0) -> TrainState:
    net = {"fc": {"kernel": jnp.full((4, classes), value)}}
    made = TrainState(jnp.zeros((), jnp.int32), {"student": net}, {"student": {"bn": {"mean": jnp.ones(4)}}},
                      {"crd": {"embed": {"params": {"bias": jnp.ones(2)}, "batch_stats": {}}}},
                      {"crd": {"bank": jnp.ones((5, 2))}}, {"slow": {"params": net, "batch_stats": {}}})
    return made._replace(opt=optax.trace(0.9).init(trainable(made)), metrics=no_metrics(["ce"]))


def host(tree):
    return {k: host(v) for k, v in tree.items()} if isinstance(tree, dict) else np.asarray(tree)


def test_a_state_comes_back_from_its_tree():
    back = from_tree(state(value=0.0), host(to_tree(state())))
    assert float(back.params["student"]["fc"]["kernel"].sum()) == 12 and back.ema["slow"]["params"]["fc"]
    assert host(to_tree(back)).keys() == to_tree(state()).keys()


@pytest.mark.parametrize(("path", "change", "says"), [
    ("params/student/fc/kernel", lambda x: x[:, :2], r"params/student/fc/kernel is float32 \[4, 2\], not float32 \[4,"),
    ("params/student/fc/kernel", lambda x: x.astype(np.float16), r"is float16 \[4, 3\], not float32"),
    ("memory/crd/bank", lambda x: x[:4], r"memory/crd/bank is float32 \[4, 2\]"),
    ("opt/trace/student/fc/kernel", lambda x: x.T, r"opt/trace/student/fc/kernel is float32 \[3, 4\]"),
    ("params/adapters/crd/embed/bias", lambda x: None, "embed/bias is absent, not float32"),
    ("batch_stats/student/bn/more", lambda x: np.zeros(1), "bn/more is float32|bn/more is float64"),
    ("ema/slow/params/fc/kernel", lambda x: x[:1], "ema/slow/params/fc/kernel is")])
def test_a_tree_of_other_shapes_types_or_names_is_refused_with_the_first_difference(path, change, says):
    tree = host(to_tree(state()))
    *parents, last = path.split("/")
    node = tree
    for name in parents:
        node = node[name]
    if (changed := change(node.get(last))) is None:
        del node[last]
    else:
        node[last] = changed
    with pytest.raises(UserError, match=says):
        from_tree(state(), tree)


def test_counters_of_before_the_weight_are_understood():
    tree = host(to_tree(state()))
    old = {k: v for k, v in tree["metrics"].items() if k != "weight"} | {
        "sums": {"ce": np.float32(6)}, "steps": np.float32(3), "skipped": np.float32(1), "images": np.float32(64)}
    got = from_tree(state(), tree | {"metrics": old}).metrics
    assert (float(got["weight"]), float(got["sums"]["ce"])) == (48, 96) and got["weight"].dtype == np.float32


@pytest.mark.parametrize("images", [0.0, 64.0])
def test_what_an_older_checkpoint_did_not_count_is_unknown_unless_its_epoch_has_not_begun(images):
    tree = host(to_tree(state()))
    old = {k: v for k, v in tree["metrics"].items() if k != "watched"} | {"images": np.float32(images)}
    got = from_tree(state(), tree | {"metrics": old}).metrics["watched"]
    assert set(got) == {"weighted_ce", "gradient_norm"} and all(np.isnan(v) == bool(images) for v in got.values())
