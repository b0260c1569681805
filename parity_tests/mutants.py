"""Breaks kdjax on purpose, one mistake at a time, and looks whether the suite would notice.

    python -m parity_tests.mutants            lists caught and missed; exit status 1 if one is missed

Each mistake is patched into the running kdjax. Mistakes in a step are judged as levels (d) and (e) judge: a few steps
of a case of cases.py beside the torch reference, within the limit of "step" in tolerances.py. The steps run operation
by operation (`jax.disable_jit`), which saves one compilation a mistake. Mistakes elsewhere are judged by the project's
own tests nearest to them (own_tests.py). The same check must pass without the mistake.
"""
from __future__ import annotations

import argparse
import contextlib
import functools
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from jax import lax

from kdjax import config as kdjax_config
from kdjax import losses
from kdjax.data import views as augment
from kdjax.losses import information
from kdjax.methods.crd import CRD
from kdjax.methods.fitnet import FitNet
from kdjax.methods.ickd import ICKD
from kdjax.methods.itrd import ITRD
from kdjax.methods.memories import bank, queue
from kdjax.methods.rrd import RRD
from kdjax.methods.sp import SP
from kdjax.models.layers import BatchNorm, Conv
from kdjax.models.network import Network
from kdjax.step import metrics, schedules
from kdjax.step.objective import Objective
from kdjax.weights.torch import naming as torch_naming
from parity_tests import cases, jax_replay, mutants_ds_srd, mutants_modern, mutants_runs, mutants_ssl
from parity_tests.mutation import Mutant, after_init, feature_instead, frozen, patch, teacher_trains, thawed
from parity_tests.reference import sgd as reference
from parity_tests.tolerances import error, limit, platform


def statistics(normalise: Callable, track: Callable) -> Callable:
    """Batch statistics whose variance is corrected by factors of n."""
    def make(_):
        def by_batch_statistics(self, x):
            axes, n = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
            mean = x.mean(axes)
            var = jnp.square(x - mean).mean(axes)
            self._track(self.mean, mean)
            self._track(self.var, var * track(n))
            unit = (x - mean) * lax.rsqrt(var * normalise(n) + self.epsilon)
            return unit if self.scale is None else unit * self.scale[...] + self.bias[...]
        return by_batch_statistics
    return make


def same_padding(original):
    def call(self, x):
        if self.stride == 1:
            return original(self, x)
        y = lax.conv_general_dilated(x, self.kernel[...], (self.stride,) * 2, "SAME",
                                     dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=self.groups)
        return y if self.bias is None else y + self.bias[...]
    return call


def set_epsilon(original):
    return lambda self, *args, **kwargs: (original(self, *args, **kwargs), setattr(self, "epsilon", 1e-3))[0]


def sgd(*parts: str, **options) -> Callable:
    """SGD of other parts: "decay", "matrices" (decay of those alone), "momentum"."""
    def make(_):
        def build(config, rate):
            decay, momentum = config.optim.weight_decay, config.optim.momentum
            matrices = lambda params: jax.tree.map(lambda p: p.ndim > 1, params)
            known = {"decay": lambda: optax.add_decayed_weights(decay),
                     "matrices": lambda: optax.add_decayed_weights(decay, matrices),
                     "momentum": lambda: optax.trace(momentum, **options)}
            return optax.chain(*(known[p]() for p in parts), optax.scale_by_learning_rate(rate))
        return build
    return patch(jax_replay, "sgd", make)


def early_bank(original):
    def loss(self, ctx, memory):
        z_s = ctx.adapt("embed_s", ctx.student.features.embedding)
        z_t = ctx.adapt("embed_t", ctx.teacher.features.embedding)
        moved = bank.update(memory, ctx.index, z_s, z_t, self.options.momentum)
        terms, after = original(self, ctx, moved)
        return terms, moved | {"norm_s": after["norm_s"], "norm_t": after["norm_t"]}
    return loss


def fresh_norms(original):
    return lambda self, ctx, memory: original(self, ctx, memory | {n: -jnp.ones(()) for n in ("norm_s", "norm_t")})


def other_order(original):
    swap = {"before": "after", "after": "before"}
    return lambda loss, memory, keys, enqueue: original(loss, memory, keys, swap[enqueue])


def biased_standardize(_):
    def standardize(z):
        z = z - jnp.mean(z, axis=0)
        return z / jnp.sqrt(jnp.mean(z * z, axis=0))
    return standardize


def trunk_in_eval(original):
    return lambda self, module, train: original(self, module, False if train == "trunk" else train)


def unflipped(_):
    return lambda array, leaf, kind: array.transpose(np.argsort(torch_naming._torch_axes(array.ndim, leaf, kind)))


def late_schedule(original):
    def build(config, total):
        rate = original(config, total)
        return lambda step: rate(jnp.maximum(step - total // config.train.epochs, 0))
    return build


def short_crop(original):
    return lambda key, n, *, crop=4, flip=True: jax.tree.map(
        lambda x: jnp.minimum(x, 2 * crop - 1), original(key, n, crop=crop, flip=flip))


def four_best(original):
    def tally(logits, labels, weights):
        rank = (logits > jnp.take_along_axis(logits, labels[:, None], axis=1)).sum(1)
        return original(logits, labels, weights) | {"top5": jnp.sum(weights * (rank < 4))}
    return tally


T2 = lambda kl: lambda s, t, *, temperature=4.0: kl(s, t, temperature=temperature) / temperature**2
NO_T = lambda kl: lambda s, t, *, temperature=4.0: kl(s, t, temperature=1.0)
REVERSED = lambda kl: lambda s, t, **kwargs: kl(t, s, **kwargs)
MAPS = lambda f: f._replace(maps=(*f.maps[:-1], f.pre_pool))
RAW = lambda f: f._replace(pre_pool=f.maps[-1])

MUTANTS = [
    Mutant("batch norm: running variance biased", "kd",
           patch(BatchNorm, "_by_batch_statistics", statistics(lambda n: 1, lambda n: 1))),
    Mutant("batch norm: normalises with the unbiased variance", "kd",
           patch(BatchNorm, "_by_batch_statistics", statistics(lambda n: n / (n - 1), lambda n: n / (n - 1)))),
    Mutant("batch norm: epsilon 1e-3", "kd", patch(BatchNorm, "__init__", set_epsilon)),
    Mutant("convolution: SAME padding at stride 2", "kd", patch(Conv, "__call__", same_padding)),
    Mutant("SGD: weight decay after momentum", "kd", sgd("momentum", "decay")),
    Mutant("SGD: no decay of one-dimensional parameters", "kd", sgd("matrices", "momentum")),
    Mutant("SGD: Nesterov", "kd", sgd("decay", "momentum", nesterov=True)),
    Mutant("KL: without T^2", "kd", patch(losses, "kl_divergence", T2)),
    Mutant("KL: without T", "kd", patch(losses, "kl_divergence", NO_T)),
    Mutant("KL: student and teacher exchanged", "kd", patch(losses, "kl_divergence", REVERSED)),
    Mutant("teacher in train mode", "kd", patch(Objective, "mode", teacher_trains)),
    Mutant("CRD: bank updated before the loss", "crd", patch(CRD, "loss", early_bank)),
    Mutant("CRD: Z estimated anew each step", "crd", patch(CRD, "loss", fresh_norms)),
    Mutant("CRD: teacher embedding frozen", "crd", frozen("embed_t")),
    Mutant("RRD: queue enqueued before the loss (published: after)", "rrd", patch(queue, "around", other_order)),
    Mutant("RRD newest: queue enqueued after the loss", "rrd newest", patch(queue, "around", other_order)),
    Mutant("CRD queue: enqueued before the loss", "crd queue", patch(queue, "around", other_order)),
    Mutant("RRD: teacher projection decayed", "rrd", thawed("embed_t")),
    Mutant("RRD: temperatures exchanged", "rrd", patch(RRD, "__init__", after_init(temperatures=lambda self: {
        "temperature_s": self.temperatures["temperature_t"], "temperature_t": self.temperatures["temperature_s"]}))),
    Mutant("ITRD: biased standard deviation", "itrd same width",
           patch(information, "_standardize", biased_standardize)),
    Mutant("ITRD: mutual term through the embedding at equal widths", "itrd same width",
           patch(ITRD, "__init__", after_init(same_width=False))),
    Mutant("VID: log_scale frozen", "vid", frozen("log_scale")),
    Mutant("DCD: tau not trained", "dcd", frozen("tau")),
    Mutant("FitNet: regressor in eval mode", "fitnet",
           patch(FitNet, "__init__", after_init(eval_mode=frozenset({"regress_s"})))),
    Mutant("SP: the map after the last batch norm", "sp", patch(SP, "loss", feature_instead(MAPS))),
    Mutant("ICKD: the map before the last batch norm", "ickd", patch(ICKD, "loss", feature_instead(RAW))),
    Mutant("FT: paraphraser trained in the main stage", "ft", thawed("paraphraser")),
    Mutant("FT: transposed convolutions not flipped", "ft", patch(torch_naming, "_to_kdjax", unflipped)),
    Mutant("AB: trunk in eval mode in the pre-stage", "ab", patch(Network, "_set_mode", trunk_in_eval)),
    Mutant("schedule: an epoch late", "schedule", patch(schedules, "learning_rate", late_schedule)),
    Mutant("crop: the last offset never drawn", "views", patch(augment, "draw", short_crop)),
    Mutant("top-5 counts four", "metrics", patch(metrics, "tally", four_best)),
    *mutants_modern.MUTANTS,
    *mutants_runs.MUTANTS,
    *mutants_ds_srd.MUTANTS,
    *mutants_ssl.MUTANTS,
]


def schedule_error() -> float:
    """Rates by epoch against the reference's."""
    rate = schedules.learning_rate(kdjax_config.default(), 240)
    return error(jax.vmap(rate)(jnp.arange(240)), [reference.step_lr(0.05, e + 1) for e in range(240)])


def views_error() -> float:
    """Whether 81 x 2 views are drawn."""
    views = np.stack(jax.tree.leaves(augment.draw(jax.random.key(0), 8000)))
    return error(len(np.unique(views, axis=1).T), 162)


def metrics_error() -> float:
    """Top-5 hits against torch's."""
    logits, labels = np.random.default_rng(0).standard_normal((64, 10)), np.arange(64) % 10
    hits = torch.from_numpy(logits).topk(5).indices == torch.from_numpy(labels)[:, None]
    return error(metrics.tally(jnp.asarray(logits), jnp.asarray(labels), jnp.ones(64))["top5"], hits.sum())


CHECKS = {"schedule": schedule_error, "views": views_error, "metrics": metrics_error,
          **mutants_runs.CHECKS, **mutants_ds_srd.CHECKS, **mutants_ssl.CHECKS}
STEPS = {"steps": 2, "pre_steps": 1}


@functools.cache
def truth(name: str) -> cases.Side:
    return cases.theirs(cases.CASES[name], **STEPS)


def case_error(name: str) -> float:
    """The worst error of losses, tensors and memory of kdjax's first steps of a case, by the measure of level (d)."""
    want = truth(name)
    with jax.disable_jit():
        got = cases.ours(cases.CASES[name], **STEPS)
    errors = [error(got.memory[k], v) for k, v in want.memory.items()]
    for one, other in ((got.pre, want.pre), (got.main, want.main)):
        if other is not None:
            errors += [error(one.losses[k], v) for k, v in other.losses.items()]
            errors += [error(v, other.states[i][k]) for i in (0, -1) for k, v in one.states[i].items()]
    return max(errors)


def judge(check: str, mistake: Callable = contextlib.nullcontext) -> float:
    """The error that a check sees under a mistake."""
    with mistake():
        return CHECKS[check]() if check in CHECKS else case_error(check)


def allowed() -> float:
    return limit("step", "float64", platform())


@functools.cache
def control(check: str) -> float:
    """The error without a mistake."""
    return judge(check)


def caught(mutant: Mutant) -> tuple[bool, float]:
    """(whether its check passes without the mistake and fails with it, the error with it)."""
    sound = control(mutant.check) <= allowed()
    seen = judge(mutant.check, mutant.mistake)
    return sound and not seen <= allowed(), seen


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser("parity_tests.mutants", description="Break kdjax on purpose; see what notices.")
    parser.add_argument("words", nargs="*", help="only the mistakes whose name contains one of these")
    words = parser.parse_args(argv).words
    chosen = [m for m in MUTANTS if not words or any(w.lower() in m.name.lower() for w in words)]
    torch.set_num_threads(1)
    missed = 0
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        for mutant in chosen:
            good, seen = caught(mutant)
            missed += not good
            print(f"{'caught' if good else 'MISSED':7} {mutant.name:60} {mutant.check:16} error {seen:.1e} "
                  f"(without it {control(mutant.check):.0e}, allowed {allowed():.0e})", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} caught" + (f", {missed} missed" if missed else ""))
    return int(missed > 0 or not chosen)


if __name__ == "__main__":
    sys.exit(main())
