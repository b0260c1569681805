"""Knowledge in a batch of predictions seen as a matrix: sample by sample, and class by class across the samples."""
import jax
import jax.numpy as jnp

from kdjax.losses.ops import Array, einsum, safe_sqrt
from kdjax.losses.response import kl_divergence
from kdjax.losses.shapes import alike
from kdjax.losses.temperature import standardize_logits


def dist(logits_s: Array, logits_t: Array, *, beta: float = 1.0, gamma: float = 1.0, temperature: float = 4.0,
         eps: float = 1e-8) -> Array:
    """DIST (Huang et al., NeurIPS 2022): correlation instead of KL, within a sample and within a class.

    logits_s, logits_t: [B, C]. Returns the scalar T^2 (beta (1 - rho(P_s, P_t)) + gamma (1 - rho(P_s^T, P_t^T))), P the
    softened probabilities and rho the mean Pearson correlation of rows, eps added to the product of the norms. So
    equality is not exactly 0, and a batch of one has gamma T^2 in its second part.
    """
    p_s, p_t = (jax.nn.softmax(x / temperature) for x in alike("dist", logits_s, logits_t))
    between = beta * (1 - _pearson(p_s, p_t, eps)) + gamma * (1 - _pearson(p_s.T, p_t.T, eps))
    return temperature**2 * between


def _pearson(x: Array, y: Array, eps: float) -> Array:
    """Mean correlation of the rows of x and y [n, m]; a constant row counts 0, and its norm has derivative 0."""
    x, y = (a - jnp.mean(a, axis=1, keepdims=True) for a in (x, y))
    norm_x, norm_y = (safe_sqrt(jnp.sum(a * a, axis=1)) for a in (x, y))
    return jnp.mean(jnp.sum(x * y, axis=1) / (norm_x * norm_y + eps))


def mlkd(weak_s: Array, weak_t: Array, strong_s: Array, strong_t: Array, *, temperature: float = 4.0,
         standardize: bool = False) -> tuple[Array, Array, Array]:
    """Multi-level logit distillation (Jin, Wang & Lin, CVPR 2023) on a weak and a strong view: (kd, cc, bc), scalars.

    All four: logits [B, C]. At the temperatures T0 = `temperature`, 3, 5, 2, 6: kd is instance-level KL, cc compares
    class correlations Q^T Q (squared differences over C), bc sample correlations Q Q^T (over B). As released, the masks
    of confident samples and classes are averaged to one number each, which scales; the strong view enters kd only, at
    T0, 3 and 5, and T = 2, 6 read the weak view again. The paper selects by the masks and uses both views throughout.
    standardize: kd sees `standardize_logits` (logit standardisation's release).
    """
    (weak_s, weak_t), (strong_s, strong_t) = alike("mlkd", weak_s, weak_t), alike("mlkd", strong_s, strong_t)
    every, shown = (temperature, 3.0, 5.0, 2.0, 6.0), (temperature, 3.0, 5.0)
    samples, classes = _confident(weak_t)
    softened = [[jax.nn.softmax(x / t) for x in (weak_s, weak_t)] for t in every]
    cc = sum(_square_sum(einsum("bi,bj->ij", t, t) - einsum("bi,bj->ij", s, s)) for s, t in softened)
    bc = sum(_square_sum(einsum("ic,jc->ij", t, t) - einsum("ic,jc->ij", s, s)) for s, t in softened)
    if standardize:
        weak_s, weak_t, strong_s, strong_t = map(standardize_logits, (weak_s, weak_t, strong_s, strong_t))
    weak = [kl_divergence(weak_s, weak_t, temperature=t) for t in every]
    kd = samples * sum(weak) + sum(kl_divergence(strong_s, strong_t, temperature=t) for t in shown) + sum(weak[3:])
    return kd, classes * cc / weak_s.shape[1], samples * bc / weak_s.shape[0]


def _confident(logits_t: Array) -> tuple[Array, Array]:
    """Shares of samples, and of classes, whose confidence is at most the median; about 1/2, and 1 where all tie."""
    p = jax.lax.stop_gradient(jax.nn.softmax(logits_t))
    share = lambda x: jnp.mean((x <= jnp.median(x)).astype(x.dtype))
    return share(jnp.max(p, axis=1)), share(jnp.sum(p, axis=0))


def _square_sum(x: Array) -> Array:
    return jnp.sum(x * x)
