"""The pretext task against the originals' training steps, and the properties that any of its steps must have."""
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kdjax.config import default
from kdjax.data.types import Dataset, Split
from kdjax.errors import UserError
from kdjax.methods.memories import sampling
from kdjax.run import plan
from kdjax.step import update
from kdjax.step.context import Batch
from kdjax.step.objective import Objective
from kdjax.step.optimizer import partition
from kdjax.step.state import trainable
from kdjax.tasks import pretext, pretext_build
from tests.selfsup_golden import close, load
from tests.tasks import selfsup_steps as steps

FAST = ("npair_imixup", "byol_imixup", "mocon_imixup", "dssrd_byol_imixup")
CASES = [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in steps.FILES]


@pytest.mark.parametrize("name", CASES)
def test_training_steps_equal_the_originals_in_float64(name):
    data, meta = load(f"step_{name}")
    with jax.enable_x64(True):
        for what, got, want in steps.Case(data, meta).differences("f64"):
            close(got, np.asarray(want), "f64"), what


@pytest.fixture(scope="module")
def joint():
    """DS-SRD's BYOL branch on made-up data, as a run builds it: (task, objective, state, batch)."""
    return built("byol")


def built(method, **ssl):
    """A small pretext task from a config, with a first state and one batch of random views."""
    config = default()
    config.program, config.student.name = "pretext", "ssl_mlp3_w1_plain"
    config.ssl.update({"method": method, "strong": "imix_mlp5_w1_plain", "queue_size": 16, "dim": 8, **ssl})
    config.ssl.crd.num_negatives, config.method.feat_dim, config.data.batch_size = 5, 8, 8
    config.ssl.pred = "mlpbn1" if method == "byol" else "none"
    rows, labels = np.zeros((24, 6), np.float32), (np.arange(24) % 3).astype(np.int32)
    data = Dataset("made up", Split(rows, labels), Split(rows, labels), None, 3, 6, (0.0,), (1.0,), 6)
    task = pretext_build.build(config, data, {})
    objective = Objective(task, optax.sgd(0.1))
    state = plan.first_state(config, task, labels)
    state = state._replace(step=jnp.zeros((), jnp.int32),
                           opt=objective.tx.init(partition(trainable(state), objective.trains)[0]))
    views = {name: jax.random.normal(jax.random.key(i), (8, 6)) for i, name in enumerate(("x", "x2"))}
    batch = Batch(views, jnp.asarray(labels[:8]), jnp.arange(8), jnp.ones(()))
    return types.SimpleNamespace(task=task, objective=objective, state=state, batch=batch)


def gradients(case, **changed):
    options = case.task.options._replace(**changed)
    case.task.options = options
    try:
        return jax.jit(lambda s: update.gradients(case.objective, s, {}, case.batch, jax.random.key(3)))(case.state)
    finally:
        case.task.options = case.task.pieces.options


def norm(tree):
    return float(optax.global_norm(tree))


def test_the_strong_student_does_not_feel_beta_and_the_weak_one_is_linear_in_it(joint):
    none, one, two = (gradients(joint, beta=beta)[0] for beta in (0.0, 1.0, 2.0))
    same = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), one["online"], two["online"])
    assert max(jax.tree.leaves(same)) < 1e-6 < norm(one["online"])
    assert norm(none["weak"]) == 0 < norm(one["weak"])
    np.testing.assert_allclose(norm(two["weak"]), 2 * norm(one["weak"]), rtol=1e-5)


def test_only_rows_that_were_seen_change_and_they_have_unit_length(joint):
    _, seen = gradients(joint)
    before, after = joint.state.memory["ssl"], seen.memory["ssl"]
    for bank in ("bank_s", "bank_t"):
        np.testing.assert_array_equal(after[bank][8:], before[bank][8:])
        np.testing.assert_allclose(np.linalg.norm(after[bank][:8], axis=1), 1, rtol=1e-5)
    assert before["norm_s"] == -1 < 0 < after["norm_s"] and after["step"] == 1


def test_crds_embeddings_learn_unless_told_not_to(joint):
    assert norm(gradients(joint)[0]["adapters"]["ssl"]["embed_s"]) > 0
    frozen = built("byol", crd={**default().ssl.crd, "train_embed": False})
    assert not frozen.task.trains(("adapters", "ssl", "embed_s", "kernel"))


def test_the_target_is_moved_towards_the_online_network_before_it_looks():
    case = built("byol", ema=0.0)
    online = case.state.params["online"]
    moved = jax.tree.map(lambda x: x + 1, case.state.ema["target"]["params"])
    case.state = case.state._replace(ema={"target": {**case.state.ema["target"], "params": moved}})
    _, seen = gradients(case)
    same = jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), seen.ema["target"]["params"], online)
    assert all(jax.tree.leaves(same))


def test_shuffled_keys_change_nothing_where_batch_norm_sees_the_whole_batch():
    case = built("mocon")
    draws = case.task.draw(jax.random.key(5), case.batch)
    plain = case.batch._replace(draws=draws)
    order = jnp.asarray([3, 1, 7, 0, 2, 6, 5, 4])
    mixed = case.batch._replace(draws={"ssl": {"0": {**draws["ssl"]["0"], "shuffle": order}}})
    one, other = (update.gradients(case.objective, case.state, {}, batch)[1].terms for batch in (plain, mixed))
    for name in ("mocon", "infonce"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5)


def test_both_views_in_both_roles_see_the_old_queue_and_fill_it_with_all_keys():
    case = built("mocon", sym=True)
    _, seen = gradients(case)
    before, after = case.state.memory["ssl"], seen.memory["ssl"]
    assert after["ptr"] == 0 and (np.asarray(after["queue"]) != np.asarray(before["queue"])).all(1).all()


@pytest.mark.parametrize("method", ["npair", "moco", "mocon", "byol"])
def test_every_method_trains_a_weak_student_with_and_without_mixing(method):
    for imix in ("none",) if method == "moco" else ("none", "imixup"):
        case = built(method, imix=imix)
        grads, seen = gradients(case)
        assert all(np.isfinite(float(v)) for v in seen.terms.values())
        assert norm(grads["weak"]) > 0 < norm(grads["online"])


@pytest.mark.parametrize(("fields", "say"), [
    ({"method": "moco", "imix": "imixup"}, "use mocon"), ({"method": "byol", "imix": "icutmix"}, "no box"),
    ({"method": "mocon", "queue_size": 4}, "smaller than the 8 keys"),
    ({"method": "byol", "bn_groups": 3}, "does not divide")])
def test_what_cannot_be_computed_is_refused_in_a_sentence(fields, say):
    with pytest.raises(UserError, match=say):
        built(**fields)


def test_uniform_negatives_never_are_the_image_itself_and_reach_every_other():
    rows = np.asarray(pretext.uniform_contrast(jax.random.key(0), jnp.arange(4), 5, 400))
    for i, own in enumerate(rows):
        assert own[0] == i and set(own[1:].tolist()) == set(range(5)) - {i}


def test_other_class_negatives_share_no_label():
    labels = jnp.asarray([0, 1, 2, 1, 0, 2, 2, 1])
    table = sampling.class_table(labels, 3)
    rows = np.asarray(pretext.others_contrast(jax.random.key(0), jnp.arange(8), labels, table, 200))
    for i, own in enumerate(rows):
        assert own[0] == i and set(own[1:].tolist()) == {j for j in range(8) if labels[j] != labels[i]}
