"""DS-SRD's contrastive term with its banks against the original's, three steps (golden/self_supervised/crd.npz)."""
import functools

import jax
import jax.numpy as jnp
import pytest

from kdjax.methods import adapters
from kdjax.tasks import passes
from tests.selfsup_golden import close, load

SIDES = {"s": "student", "t": "teacher"}


def embeddings(data, kind):
    """{"s", "t": (adapter, params)} with the file's weights."""
    found = {}
    for side in SIDES:
        weight, bias = (jnp.asarray(data[f"in.init.embed_{side}.{leaf}"], kind) for leaf in ("weight", "bias"))
        adapter = adapters.unit_linear(weight.shape[1], len(bias))
        leaves = {2: weight.T, 1: bias}
        found[side] = adapter, jax.tree.map(lambda x, leaves=leaves: leaves[x.ndim], adapter.abstract["params"])
    return found


def term(options, parts, memory, draws, params, features):
    """(loss, (changed memory, embeddings)) by what is differentiated."""
    z = {side: parts[side][0].apply({"params": params[side], "batch_stats": {}}, features[side])[0] for side in SIDES}
    loss, changed = passes.crd(options, z["s"], z["t"], memory, draws)
    return loss, (changed, z)


@pytest.mark.parametrize("kind", ["f64", "f32"])
def test_the_term_its_gradients_and_the_banks_equal_the_originals(kind):
    data, meta = load("crd")
    wide, same = kind.replace("f", "float"), functools.partial(close, kind=kind)
    with jax.enable_x64(kind == "f64"):
        parts = embeddings(data, wide)
        params = {side: own for side, (_, own) in parts.items()}
        memory = {f"bank_{s}": jnp.asarray(data[f"in.init.memory_{long}"], wide) for s, long in SIDES.items()}
        memory |= {"norm_s": jnp.asarray(-1.0, wide), "norm_t": jnp.asarray(-1.0, wide)}
        options = passes.Options(weak="crd", crd_temperature=meta["T"], crd_momentum=meta["momentum"])
        for step in range(meta["steps"]):
            given, want = (lambda key: data[f"in.step{step}.{key}"]), (lambda key: data[f"{kind}.step{step}.{key}"])
            features = {side: jnp.asarray(given(f"f_{side}"), wide) for side in SIDES}
            draws = {"index": jnp.asarray(given("index")), "contrast": jnp.asarray(given("contrast_idx"))}
            (loss, (changed, z)), (by_params, by_features) = jax.value_and_grad(functools.partial(
                term, options, parts, memory, draws), (0, 1), has_aux=True)(params, features)
            memory = memory | changed
            same(loss, want("loss"))
            for side, long in SIDES.items():
                same(z[side], want(f"embed_{side}")), same(by_features[side], want(f"grad_f_{side}"))
                found = {x.ndim: x for x in jax.tree.leaves(by_params[side])}
                same(found[2].T, want(f"grad.embed_{side}.weight")), same(found[1], want(f"grad.embed_{side}.bias"))
                same(memory[f"bank_{side}"], want(f"after.memory_{long}"))
            same(jnp.stack([memory["norm_s"], memory["norm_t"]]), want("after.consts")[2:4])
