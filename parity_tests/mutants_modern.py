"""Mistakes in the methods of 2019 to 2025; `mutants.py` judges them."""
from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from kdjax import losses
from kdjax.losses import prediction, region, response
from kdjax.methods import cat_kd, ctkd, kdpp, lskd, ofd, reviewkd, rld, taps
from kdjax.methods.adapters import levels, vectors
from kdjax.step.objective import Objective
from parity_tests.mutation import Mutant, after_init, feature_instead, frozen, patch


def always(**changes) -> Callable:
    """A loss some of whose keyword arguments are never heard."""
    return lambda original: lambda *args, **kwargs: original(*args, **kwargs | changes)


def teacher_in_eval(original):
    return lambda self, net: False if self.task.nets[net].role == "frozen" else original(self, net)


def half_pixel(original):
    def nearest(x, size):
        return jax.image.resize(x, (x.shape[0], size, size, x.shape[3]), "bilinear")
    return nearest


def no_attention(original):
    def call(self, x, deeper, size):
        x = self.conv1(x)
        x = levels.nearest(x if deeper is None else x + levels.nearest(deeper, x.shape[1]), size)
        return self.conv2(x), x
    return call


def biased_std(_):
    def standardize(logits, *, eps=1e-7):
        return (logits - logits.mean(-1, keepdims=True)) / (jnp.std(logits, axis=-1, keepdims=True) + eps)
    return standardize


def student_only(original):
    def logits(ctx, standardize=False):
        s, t = original(ctx)
        return (losses.standardize_logits(s) if standardize else s), t
    return logits


def no_masks(_):
    return lambda logits_t: (1.0, 1.0)


def weak_twice(original):
    return lambda weak_s, weak_t, strong_s, strong_t, **kwargs: original(weak_s, weak_t, weak_s, weak_t, **kwargs)


def strong_everywhere(original):
    """T = 2 and 6 of the strong terms on the strong view, as the paper says."""
    def mlkd(weak_s, weak_t, strong_s, strong_t, **kwargs):
        kd, cc, bc = original(weak_s, weak_t, strong_s, strong_t, **kwargs)
        at = lambda s, t: sum(losses.kl_divergence(s, t, temperature=x) for x in (2.0, 6.0))
        return kd - at(weak_s, weak_t) + at(strong_s, strong_t), cc, bc
    return mlkd


def with_bias(_):
    return lambda self, head, f: taps.head_of_positions(head, f)


def bias_trained(original):
    return lambda self, path: True if path[-2:] == ("fc", "bias") else original(self, path)


def unreversed(_):
    return lambda self, ctx: 1.0


def stopped_teacher(original):
    """The temperature is not differentiated through the teacher's probabilities."""
    def kl(s, t, *, temperature=4.0):
        still = jax.lax.stop_gradient(temperature)
        return original(s / temperature, t / still, temperature=1.0) * temperature**2
    return kl


def keeps_label(original):
    """The label stays among the other classes, as in the copy inside the SDD release."""
    def nkd(logits_s, logits_t, labels, *, gamma, temperature):
        target = original(logits_s, logits_t, labels, gamma=0.0, temperature=temperature)
        soft = [jax.nn.log_softmax(x / temperature) for x in (logits_s, logits_t)]
        return target - gamma * temperature**2 * jnp.mean(jnp.sum(jnp.exp(soft[1]) * soft[0], axis=-1))
    return nkd


def softened_share(original):
    def nkd(logits_s, logits_t, labels, *, gamma, temperature):
        right = original(logits_s, logits_t, labels, gamma=gamma, temperature=temperature)
        target = lambda t: original(logits_s, t, labels, gamma=0.0, temperature=1.0)
        return right - target(logits_t) + target(logits_t / temperature)
    return nkd


def softened_student(original):
    return lambda s, t, *, power: original(power * s, t, power=power)


def normalised_weights(original):
    def wttm(s, t, *, power):
        n = jnp.sum(jax.nn.softmax(t) ** power, axis=-1)
        return original(s, t, power=power) / jnp.mean(n)
    return wttm


def equal_weights(original):
    def regions(*args):
        s, t, weights, target = original(*args)
        return s, t, jnp.ones_like(weights), target
    return regions


def without_4x4(original):
    return lambda f, *, scales: original(f, scales=tuple(k for k in scales if k < 4))


def student_norm(_):
    def norm_direction(e_s, e_t, centers, labels):
        along = jnp.sum(e_s * losses.l2_normalize(centers)[labels], axis=-1)
        return jnp.mean(1 - along / jnp.linalg.norm(e_s, axis=-1))
    return norm_direction


def undoubled(_):
    return lambda self, x, keep=None: self.linear(jnp.where(keep, self.bn(x), 0))


def label_of_teacher(original):
    """The teacher's probability of the label instead of its largest."""
    def rld(s, t, labels, *, alpha, beta, temperature, alpha_temperature):
        target = response.is_label(labels, s)
        both = [response.log_binary(x / alpha_temperature, target) for x in (s, t)]
        rest = original(s, t, labels, alpha=0.0, beta=beta, temperature=temperature)
        return alpha * alpha_temperature**2 * jnp.mean(response.kl_rows(*both)) + rest
    return rld


def first_margin(original):
    """The first stage's first channel's, everywhere."""
    def margins(self, params):
        found = original(self, params)
        return [jnp.full_like(margin, found[0][0]) for margin in found]
    return margins


def one_more(original):
    """Epochs counted from the other number."""
    return lambda ctx, epochs, first=1.0: original(ctx, epochs, 1.0 - first)


POST = lambda f: f._replace(preact=f.maps)

MUTANTS = [
    Mutant("OFD: no margin", "ofd", patch(ofd.OFD, "margins", lambda f: lambda self, p: [0 * m for m in f(self, p)])),
    Mutant("OFD: post-activations", "ofd", patch(ofd.OFD, "loss", feature_instead(POST))),
    Mutant("OFD: teacher in eval mode", "ofd", patch(Objective, "mode", teacher_in_eval)),
    Mutant("OFD: one margin for all channels and stages", "ofd deeper",
           patch(ofd.OFD, "margins", first_margin)),
    Mutant("ReviewKD: teacher after its activation", "reviewkd",
           patch(reviewkd.ReviewKD, "loss", feature_instead(POST))),
    Mutant("ReviewKD: levels added without attention", "reviewkd", patch(levels.ABF, "__call__", no_attention)),
    Mutant("ReviewKD: maps resized bilinearly", "reviewkd smaller", patch(levels, "nearest", half_pixel)),
    Mutant("ReviewKD: warm-up counts from 0", "reviewkd", patch(reviewkd, "warm_up", one_more)),
    Mutant("DIST: without T", "dist", patch(losses, "dist", always(temperature=1.0))),
    Mutant("DIST: correlation within samples only", "dist", patch(losses, "dist", always(gamma=0.0))),
    Mutant("LS-KD: biased standard deviation", "lskd", patch(losses, "standardize_logits", biased_std)),
    Mutant("LS-KD: the student's logits only", "lskd", patch(lskd, "logits", student_only)),
    Mutant("MLKD: masks ignored", "mlkd", patch(prediction, "_confident", no_masks)),
    Mutant("MLKD: the weak view twice", "mlkd", patch(losses, "mlkd", weak_twice)),
    Mutant("MLKD: every strong term on the strong view", "mlkd", patch(losses, "mlkd", strong_everywhere)),
    Mutant("CAT-KD: the biases in the maps", "cat_kd raw", patch(cat_kd.CATKD, "cam", with_bias)),
    Mutant("CAT-KD: the student's bias trained", "cat_kd", patch(Objective, "trains", bias_trained)),
    Mutant("CAT-KD: maps not normalised", "cat_kd", patch(losses, "cat_kd", always(normalize=False))),
    Mutant("CTKD: gradient not reversed", "ctkd", patch(ctkd.CTKD, "scale", unreversed)),
    Mutant("CTKD: temperature frozen", "ctkd", frozen("temperature")),
    Mutant("CTKD: the teacher's probabilities hold T still", "ctkd", patch(losses, "kl_divergence", stopped_teacher)),
    Mutant("NKD: the label among the other classes", "nkd", patch(losses, "nkd", keeps_label)),
    Mutant("NKD: the label's share softened", "nkd", patch(losses, "nkd", softened_share)),
    Mutant("TTM: the student softened too", "ttm", patch(losses, "ttm", softened_student)),
    Mutant("TTM: the power forgotten", "ttm", patch(losses, "ttm", always(power=1.0))),
    Mutant("WTTM: samples weigh alike", "wttm", patch(losses, "wttm", lambda _: losses.ttm)),
    Mutant("WTTM: weights normalised", "wttm", patch(losses, "wttm", normalised_weights)),
    Mutant("SDD: regions weigh alike", "sdd", patch(region, "_regions", equal_weights)),
    Mutant("SDD: no 4x4 regions", "sdd", patch(losses, "multi_scale_pool", without_4x4)),
    Mutant("KD++: the student's norm always divides", "kdpp", patch(losses, "norm_direction", student_norm)),
    Mutant("KD++: dropout not scaled", "kdpp", patch(vectors.KDPPProjector, "__call__", undoubled)),
    Mutant("KD++: warm-up counts from 1", "kdpp", patch(kdpp, "warm_up", one_more)),
    Mutant("KD++: projector in eval mode", "kdpp",
           patch(kdpp.KDPP, "__init__", after_init(eval_mode=frozenset({"projector"})))),
    Mutant("RLD: the teacher's label instead of its best", "rld", patch(losses, "rld", label_of_teacher)),
    Mutant("RLD: tau_a ignores same_t", "rld standardised", patch(losses, "rld", always(alpha_temperature=1.0))),
    Mutant("RLD: warm-up counts from 0", "rld", patch(rld, "warm_up", one_more)),
]
