"""What every loss promises, whatever it computes: it jits, differentiates, vmaps, and keeps its precision."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import losses

B = 4
MAP_S, MAP_T = (B, 4, 4, 3), (B, 6, 6, 5)  # sizes that do not divide, channels that differ
LABELS = np.array([0, 2, 1, 2])


def memory(loss, **kw):
    """A loss with a memory, its norms unset: the scalar alone."""
    return lambda *args: loss(*args, n_data=50, **kw)[0]


def paired(loss, count):
    """A loss of two lists of maps, from a flat list of arguments."""
    return lambda *maps: loss(maps[:count], maps[count:])


def labelled(loss):
    return lambda s, t: loss(s, t, LABELS)


def weighed(loss):
    """A loss of three parts: one scalar that none of them can hide in."""
    return lambda *args: sum(weight * part for weight, part in zip((1.0, 2.0, 3.0), loss(*args)))


# name: (function of arrays that returns a scalar, the shapes of its arguments)
LOSSES = {
    "kl_divergence": (losses.kl_divergence, [(B, 3), (B, 3)]),
    "dkd": (labelled(losses.dkd), [(B, 3), (B, 3)]),
    "wsld": (labelled(losses.wsld), [(B, 3), (B, 3)]),
    "nkd": (labelled(losses.nkd), [(B, 3), (B, 3)]),
    "rld": (labelled(losses.rld), [(B, 3), (B, 3)]),
    "ttm": (losses.ttm, [(B, 3), (B, 3)]),
    "wttm": (losses.wttm, [(B, 3), (B, 3)]),
    "dist": (losses.dist, [(B, 3), (B, 3)]),
    "mlkd": (weighed(losses.mlkd), [(B, 3), (B, 3), (B, 3), (B, 3)]),
    "sdd_kd": (labelled(losses.sdd_kd), [(B, 5, 3), (B, 5, 3)]),
    "sdd_dkd": (labelled(losses.sdd_dkd), [(B, 5, 3), (B, 5, 3)]),
    "ofd": (lambda s, z, t, u, m, n: losses.ofd([s, z], [t, u], [m, n]),
            [MAP_T, MAP_S, (B, 4, 4, 5), (B, 2, 2, 3), (5,), (3,)]),
    "reviewkd": (paired(losses.reviewkd, 2), [MAP_S, MAP_T, MAP_S, MAP_T]),
    "cat_kd": (losses.cat_kd, [(B, 4, 4, 3), (B, 6, 6, 3)]),
    "norm_direction": (lambda s, t, c: losses.norm_direction(s, t, c, LABELS), [(B, 5), (B, 5), (3, 5)]),
    "hint": (losses.hint, [MAP_S, MAP_S]),
    "attention": (losses.attention, [MAP_S, MAP_T]),
    "similarity": (losses.similarity, [MAP_S, MAP_T]),
    "vid": (losses.vid, [(B, 4, 4, 5), (5,), MAP_T]),
    "factor_transfer": (losses.factor_transfer, [MAP_S, MAP_T]),
    "nst": (losses.nst, [MAP_T, MAP_S]),
    "ickd": (losses.ickd, [(B, 4, 4, 5), MAP_T]),
    "simkd": (losses.simkd, [(B, 4, 4, 5), MAP_T]),
    "activation_boundary": (paired(losses.activation_boundary, 2), [MAP_S, MAP_T, MAP_S, MAP_T]),
    "fsp": (paired(losses.fsp, 2), [MAP_T, MAP_S, (B, 4, 4, 5), (B, 2, 2, 3)]),
    "kdsvd": (paired(losses.kdsvd, 2), [(B, 4, 4, 5), (B, 2, 2, 6), MAP_T, (B, 3, 3, 6)]),
    "correlation_congruence": (losses.correlation_congruence, [(B, 5), (B, 5)]),
    "rkd": (losses.rkd, [(B, 5), (B, 7)]),
    "pkt": (losses.pkt, [(B, 5), (B, 7)]),
    "ega": (losses.ega, [(B, 5), (B, 5)]),
    "itrd_correlation": (losses.itrd_correlation, [(B, 5), (B, 5)]),
    "itrd_mutual": (losses.itrd_mutual, [(B, 5), (B, 7)]),
    "dcd": (losses.dcd, [(B, 5), (B, 5), (), ()]),
    "srrl": (losses.srrl, [(B, 5), (B, 5), (B, 3), (B, 3)]),
    "crd": (memory(losses.crd), [(B, 5), (B, 5), (B, 7, 5), (B, 7, 5)]),
    "rrd_momentum": (memory(losses.rrd_momentum), [(B, 5), (B, 5), (B, 7, 5), (B, 7, 5)]),
    "crd_fifo": (losses.crd_fifo, [(B, 5), (B, 5), (8, 5)]),
    "rrd": (losses.rrd, [(B, 5), (B, 5), (8, 5)]),
    "prsd": (lambda a, b, p, q, d, e: losses.prsd(a, b, [p, q], [1 + d**2, 1 + e**2]),
             [(B, 5), (B, 5), (6, 5), (4, 5), (6,), (4,)]),
    "semckd": (lambda a, b, c, d, w: losses.semckd([[a, b]], [[c, d]], w), [MAP_S, MAP_T, MAP_S, MAP_T, (B, 1, 2)]),
}
FREE = {  # axes of other arguments than maps that any number of rows or of dimensions fits
    "crd_fifo": {(2, 0)}, "rrd": {(2, 0)}, "norm_direction": {(2, 0)}, "rkd": {(0, 1), (1, 1)},
    "pkt": {(0, 1), (1, 1)}, "itrd_mutual": {(0, 1), (1, 1)}}
ANY_CHANNELS = ("attention", "similarity", "factor_transfer", "nst")
LABELLED = ("dkd", "wsld", "nkd", "rld", "sdd_kd", "sdd_dkd", "norm_direction")  # for a batch of B
OTHERS = {  # arrays in, an array out
    "semckd_weights": (losses.semckd_weights, [(B, 2, 5), (B, 3, 5)], (B, 2, 3)),
    "memory_update": (losses.memory_update, [(B, 5), (B, 5)], (B, 5)),
    "queue_enqueue": (lambda q, k: losses.queue_enqueue(q, 6, k)[0], [(8, 5), (B, 5)], (8, 5)),
    "standardize_logits": (losses.standardize_logits, [(B, 3)], (B, 3)),
    "scale_gradient": (lambda x: losses.scale_gradient(x, 0.5), [(B, 5)], (B, 5)),
    "multi_scale_pool": (losses.multi_scale_pool, [MAP_T], (B, 21, 5)),
    "adaptive_avg_pool": (lambda x: losses.adaptive_avg_pool(x, 5), [MAP_T], (B, 5, 5, 5)),
    "l2_normalize": (losses.l2_normalize, [(B, 5)], (B, 5)),
    "smooth_l1": (losses.smooth_l1, [(B, 5), (B, 5)], (B, 5)),
}


def draw(shapes, *lead):
    rng = np.random.default_rng(0)
    return [jnp.asarray(0.3 * rng.standard_normal((*lead, *shape)), jnp.float32) for shape in shapes]


def gradients(function, shapes):
    """value_and_grad with respect to every argument."""
    return jax.value_and_grad(function, argnums=tuple(range(len(shapes))))


@pytest.mark.parametrize("name", LOSSES)
def test_jits_vmaps_and_has_finite_gradients(name):
    function, shapes = LOSSES[name]
    batched = draw(shapes, 2)
    values, grads = jax.jit(jax.vmap(gradients(function, shapes)))(*batched)
    single = jax.jit(function)(*[x[1] for x in batched])
    assert single.shape == ()
    assert values.shape == (2,)
    np.testing.assert_allclose(values[1], single, rtol=2e-5, atol=1e-6)
    assert all(np.isfinite(g).all() for g in grads)
    assert np.abs(grads[0]).max() > 0


@pytest.mark.parametrize("given", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", LOSSES)
def test_keeps_float32_and_float64_and_lifts_bfloat16(name, given):
    function, shapes = LOSSES[name]
    with jax.enable_x64(True):
        value, grads = jax.eval_shape(gradients(function, shapes), *[jax.ShapeDtypeStruct(s, given) for s in shapes])
    assert value.dtype == ("float32" if given == "bfloat16" else given)
    assert {g.dtype.name for g in grads} == {given}


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", OTHERS)
def test_primitives_keep_their_shape_and_precision(name, dtype):
    function, shapes, shape = OTHERS[name]
    with jax.enable_x64(True):
        out = jax.eval_shape(function, *[jax.ShapeDtypeStruct(s, dtype) for s in shapes])
    lifted = name == "semckd_weights" and dtype == "bfloat16"
    assert out.dtype == ("float32" if lifted else dtype)
    assert out.shape == shape


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_norms_have_the_precision_of_the_loss(dtype):
    with jax.enable_x64(True):
        args = [jax.ShapeDtypeStruct(s, dtype) for s in LOSSES["crd"][1]]
        for loss, norm in ((losses.crd, None), (losses.crd, 3.0), (losses.rrd_momentum, None)):
            value, norms = jax.eval_shape(lambda *a: loss(*a, n_data=50, norm_s=norm, norm_t=norm), *args)
            assert {value.dtype} == {n.dtype for n in norms}
            assert {n.shape for n in norms} == {()}


def bound_axes(name, shapes):
    """(argument, axis) whose length the other arguments bind: all but the sizes of maps and what FREE names."""
    for i, shape in enumerate(shapes):
        for axis in range(len(shape)):
            of_map = len(shape) == 4 and (axis in (1, 2) or (axis == 3 and name in ANY_CHANNELS))
            if shape[axis] > 1 and not of_map and (i, axis) not in FREE.get(name, ()):
                yield i, axis


@pytest.mark.parametrize("name", LOSSES)
def test_an_axis_of_one_is_never_broadcast(name):
    """A teacher of one sample, one class, one channel: NumPy's rules would make a number of it."""
    function, shapes = LOSSES[name]

    def refused(i, axis):
        wrong = [s if j != i else (*s[:axis], 1, *s[axis + 1:]) for j, s in enumerate(shapes)]
        try:
            jax.eval_shape(function, *[jax.ShapeDtypeStruct(s, "float32") for s in wrong])
        except ValueError as error:
            return str(error)
        return ""

    assert [at for at in bound_axes(name, shapes) if not refused(*at)] == []


@pytest.mark.parametrize("labels", [np.eye(B, 3), LABELS[:, None], LABELS[:1]])
@pytest.mark.parametrize("loss", [losses.dkd, losses.wsld, losses.nkd, losses.rld, losses.sdd_kd, losses.sdd_dkd])
def test_labels_that_are_not_one_index_a_row_are_refused(loss, labels):
    logits = jnp.zeros((B, 5, 3) if "sdd" in loss.__name__ else (B, 3))
    with pytest.raises(ValueError, match=r"class indices, one a row: of shape \(4,\)"):
        loss(logits, logits, labels)


@pytest.mark.parametrize("name", [n for n in LOSSES if n not in LABELLED])
def test_traces_for_a_batch_of_one(name):
    function, shapes = LOSSES[name]
    small = [(1, *s[1:]) if s[:1] == (B,) else s for s in shapes]
    value, _ = jax.eval_shape(gradients(function, small), *[jax.ShapeDtypeStruct(s, "float32") for s in small])
    assert value.shape == ()


@pytest.mark.parametrize("name", ["rkd", "correlation_congruence", "itrd_correlation", "itrd_mutual", "pkt", "kdsvd",
                                  "dist", "mlkd"])
def test_a_batch_of_one_is_finite(name):
    function, shapes = LOSSES[name]
    value, grads = jax.jit(gradients(function, shapes))(*[x[:1] for x in draw(shapes)])
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in grads)


def test_every_name_is_exported_and_documented():
    assert set(LOSSES) | set(OTHERS) | {"prsd_density", "ofd_margin", "ctkd_scale"} <= set(losses.__all__)
    assert all(getattr(losses, name).__doc__ for name in losses.__all__)
