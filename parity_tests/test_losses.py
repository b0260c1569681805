"""kdjax.losses against the torch reference: values and gradients, random and degenerate inputs, any shape."""
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdjax import losses
from parity_tests.bridge import from_jax, from_torch, nhwc, to_jax, to_torch
from parity_tests.loss_cases import LOSSES, Dims, draw
from parity_tests.reference import losses as reference
from parity_tests.tolerances import check


def first(out):
    """The scalar of a loss: alone, before its norms, or (mlkd's three parts) weighed so that none hides another."""
    if isinstance(out, tuple) and len(out) == 3:
        return out[0] + 2.0 * out[1] + 3.0 * out[2]
    return out[0] if isinstance(out, tuple) else out


def with_v_t(name, args, dtype):
    """KD-SVD's value depends on LAPACK's signs: both sides get the reference's teacher vectors."""
    if name != "kdsvd":
        return {}, {}
    v_t = [reference.spectral._svd(torch.from_numpy(t))[1][:, :, :1].numpy() for t in args[1]]
    return {"v_t": [jnp.asarray(v, dtype) for v in v_t]}, {"v_t": [torch.from_numpy(v) for v in v_t]}


@functools.cache
def compiled(name, static):
    """(other keyword arguments, *arguments) -> (value, gradients); inputs of the same shapes share one compilation."""
    fn = lambda arrays, *a: first(getattr(losses, name)(*a, **dict(static), **arrays))
    return jax.jit(jax.value_and_grad(fn, tuple(i + 1 for i in LOSSES[name].grads)))


def kdjax_side(name, args, kwargs, dtype=None):
    """(value, flat list of NCHW gradients) of kdjax."""
    static = {k: v for k, v in kwargs.items() if isinstance(v, (int, float, str))}
    arrays = {k: v for k, v in kwargs.items() if k not in static}
    value, grads = compiled(name, tuple(static.items()))(arrays, *to_jax(args, dtype))
    return value, from_jax(grads)


def reference_side(name, args, kwargs):
    """(value, flat list of gradients, zeros where torch has none) of the reference."""
    args = to_torch(args, grad=True)
    value = first(getattr(reference, name)(*args, **kwargs))
    leaves = jax.tree.leaves([args[i] for i in LOSSES[name].grads])
    grads = torch.autograd.grad(value, leaves, allow_unused=True)
    return value.item(), [np.zeros(x.shape) if g is None else g for g, x in zip(from_torch(list(grads)), leaves)]


def agree(name, args, kwargs, dtype=None, what=""):
    ours, theirs = with_v_t(name, args, dtype)
    value, grads = kdjax_side(name, args, kwargs | ours, dtype)
    want, want_grads = reference_side(name, args, kwargs | theirs)
    dtype = dtype or "float64"
    assert value.dtype == dtype and value.shape == ()
    check("loss", name, value, want, what=what, dtype=dtype)
    assert len(grads) == len(want_grads)
    for i, (got, wanted) in enumerate(zip(grads, want_grads)):
        check("loss_grad", name, got, wanted, what=f"gradient {i} {what}", dtype=dtype)


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradients_agree_in_float64(name):
    agree(name, *draw(name))


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n, loss in LOSSES.items() for k in loss.kinds])
def test_degenerate_inputs_agree_in_float64(name, kind):
    agree(name, *draw(name, kind=kind), what=kind)


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n, loss in LOSSES.items() for k in loss.finite])
def test_where_torch_breaks_kdjax_stays_finite(name, kind):
    args, kwargs = draw(name, kind=kind)
    value, grads = kdjax_side(name, args, kwargs)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in grads)


@pytest.mark.parametrize("name", LOSSES)
def test_float32_stays_float32_and_close(name):
    agree(name, *draw(name), dtype="float32")


DIMS = st.builds(Dims, b=st.integers(2, 5), c_s=st.integers(1, 4), c_t=st.integers(1, 4), h_s=st.integers(1, 6),
                 h_t=st.integers(1, 6), d_s=st.integers(3, 8), d_t=st.integers(3, 8), classes=st.integers(2, 6))


@pytest.mark.parametrize("name", LOSSES)
def test_any_shape_agrees_in_float64(name):
    @settings(max_examples=5, derandomize=True, deadline=None, database=None)
    @given(dims=DIMS, seed=st.integers(0, 2**16))
    def property_(dims, seed):
        agree(name, *draw(name, dims, seed), what=f"{dims} seed {seed}")

    property_()


def test_every_loss_of_kdjax_is_compared():
    helpers = {"adaptive_avg_pool", "l2_normalize", "smooth_l1", "memory_update", "queue_enqueue", "semckd_weights",
               "prsd_density", "attention_map", "nce_from_scores", "score_norm", "standardize_logits", "scale_gradient",
               "ctkd_temperature", "ctkd_scale", "multi_scale_pool", "ofd_margin"}
    assert set(losses.__all__) - helpers == set(LOSSES)


@pytest.mark.parametrize("name", ["crd", "rrd_momentum"])
def test_bank_losses_agree_once_the_constants_are_set(name):
    args, kwargs = draw(name)
    kwargs |= {"norm_s": 31.0, "norm_t": 47.0}
    agree(name, args, kwargs)
    _, norms = getattr(losses, name)(*to_jax(args), **kwargs)
    assert [float(n) for n in norms] == [31.0, 47.0]


@pytest.mark.parametrize("name", ["crd", "rrd_momentum"])
def test_the_first_batch_sets_the_same_constants(name):
    args, kwargs = draw(name)
    _, ours = getattr(losses, name)(*to_jax(args), **kwargs)
    _, theirs = getattr(reference, name)(*to_torch(args), **kwargs)
    for a, b in zip(ours, theirs):
        check("loss", name, a, b, what="norm")


def primitive(fn, ref, x, name="", **kwargs):
    """Value and gradient of an elementwise or shape-changing primitive, reduced by a fixed probe."""
    t = torch.from_numpy(x).requires_grad_()
    out = ref(t, **kwargs)
    probe = np.random.default_rng(1).standard_normal(out.shape)
    (grad,) = torch.autograd.grad((out * torch.from_numpy(probe)).sum(), [t])
    got, vjp = jax.vjp(lambda a: fn(a, **kwargs), jnp.asarray(nhwc(x)))
    (got_grad,) = vjp(jnp.asarray(nhwc(probe)))
    check("loss", name or fn.__name__, from_jax([got])[0], out.detach().numpy())
    check("loss_grad", name or fn.__name__, from_jax([got_grad])[0], grad.numpy())


@pytest.mark.parametrize(("size", "out_size"), [(8, 4), (7, 4), (5, 3), (6, 1), (4, 4), (9, 7)])
def test_adaptive_pooling_agrees(size, out_size):
    x = np.random.default_rng(0).standard_normal((2, 3, size, size))
    primitive(losses.adaptive_avg_pool, reference.adaptive_avg_pool, x, out_size=out_size)


def test_l2_normalize_agrees_at_zero_and_below_the_guard():
    x = np.random.default_rng(0).standard_normal((4, 5))
    x[1], x[2] = 0, 1e-14
    primitive(losses.l2_normalize, reference.l2_normalize, x)


def test_smooth_l1_agrees_on_both_sides_of_the_kink():
    x = np.array([[-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0]])
    primitive(lambda a: losses.smooth_l1(a, jnp.zeros_like(a)),
              lambda a: reference.smooth_l1(a, torch.zeros_like(a)), x, name="smooth_l1")


def test_standardised_logits_agree_where_a_row_is_flat_too():
    x = 3 * np.random.default_rng(0).standard_normal((4, 7))
    x[1] = 0.0
    primitive(losses.standardize_logits, reference.standardize_logits, x)


@pytest.mark.parametrize(("size", "scales"), [(8, (1, 2, 4)), (7, (1, 2)), (2, (1, 2, 4)), (7, (1,))])
def test_the_regions_of_a_map_agree(size, scales):
    x = np.random.default_rng(0).standard_normal((2, 3, size, size))
    primitive(losses.multi_scale_pool, reference.multi_scale_pool, x, scales=scales)


def test_margins_agree_on_both_sides_of_a_thousandth_and_at_a_zero_scale():
    weight, bias = np.array([1.0, -0.5, 2.0, 0.1, 1.0, 0.0]), np.array([0.0, 0.3, -1.0, 2.0, 3.0, 0.5])
    check("loss", "ofd_margin", losses.ofd_margin(weight, bias), reference.ofd_margin(*to_torch([weight, bias])))


@pytest.mark.parametrize("epoch", [0, 1, 9, 10, 50])
def test_the_learned_temperature_and_its_reversed_gradient_agree_through_the_loss(epoch):
    (s, t), _ = draw("kl_divergence")
    ours = lambda p, e: losses.kl_divergence(s, t, temperature=losses.ctkd_temperature(p, losses.ctkd_scale(e)))
    param = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    at = reference.ctkd_temperature(param, reference.ctkd_scale(epoch))
    want = reference.kl_divergence(*to_torch([s, t]), temperature=at)
    (want_grad,) = torch.autograd.grad(want, [param])
    for e in (epoch, jnp.float64(epoch)):  # on the host, and as a step hands it
        value, grad = jax.value_and_grad(ours)(jnp.float64(0.7), e)
        check("loss", "ctkd", value, want.item())
        check("loss_grad", "ctkd", grad, want_grad.numpy())


def test_memory_update_and_enqueue_agree():
    r = np.random.default_rng(0)
    rows, z, queue = r.standard_normal((4, 6)), r.standard_normal((4, 6)), r.standard_normal((12, 6))
    ours, theirs = to_jax([rows, z, queue]), to_torch([rows, z, queue])
    check("loss", "memory_update", losses.memory_update(*ours[:2], momentum=0.9),
          reference.memory_update(*theirs[:2], momentum=0.9))
    for ptr in (0, 4, 8):
        (got, at), (want, want_at) = losses.queue_enqueue(ours[2], ptr, ours[1]), reference.queue_enqueue(
            theirs[2], ptr, theirs[1])
        assert int(at) == want_at
        check("loss", "queue_enqueue", got, want)


def test_semckd_weights_and_prsd_density_agree():
    r = np.random.default_rng(0)
    query, key = r.standard_normal((4, 2, 3)), r.standard_normal((4, 5, 3))
    check("loss", "semckd_weights", losses.semckd_weights(*to_jax([query, key]), soft=0.5),
          reference.semckd_weights(*to_torch([query, key]), soft=0.5))
    distance, assign = r.random(40), np.r_[0, np.full(5, 1), r.integers(2, 7, 34)]  # cluster 0: one member, 7: none
    check("loss", "prsd_density", losses.prsd_density(distance, assign, 8), reference.prsd_density(distance, assign, 8))
