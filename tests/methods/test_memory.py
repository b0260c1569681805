"""Banks, queues and negatives: exact sets, the public losses' numbers, and the order of scoring and updating."""
import pathlib
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fakes

from kdjax import losses
from kdjax.methods import METHODS
from kdjax.methods.memories import bank, sampling
from kdjax.step.context import Batch
from parity_tests.jax_replay import given

CLASSES, K = 7, 40


@pytest.fixture(scope="module")
def labels():
    """150 labels with unequal classes, in no order."""
    return jnp.asarray(np.random.default_rng(0).choice(CLASSES, 150, p=np.arange(1, 8) / 28).astype(np.int32))


@pytest.fixture(scope="module")
def draw(labels):
    """(key, labels [B], K) -> mask and times, compiled once for each shape."""
    table = sampling.class_table(labels, CLASSES)
    return jax.jit(lambda key, y, num=K: sampling.negatives(sampling.draw_keys(key, len(y)), y, table, num),
                   static_argnums=2)


@pytest.mark.parametrize("size", [1, 2, 3, 97, 256, 1000])
def test_the_shuffle_is_a_bijection_on_any_range(size):
    keys = jax.random.bits(jax.random.key(size), (sampling.ROUNDS + 1, 2, 1), jnp.uint32)
    places = sampling.shuffle(jnp.arange(size, dtype=jnp.uint32), jnp.uint32(size), keys)
    assert sorted(places.tolist()) == list(range(size))


def test_negatives_are_exactly_k_rows_of_other_classes_and_differ_by_row_and_key(labels, draw):
    y = jnp.concatenate([jnp.arange(CLASSES), jnp.full((3,), 6)]).astype(jnp.int32)
    mask, times = map(np.asarray, draw(jax.random.key(0), y))
    assert (mask.sum(1) == K).all() and (times == 1).all()
    assert not (mask & (np.asarray(labels)[None] == np.asarray(y)[:, None])).any()
    assert len({row.tobytes() for row in mask}) == len(mask)
    again, other = draw(jax.random.key(0), y)[0], draw(jax.random.key(1), y)[0]
    assert (again == mask).all() and (other != mask).any()


def test_a_pool_smaller_than_k_is_taken_whole_with_the_expected_multiplicity(labels, draw):
    y = jnp.arange(CLASSES, dtype=jnp.int32)
    mask, times = draw(jax.random.key(0), y, 500)
    other = np.asarray(labels)[None] != np.asarray(y)[:, None]
    assert (mask == other).all()
    np.testing.assert_allclose((mask * times).sum(1), 500, rtol=1e-5)


def test_every_other_sample_is_drawn_equally_often_and_pairs_are_independent(labels, draw):
    rows = 4000
    mask = np.asarray(draw(jax.random.key(5), jnp.full((rows,), 3, jnp.int32))[0])[:, np.asarray(labels) != 3]
    pool, p = mask.shape[1], K / mask.shape[1]
    counts = mask.sum(0)
    chi2 = ((counts - rows * p) ** 2 / (rows * p * (1 - p))).sum() * (pool - 1) / pool
    assert abs(chi2 - (pool - 1)) < 5 * np.sqrt(2 * (pool - 1))
    both = (mask.T.astype(np.float64) @ mask)[np.triu_indices(pool, 1)]
    q = p * (K - 1) / (pool - 1)
    z = (both - rows * q) / np.sqrt(rows * q * (1 - q))
    assert abs(z.mean()) < 0.2 and abs(z.std() - 1) < 0.1 and abs(z).max() < 6


def test_how_many_fall_into_a_block_of_neighbours_varies_as_in_a_true_draw(labels, draw):
    mask = np.asarray(draw(jax.random.key(6), jnp.full((4000,), 0, jnp.int32))[0])
    by_class = np.asarray(sampling.class_table(labels, CLASSES)["by_class"])
    pool = int((labels != 0).sum())
    block = mask[:, by_class[-50:]].sum(1)
    expected = K * 50 / pool
    variance = expected * (1 - 50 / pool) * (pool - K) / (pool - 1)  # hypergeometric
    assert abs(block.mean() - expected) < 0.15
    assert 0.85 < block.var() / variance < 1.15


def test_relaxed_positives_are_of_the_own_class_and_uniform(labels):
    table, y = sampling.class_table(labels, CLASSES), jnp.full((20_000,), 2, jnp.int32)
    got = np.asarray(sampling.same_class(jax.random.uniform(jax.random.key(0), y.shape), y, table))
    members = np.flatnonzero(np.asarray(labels) == 2)
    counts = np.array([(got == m).sum() for m in members])
    assert counts.sum() == len(got)
    assert ((counts - len(got) / len(members)) ** 2 / (len(got) / len(members))).sum() < 4 * len(members)


def crd_inputs(labels, batch=12, dim=16):
    """Unit embeddings and a memory in the default precision."""
    memory = bank.init(jax.random.key(1), labels, dim, CLASSES)
    z = losses.l2_normalize(jax.random.normal(jax.random.key(2), (2, batch, dim)))
    index = jnp.arange(batch) * 11
    return memory, z, Batch({}, labels[index], index)


def drawn_of(key, batch, table, *options):
    """What a step with this key compares, as a method with banks draws it."""
    ctx = types.SimpleNamespace(index=batch.index, labels=batch.labels, draws=bank.draw(key, batch))
    return jax.jit(lambda table: bank.drawn(ctx, table, *options))(table)


def rows_of(drawn):
    """A draw as the index matrix [B, K + 1] of the public losses."""
    return jnp.stack([jnp.r_[p, jnp.flatnonzero(m)] for p, m in zip(drawn.positive, drawn.negative)])


@pytest.mark.parametrize(("x64", "tolerance"), [(False, 1e-5), (True, 1e-10)])
@pytest.mark.parametrize("mode", ["exact", "relax"])
def test_scoring_whole_banks_equals_the_public_loss_on_gathered_rows(labels, mode, x64, tolerance):
    with jax.enable_x64(x64):
        memory, z, batch = crd_inputs(labels)
        drawn = drawn_of(jax.random.key(3), batch, memory["table"], K, mode)
        rows = rows_of(drawn)

        def ours(z, norms):
            one = lambda z, b, n: bank.masked_nce(bank.positive_scores(z, b, drawn.positive, 0.07),
                                                  bank.scores(z, b, 0.07), drawn, K, n)
            s, t = one(z[0], memory["bank_t"], norms[0]), one(z[1], memory["bank_s"], norms[1])
            return s[0] + t[0], (s[1], t[1])

        def theirs(z, norms):
            return losses.crd(z[0], z[1], memory["bank_s"][rows], memory["bank_t"][rows], n_data=len(labels),
                              norm_s=norms[0], norm_t=norms[1])

        compiled = [jax.jit(jax.value_and_grad(f, has_aux=True)) for f in (ours, theirs)]
        for norms in [(jnp.full((), -1.0),) * 2, (jnp.full((), 300.0), jnp.full((), 99.0))]:
            got, wanted = (f(z, norms) for f in compiled)
            for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
                np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * float(jnp.abs(b).max()))


def run(method, memory, more=None, seed=0):
    """(loss, memory after, both embeddings) of one step on random outputs."""
    outs = [fakes.output(method.student, seed), fakes.output(method.teacher, seed + 1)]
    adapters = fakes.variables(method)

    def step(memory, outs, more):
        ctx = fakes.context(method, adapters, *outs, more)
        terms, memory = method.loss(ctx, memory)
        return terms[method.name], memory, [ctx.adapt(n, o.features.embedding) for n, o in zip(method.adapters, outs)]

    return jax.jit(step)(memory, outs, more)


@pytest.mark.parametrize(("name", "loss"), [("crd", losses.crd), ("rrd", losses.rrd_momentum)])
def test_given_rows_are_scored_against_the_banks_from_before_the_step(name, loss):
    method = given(METHODS[name](fakes.SMALL, fakes.OTHER, fakes.config(
        crd={"num_negatives": 5}, rrd={"memory": "bank", "num_negatives": 5})))
    memory = method.init_memory(jax.random.key(3), fakes.labels())
    rows = jax.random.randint(jax.random.key(4), (fakes.B, 6), 0, fakes.N)
    value, after, (z_s, z_t) = run(method, memory, {"draws": {"it": {"contrast": rows}}})
    options = method.temperatures if name == "rrd" else {}
    wanted, norms = loss(z_s, z_t, memory["bank_s"][rows], memory["bank_t"][rows], n_data=fakes.N, **options)
    np.testing.assert_allclose(value, wanted, rtol=1e-5)
    np.testing.assert_allclose([after["norm_s"], after["norm_t"]], norms, rtol=1e-5)
    index = fakes.batch().index
    np.testing.assert_allclose(after["bank_s"][index], losses.memory_update(memory["bank_s"][index], z_s), rtol=1e-5)
    np.testing.assert_allclose(after["bank_t"][index], losses.memory_update(memory["bank_t"][index], z_t), rtol=1e-5)
    still = np.setdiff1d(np.arange(fakes.N), index)
    assert (after["bank_s"][still] == memory["bank_s"][still]).all()


def test_rrd_over_drawn_bank_rows_equals_the_public_loss_on_them():
    method = METHODS["rrd"](fakes.SMALL, fakes.OTHER, fakes.config(rrd={"memory": "bank"}))
    memory = method.init_memory(jax.random.key(3), fakes.labels())
    value, after, _ = run(method, memory)
    drawn = drawn_of(jax.random.key(4), fakes.batch(), memory["table"], 9)  # the context's key
    wanted, again, _ = run(given(method), memory, {"draws": {"it": {"contrast": rows_of(drawn)}}})
    np.testing.assert_allclose(value, wanted, rtol=1e-5)
    np.testing.assert_allclose(after["norm_t"], again["norm_t"], rtol=1e-5)


def test_the_first_batchs_constants_stay_for_the_whole_run():
    method = METHODS["crd"](fakes.SMALL, fakes.SAME, fakes.config())
    _, first, _ = run(method, method.init_memory(jax.random.key(3), fakes.labels()))
    _, second, _ = run(method, first, seed=7)
    assert first["norm_s"] > 0 and second["norm_s"] == first["norm_s"] and second["norm_t"] == first["norm_t"]


@pytest.mark.parametrize(("variant", "before", "temperatures"), [
    ("seed", False, {"temperature_s": 0.04, "temperature_t": 0.10}),
    ("newest", True, {"temperature_s": 0.1, "temperature_t": 0.02})])
def test_rrd_enqueues_after_the_loss_as_published_or_before_it_as_today(variant, before, temperatures):
    method = METHODS["rrd"](fakes.SMALL, fakes.OTHER, fakes.config(rrd={"variant": variant}))
    memory = method.init_memory(jax.random.key(3), fakes.labels())
    value, after, (z_s, z_t) = run(method, memory)
    np.testing.assert_allclose(after["queue"][:fakes.B], z_t, rtol=1e-5)
    assert after["ptr"] == fakes.B
    seen = after["queue"] if before else memory["queue"]
    np.testing.assert_allclose(value, losses.rrd(z_s, z_t, seen, **temperatures), rtol=1e-5)


def test_temperatures_of_rrd_can_be_set_apart_from_the_variant():
    method = METHODS["rrd"](fakes.SMALL, fakes.OTHER, fakes.config(rrd={"student_temperature": 0.2}))
    assert method.temperatures == {"temperature_s": 0.2, "temperature_t": 0.10}


@pytest.mark.parametrize("enqueue", ["before", "after"])
def test_crd_with_a_queue_is_infonce_and_the_queue_turns_round(enqueue):
    method = METHODS["crd"](fakes.SMALL, fakes.OTHER, fakes.config(crd={"memory": "queue", "enqueue": enqueue}))
    memory = method.init_memory(jax.random.key(3), fakes.labels())
    np.testing.assert_allclose(jnp.linalg.norm(memory["queue"], axis=1), 1, rtol=1e-5)
    value, after, (z_s, z_t) = run(method, memory)
    seen = after["queue"] if enqueue == "before" else memory["queue"]
    np.testing.assert_allclose(value, losses.crd_fifo(z_s, z_t, seen), rtol=1e-5)
    _, second, _ = run(method, after, seed=5)
    assert second["ptr"] == 0 and (second["queue"][:fakes.B] == after["queue"][:fakes.B]).all()


def test_banks_start_with_rows_of_about_unit_length_and_unset_constants(labels):
    memory = bank.init(jax.random.key(0), labels, 128, CLASSES)
    norms = np.linalg.norm(memory["bank_s"], axis=1)
    assert abs(norms.mean() - 1) < 0.05 and memory["norm_s"] == memory["norm_t"] == -1
    assert float(jnp.abs(memory["bank_s"]).max()) <= (128 / 3) ** -0.5 and (memory["bank_s"] != memory["bank_t"]).any()
