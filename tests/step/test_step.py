"""A step by hand: what is weighed by what, who is trained when, what replicas average, what a skipped step changes."""
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kdjax.methods.base import Method, Stage
from kdjax.step import objective as objectives
from kdjax.step.context import Batch
from kdjax.step.metrics import no_metrics
from kdjax.step.objective import Objective
from kdjax.step.optimizer import partition
from kdjax.step.state import TrainState, trainable
from kdjax.step.update import apply_gradients, gradients, replicated_gradients, update
from tests.step.toy import CLASSES, Pull, Toy, frozen, task

B = 8


def state_of(the_task, objective=None) -> TrainState:
    net = Toy().init(jax.random.key(0))
    adapters = {m: {a: f.init(None) for a, f in method.adapters.items()} for m, method in the_task.methods.items()}
    state = TrainState(jnp.zeros((), jnp.int32), {"student": net["params"]}, {"student": net["batch_stats"]}, adapters,
                       {m: {} for m in the_task.methods})
    if objective is not None:
        state = state._replace(opt=objective.tx.init(partition(trainable(state), objective.trains)[0]))
    return state._replace(metrics=no_metrics(["ce"]))


def batch(n=B, seed=1) -> Batch:
    images = jax.random.normal(jax.random.key(seed), (n, 2, 2, 3))
    return Batch({"x": images}, jnp.arange(n) % CLASSES, jnp.arange(n), jnp.ones(()))


def close(a, b, tolerance=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=tolerance, atol=1e-6), a, b)


def differ(a, b) -> bool:
    return any(not np.allclose(x, y, atol=1e-4) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b)))


# ---------------------------------------------------------------- the sum

def seen(the_task, given=None, **kwargs):
    objective = Objective(the_task, optax.sgd(0.1))
    return gradients(objective, state_of(the_task), frozen(**kwargs), given or batch())[1]


def test_the_total_is_gamma_ce_plus_alpha_kl_plus_beta_times_weight_times_the_terms_own():
    terms = {name: float(value) for name, value in seen(task()).terms.items()}
    assert set(terms) == {"total", "ce", "kl", "pull.near", "pull.far"}
    by_hand = (0.3 * terms["ce"] + 0.7 * terms["kl"] + 2.0 * 0.5 * (terms["pull.near"] + 3.0 * terms["pull.far"]))
    assert terms["total"] == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize(("change", "share"), [
    ({"weight": 1.5}, {"pull.near": 3.0, "pull.far": 9.0}), ({"beta": 0.0}, {"pull.near": 0.0, "pull.far": 0.0}),
    ({"gamma": 4.0}, {"ce": 4.0}), ({"alpha": 5.0}, {"kl": 5.0})])
def test_every_weight_reaches_its_own_terms(change, share):
    usual = {"ce": 0.3, "kl": 0.7, "pull.near": 1.0, "pull.far": 3.0}
    terms = {name: float(value) for name, value in seen(task(**change)).terms.items()}
    assert terms["total"] == pytest.approx(sum(w * terms[n] for n, w in (usual | share).items()), rel=1e-5)


def test_without_alpha_the_kl_term_is_not_there():
    assert "kl" not in seen(task(alpha=0.0)).terms


def test_the_terms_are_the_batch_s_own_ce_and_kl():
    got, held = seen(task()).terms, frozen()["teacher"]
    student, _ = Toy().apply(Toy().init(jax.random.key(0)), batch().inputs["x"], True)
    teacher, _ = Toy().apply(held, batch().inputs["x"], False)
    log_s, log_t = (jax.nn.log_softmax(o.logits / 2) for o in (student, teacher))
    np.testing.assert_allclose(got["kl"], 4 * jnp.sum(jnp.exp(log_t) * (log_t - log_s)) / B, rtol=1e-4)
    own = jnp.take_along_axis(jax.nn.log_softmax(student.logits), batch().labels[:, None], 1)
    np.testing.assert_allclose(got["ce"], -own.mean(), rtol=1e-5)


# ---------------------------------------------------------------- several teachers

def test_several_teachers_are_averaged_in_probability_at_the_temperature_and_show_the_first_ones_features():
    the_task, given = task(teachers=3), batch()
    ctx, _ = objectives.look(the_task, state_of(the_task), frozen(3), given)
    alone = {n: Toy().apply(v, given.inputs["x"])[0] for n, v in frozen(3).items()}
    mean = jnp.mean(jnp.stack([jax.nn.softmax(o.logits / 2.0) for o in alone.values()]), axis=0)
    np.testing.assert_allclose(jax.nn.softmax(ctx.teacher.logits / 2.0), mean, rtol=1e-5)
    np.testing.assert_allclose(ctx.teacher.logits, 2.0 * jnp.log(mean), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(ctx.teacher.features.embedding, alone["teacher"].features.embedding)


def test_one_teacher_is_itself_and_none_of_them_is_trained():
    the_task = task()
    ctx, _ = objectives.look(the_task, state_of(the_task), frozen(), batch())
    np.testing.assert_array_equal(ctx.teacher.logits, Toy().apply(frozen()["teacher"], batch().inputs["x"])[0].logits)
    grads, _ = gradients(Objective(the_task, optax.sgd(0.1)), state_of(the_task), frozen(), batch())
    assert set(grads) == {"student", "adapters"}


# ---------------------------------------------------------------- what is deployed

class Deployed(Pull):
    def predict(self, ctx):
        return 2 * ctx.student.logits


def test_what_is_evaluated_is_the_method_s_where_it_adds_something_and_the_student_s_else():
    images, state = batch().inputs["x"], state_of(task())
    logits = Toy().apply(state.net("student"), images)[0].logits
    np.testing.assert_array_equal(objectives.predict(task(), state, frozen(), images), logits)
    np.testing.assert_array_equal(objectives.predict(task(method=Deployed), state, frozen(), images), 2 * logits)
    assert Deployed.predict is not Method.predict


# ---------------------------------------------------------------- who is trained

STAGES = [(Stage("first", None, ("own",)), {"adapters/pull/own"}, (False, True, False)),
          (Stage("first", None, ("given",), "trunk"), {"adapters/pull/given", "student/stem"}, ("trunk", False, True)),
          (None, {"adapters/pull/own", "student/stem", "student/fc"}, (True, True, False))]


@pytest.mark.parametrize(("stage", "trained", "modes"), STAGES)
def test_a_stage_trains_and_follows_exactly_what_it_names(stage, trained, modes):
    objective = Objective(task(), optax.sgd(0.1), stage, "pull" if stage else "")
    every = {"student/stem": ("student", "stem", "kernel"), "student/fc": ("student", "fc", "kernel"),
             "adapters/pull/own": ("adapters", "pull", "own", "factor"),
             "adapters/pull/given": ("adapters", "pull", "given", "factor")}
    assert {name for name, path in every.items() if objective.trains(path)} == trained
    adapters = [objective.adapter_mode("pull", name) for name in ("own", "given")]
    assert (objective.mode("student"), *adapters) == modes and objective.mode("teacher") is False


def test_a_pre_stage_leaves_other_methods_adapters_alone():
    objective = Objective(task(), optax.sgd(0.1), Stage("first", None, ("own",)), "other")
    assert not objective.trains(("adapters", "pull", "own", "factor"))


# ---------------------------------------------------------------- replicas

def halves():
    """(what two replicas give, what each half gives alone)."""
    the_task, whole = task(), batch()
    objective = Objective(the_task, optax.sgd(0.1))
    state, held = state_of(the_task), frozen()
    part = lambda rows: jax.tree.map(lambda x: x[rows] if x.ndim else x, whole)
    alone = [gradients(objective, state, held, part(rows)) for rows in (slice(0, 4), slice(4, 8))]
    return replicated_gradients(objective, state, held, whole, None, 2), alone


def test_replicas_average_gradients_and_terms_and_keep_the_first_one_s_statistics():
    (grads, got), ((grads_0, got_0), (grads_1, got_1)) = halves()
    mean = lambda a, b: jax.tree.map(lambda x, y: (x + y) / 2, a, b)
    close(grads, mean(grads_0, grads_1))
    close(got.terms, mean(got_0.terms, got_1.terms))
    close(got.stats, got_0.stats)
    close(got.logits, jnp.concatenate([got_0.logits, got_1.logits]))
    assert differ(grads_0, grads_1) and differ(got_0.stats, got_1.stats)


def test_every_replica_draws_its_own():
    the_task = task()
    objective = Objective(the_task, optax.sgd(0.1))
    args = (objective, state_of(the_task), frozen(), batch())
    split = jax.random.split(jax.random.key(5), 2)
    noise = [float(Pull().draw(jax.random.fold_in(k, 0), batch(4))["noise"].mean()) for k in split]
    with_draws = replicated_gradients(*args, jax.random.key(5), 2)[1].terms["pull.far"]
    without = replicated_gradients(*args, None, 2)[1].terms["pull.far"]
    assert float(with_draws - without) == pytest.approx(sum(noise) / 2, abs=1e-5)


# ---------------------------------------------------------------- skipped steps

def stepped(skip: bool, spoil=lambda grads: grads, terms=None):
    objective = Objective(task(), optax.sgd(0.1, momentum=0.9), skip_bad_steps=skip)
    state = state_of(objective.task, objective)
    grads, got = gradients(objective, state, frozen(), batch())
    got = got._replace(terms=got.terms | (terms or {}))
    new, finite, norm = apply_gradients(objective, state, spoil(grads), got)
    assert np.array_equal(norm, optax.global_norm(spoil(grads)), equal_nan=True)
    return state, new, finite


def test_a_good_step_moves_parameters_statistics_and_momentum():
    for skip in (False, True):
        state, new, finite = stepped(skip)
        assert all(map(bool, finite.values())) and int(new.step) == 1
        for part in ("params", "stats", "adapters", "opt"):
            assert differ(getattr(state, part), getattr(new, part)), part


@pytest.mark.parametrize("bad", [{"terms": {"kl": jnp.asarray(jnp.nan)}}, {"terms": {"ce": jnp.asarray(jnp.inf)}},
                                 {"spoil": lambda g: jax.tree.map(lambda x: x.at[(0,) * x.ndim].set(jnp.nan), g)}])
def test_a_bad_step_that_is_skipped_changes_nothing_but_the_step(bad):
    state, new, finite = stepped(True, **bad)
    assert not all(map(bool, finite.values())) and int(new.step) == 1
    close(new._replace(step=state.step), state)
    _, spoilt, _ = stepped(False, **bad)
    assert differ(spoilt.params, state.params)


def test_an_update_hands_out_terms_logits_and_health():
    objective = Objective(task(), optax.sgd(0.1))
    state = state_of(objective.task, objective)
    new, terms, logits, finite = update(objective, state, frozen(), batch())
    assert int(new.step) == 1 and logits.shape == (B, CLASSES) and set(finite) == {*terms, "gradient"}
