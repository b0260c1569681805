"""How sharp logits are made before they are compared: standardised, or by a temperature that is learned."""
import math

import jax
import jax.numpy as jnp

from kdjax.losses.ops import Array, promote, safe_sqrt


def standardize_logits(logits: Array, *, eps: float = 1e-7) -> Array:
    """Logit standardisation (Sun et al., CVPR 2024): (x - mean) / (std + eps) over the classes, unbiased std.

    logits [B, C] -> [B, C], for any loss on logits: give it both networks' and a base temperature (the paper's
    temperature is the std times that). Gradients pass through mean and std. Constant rows become 0, where the
    derivative of std is 0 and the whole is up to 1 / eps. Two classes give +-0.7071 whatever the logits.
    """
    (wide,) = promote(logits)
    centred = wide - jnp.mean(wide, axis=-1, keepdims=True)
    variance = jnp.sum(centred * centred, axis=-1, keepdims=True) / max(wide.shape[-1] - 1, 1)
    return (centred / (safe_sqrt(variance) + eps)).astype(jnp.asarray(logits).dtype)


@jax.custom_jvp
def scale_gradient(x: Array, scale: Array | float) -> Array:
    """x itself, of any shape; backwards its gradient times `scale` (a scalar, which gets no gradient).

    CTKD's "gradient reversal": the layer changes no sign, a negative scale does.
    """
    return jnp.asarray(x)


@scale_gradient.defjvp
def _scale_gradient_jvp(primals, tangents):
    x, scale = primals
    return jnp.asarray(x), tangents[0] * jnp.asarray(scale).astype(jnp.asarray(x).dtype)


def ctkd_temperature(param: Array, scale: Array | float, *, t_start: float = 1.0, t_end: float = 20.0) -> Array:
    """CTKD's learned temperature (Li et al., AAAI 2023): t_start + t_end * sigmoid(param), a scalar.

    So in (t_start, t_start + t_end); 15.62 at param = 1, where it starts. param's gradient is scaled by `scale`
    (see `ctkd_scale`), so that with a negative one a descent of the loss makes the temperature ascend it.
    """
    (param,) = promote(param)
    return t_start + t_end * jax.nn.sigmoid(scale_gradient(param, scale))


def ctkd_scale(epoch: Array | float, *, loops: int = 10, decay_max: float = 0.0, decay_min: float = -1.0):
    """CTKD's schedule for `scale_gradient`: a half cosine from decay_max at epoch 0 to decay_min from epoch `loops` on.

    epoch: counted from 1; a Python number gives a float, an array (inside a jitted step) an array of its dtype.
    """
    if isinstance(epoch, jax.Array):
        share = jnp.cos(jnp.minimum(epoch, loops) * (math.pi / loops)) / 2 + 0.5
    else:
        share = math.cos(min(epoch, loops) * math.pi / loops) / 2 + 0.5
    return share * (decay_max - decay_min) + decay_min
