"""What every method promises: finite named terms, gradients where they belong and nowhere else, refusals in words."""
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fakes

from kdjax import losses, methods
from kdjax.errors import UserError
from kdjax.methods import ALIASES, METHODS

PAIRS = {"same": (fakes.SMALL, fakes.SAME), "cross": (fakes.SMALL, fakes.OTHER)}
EQUAL_SHAPES_ONLY = {"fsp", "kdsvd", "ega"}
OWN_TERM = sorted(set(METHODS) - {"vanilla", "kd", "ab", "fsp"})
CASES = [(name, pair) for name in OWN_TERM for pair in PAIRS if not (pair == "cross" and name in EQUAL_SHAPES_ONLY)]
STUDENT_TAPS = {  # the features whose change changes the term
    "at": {"maps"}, "fitnet": {"maps"}, "ft": {"maps"}, "kdsvd": {"maps"}, "nst": {"maps"}, "semckd": {"maps"},
    "simkd": {"maps"}, "sp": {"maps"}, "vid": {"maps"}, "ickd": {"pre_pool"}, "sdd": {"pre_pool"},
    "cat_kd": {"pre_pool"},
    "ofd": {"preact"}, "reviewkd": {"maps", "embedding"},
    **dict.fromkeys(("dkd", "wsld", "dist", "lskd", "mlkd", "ctkd", "nkd", "ttm", "wttm", "rld"), {"logits"})}


def build(name, pair="same", **options):
    return METHODS[name](*PAIRS[pair], fakes.config(**options))


def grads(method, loss_of):
    """(terms, gradients of the adapters, gradients of the student's output) of the sum of loss_of(ctx)'s terms."""
    adapters, teacher = fakes.variables(method), fakes.output(method.teacher, 1)

    def total(params, student):
        given = {k: {"params": params[k], "batch_stats": v["batch_stats"]} for k, v in adapters.items()}
        terms = loss_of(fakes.context(method, given, student, teacher))
        return sum(terms.values()), terms

    params = {k: v["params"] for k, v in adapters.items()}
    f = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))
    (of_adapters, of_student), terms = f(params, fakes.output(method.student, 0))
    return terms, of_adapters, of_student


def size(tree):
    return sum(float(jnp.abs(x).sum()) for x in jax.tree.leaves(tree))


@pytest.mark.parametrize(("name", "pair"), CASES)
def test_terms_are_finite_and_gradients_reach_what_is_trained_and_nothing_else(name, pair):
    method = build(name, pair)
    memory = fakes.memory(method)
    terms, of_adapters, of_student = grads(method, lambda ctx: method.loss(ctx, memory)[0])
    assert all(v.shape == () and np.isfinite(v) for v in terms.values())
    assert set(method.term_weights) <= set(terms)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((of_adapters, of_student)))
    trained = {k for k, g in of_adapters.items() if size(g) > 0}
    assert trained == set(method.adapters) - method.frozen
    features = of_student.features
    touched = {k for k in ("maps", "preact", "embedding", "pre_pool") if size(getattr(features, k))}
    assert touched | ({"logits"} if size(of_student.logits) else set()) == STUDENT_TAPS.get(name, {"embedding"})


@pytest.mark.parametrize("name", sorted(n for n in METHODS if n not in ("vanilla",)))
def test_a_loss_keeps_the_form_of_its_memory_and_its_statistics(name):
    method = build(name)
    adapters, outs = fakes.variables(method), (fakes.output(method.student, 0), fakes.output(method.teacher, 1))
    memory = fakes.memory(method)

    def after(memory):
        ctx = fakes.context(method, adapters, *outs)
        _, memory = method.loss(ctx, memory)
        return memory, ctx.adapt.batch_stats

    new, stats = jax.eval_shape(after, memory)
    form = lambda tree: jax.tree.map(lambda x: (x.shape, x.dtype), tree)
    assert form(new) == form(memory)
    assert form(stats) == form({k: v["batch_stats"] for k, v in adapters.items()})
    assert method.has_memory == bool(memory)


@pytest.mark.parametrize(("name", "pair"), [("ab", "same"), ("ab", "cross"), ("ft", "cross"), ("fsp", "same")])
def test_a_pre_stage_trains_its_own_adapters_and_the_trunk_or_nothing(name, pair):
    method = build(name, pair)
    (stage,) = method.stages
    terms, of_adapters, of_student = grads(method, stage.loss)
    assert all(np.isfinite(v) for v in terms.values())
    assert {k for k, g in of_adapters.items() if size(g) > 0} == set(stage.adapters)
    assert (size(of_student) > 0) == (stage.student == "trunk")


def test_ab_and_fsp_have_no_term_in_the_main_stage_and_ab_has_a_connector_only_where_shapes_differ():
    assert build("ab").loss(None, {}) == ({}, {}) and build("fsp").loss(None, {}) == ({}, {})
    assert build("ab").adapters == {} and build("ab", "cross").frozen == {"connector"}


def test_ft_trains_its_paraphraser_at_the_released_rate():
    assert build("ft").stages[0].lr == 0.01
    other = METHODS["ft"](fakes.OTHER, fakes.OTHER, fakes.config())
    assert other.stages[0].lr is None


@pytest.mark.parametrize(("name", "shapes"), [("fsp", "(4, 4, 6)"), ("kdsvd", "(2, 2, 10)"), ("ega", "(10,)")])
def test_a_pair_that_cannot_be_served_is_refused_with_its_shapes(name, shapes):
    with pytest.raises(UserError, match="cannot distil vgg_t into resnet_s") as error:
        build(name, "cross")
    assert shapes in str(error.value)


@pytest.mark.parametrize(("name", "options", "says"), [
    ("fitnet", {"hint": {"layer": 3}}, "use 0 to 2"),
    ("vid", {"vid": {"regressor": "rlu"}}, "'relu' or 'linear'"),
    ("crd", {"crd": {"mode": "exat"}}, "'exact' or 'relax'"),
    ("crd", {"crd": {"memory": "fifo"}}, "'bank' or 'queue'"),
    ("crd", {"crd": {"enqueue": "never"}}, "'before' or 'after'"),
    ("crd", {"crd": {"num_negatives": 0}}, "too small"),
    ("crd", {"crd": {"memory": "queue", "queue_size": 20}}, "multiple of the 8 images"),
    ("rrd", {"rrd": {"variant": "old"}}, "'seed' .* or 'newest'"),
    ("rrd", {"rrd": {"queue_size": 4}}, "multiple of the 8 images"),
])
def test_wrong_options_are_refused_with_the_right_ones(name, options, says):
    with pytest.raises(UserError, match=says):
        build(name, **options)


@pytest.mark.parametrize("name", ["rrd", "semckd"])
def test_methods_that_need_whole_batches_refuse_a_smaller_last_one(name):
    config = fakes.config()
    config.data.drop_last = False
    with pytest.raises(UserError, match="drop_last=True"):
        METHODS[name](*PAIRS["same"], config)


def test_dkd_grows_over_its_warm_up_epochs():
    method = build("dkd", dkd={"warmup_epochs": 4})
    outs = fakes.output(fakes.SMALL, 0), fakes.output(fakes.SAME, 1)
    at = lambda epoch: method.loss(fakes.context(method, {}, *outs, {"epoch": jnp.float32(epoch)}), {})[0]["dkd"]
    whole = losses.dkd(outs[0].logits, outs[1].logits, fakes.batch().labels)
    np.testing.assert_allclose([at(1), at(4), at(9)], [whole / 4, whole, whole], rtol=1e-6)


def test_simkd_is_evaluated_through_its_projector_and_the_teachers_head():
    method = build("simkd", "cross")
    adapters, student = fakes.variables(method), fakes.output(fakes.SMALL, 0)
    ctx = fakes.context(method, adapters, student, None, train=lambda name: False)
    logits = method.predict(ctx)
    assert logits.shape == (fakes.B, fakes.CLASSES)
    projected, _ = method.adapters["projector"].apply(adapters["projector"], student.features.maps[-1], train=False)
    np.testing.assert_allclose(logits, ctx.teacher_head(projected.mean((1, 2))), rtol=1e-5)


def test_the_authors_vid_has_linear_branches_and_its_released_starting_variance():
    method = build("vid", vid={"regressor": "linear", "eps": 0.0})
    adapters = fakes.variables(method)
    np.testing.assert_allclose(jax.nn.softplus(adapters["0"]["params"]["variance_param"]), 5.0134, rtol=1e-4)
    assert set(adapters["0"]["params"]["branch"]) == {"0", "1"}


def test_every_method_tells_paper_year_and_taps_and_every_original_flag_is_known():
    for name, method in METHODS.items():
        assert method.name == name and method.taps
        assert name == "vanilla" or (method.paper and 2015 <= method.year <= 2025)
    flags = ["kd", "hint", "attention", "similarity", "correlation", "vid", "crd", "kdsvd", "fsp", "rkd", "pkt",
             "abound", "factor", "nst", "itrd", "ickd", "dcd", "icd", "rrd", "rcd", "ega", "semckd", "srrl", "simkd"]
    assert {methods.canonical(flag) for flag in flags} <= set(METHODS)
    assert set(ALIASES.values()) <= set(METHODS)
    with pytest.raises(UserError, match="did you mean similarity"):
        methods.canonical("similarty")


ADAPTERS = {"fitnet": {"regress_s"}, "cc": {"embed_s", "embed_t"}, "vid": {"0", "1"}, "crd": {"embed_s", "embed_t"},
            "ab": {"connector"}, "ft": {"paraphraser", "translator"}, "itrd": {"embed"}, "ickd": {"embed_s"},
            "dcd": {"params", "embed_s", "embed_t"}, "rrd": {"embed_s", "embed_t"}, "ofd": {"connector"}}


def test_adapters_carry_the_originals_names_so_that_their_weights_can_be_renamed_in():
    assert {name: set(build(name, "cross").adapters) for name in ADAPTERS} == ADAPTERS
    assert build("rrd").frozen == {"embed_t"} and build("ft").frozen == {"paraphraser"}
