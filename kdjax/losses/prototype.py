"""Knowledge in prototypes: how samples relate to cluster centres, or to the means of their classes."""
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from kdjax.losses.ops import Array, einsum, l2_normalize, promote, safe_sqrt
from kdjax.losses.response import kl_divergence
from kdjax.losses.shapes import alike, class_indices, same_batch, same_rows

MASKED = -1e9  # a logit that takes no probability, yet stays finite in float32


def prototype_relation(u_s: Array, u_ref: Array, prototypes: Sequence[Array], density: Sequence[Array], *,
                       present: Sequence[Array] | None = None, temperature: float = 4.0) -> Array:
    """How a student's and a reference's embeddings relate to cluster centres (DS-SRD's PCL and augmentation programs).

    u_s, u_ref: [B, D], normalised here; per clustering r, prototypes[r] unit rows [M_r, D] (the batch's own, then
    negatives), density[r] [M_r], present[r] bool [M_r] (default: all): columns that are not present do not count.
    Returns the scalar mean over r of kl_divergence(u_s P^T / phi, u_ref P^T / phi, temperature). Differentiable in
    both; the reference is detached by the caller (the release's first version does not).
    """
    everything = present if present is not None else [jnp.ones(len(phi), bool) for phi in density]
    rows = [l2_normalize(u) for u in alike("prototype_relation", u_s, u_ref)]

    def term(centres, phi, there):
        centres, phi = _clusters("prototype_relation", rows[0], centres, phi)
        same_batch("prototype_relation", centres, there)
        logits = [jnp.where(there, einsum("bd,md->bm", u, centres) / phi, MASKED) for u in rows]
        return kl_divergence(*logits, temperature=temperature)

    return sum(term(*each) for each in zip(prototypes, density, everything, strict=True)) / len(prototypes)


def prsd(z_s: Array, z_ss: Array, prototypes: Sequence[Array], density: Sequence[Array], *,
         temperature: float = 4.0) -> Array:
    """Prototypical structured relation distillation (DS-SRD): KL of the two views' similarities to prototypes.

    z_s, z_ss: unit rows [B, D] of two views; per clustering r, prototypes[r] [M_r, D] and density[r] [M_r] (see
    `prsd_density`). Returns the scalar mean over r of kl_divergence(z_s P^T / phi, z_ss P^T / phi, temperature).
    Neither view is detached, and z_ss is the student's own second view: there is no teacher in this term as released.
    """
    z_s, z_ss = alike("prsd", z_s, z_ss)

    def term(centres, phi):
        centres, phi = _clusters("prsd", z_s, centres, phi)
        logits_s, logits_ss = (einsum("bd,md->bm", z, centres) / phi for z in (z_s, z_ss))
        return kl_divergence(logits_s, logits_ss, temperature=temperature)

    return sum(term(c, p) for c, p in zip(prototypes, density, strict=True)) / len(prototypes)


def _clusters(loss: str, rows: Array, centres: Array, phi: Array) -> list[Array]:
    """Centres [M, D] and their densities [M], for vectors `rows` [B, D]."""
    centres, phi = promote(centres, phi)
    same_rows(loss, rows, centres, "prototypes")
    if phi.shape != centres.shape[:1]:
        raise ValueError(f"{loss}: densities {phi.shape} must be one for each of {len(centres)} prototypes")
    return [centres, phi]


def prsd_density(sq_dist: np.ndarray, assign: np.ndarray, num_clusters: int, *, temperature: float = 0.1) -> np.ndarray:
    """Densities phi [num_clusters] of k-means clusters, float64, mean `temperature`. On the host, in numpy.

    sq_dist [n]: squared distances to the centre assigned; assign [n]: int cluster ids. Mean distance over ln(n + 10);
    clusters of at most one member get the largest of the others; clipped to the 10th and 90th percentile, rescaled.
    If no cluster has an extent (all distances 0) every density is `temperature` (released code: NaN).
    """
    sq_dist, assign = np.asarray(sq_dist, np.float64).ravel(), np.asarray(assign).ravel()
    members = np.bincount(assign, minlength=num_clusters)
    extent = np.bincount(assign, weights=np.sqrt(np.maximum(sq_dist, 0)), minlength=num_clusters)
    density = np.where(members > 1, extent / np.maximum(members, 1) / np.log(members + 10), 0.0)
    density[members <= 1] = density.max()
    density = np.clip(density, *np.percentile(density, [10, 90]))
    return temperature * density / density.mean() if density.mean() > 0 else np.full(num_clusters, float(temperature))


def norm_direction(e_s: Array, e_t: Array, centers: Array, labels: Array) -> Array:
    """KD++ (Wang et al. 2023): longer student embeddings, in the direction of their class's mean teacher embedding.

    e_s, e_t: [B, D], equal shapes (else ValueError); centers [K, D]: class means, detached; labels: int [B]. Returns
    the scalar mean of 1 - s . c / max(|s|, |t|), c the unit centre of the sample's class. Where the norms tie the
    student's divides, as in the release. Zero rows of both networks, or a zero centre, count 1 (released code: NaN).
    """
    e_s, e_t = alike("norm_direction", e_s, e_t)
    (centers,), labels = promote(jax.lax.stop_gradient(centers)), class_indices(labels, e_s)
    same_rows("norm_direction", e_s, centers, "class means")
    norm_s, norm_t = (safe_sqrt(jnp.sum(x * x, axis=-1)) for x in (e_s, e_t))
    longest = jnp.where(norm_t > norm_s, norm_t, norm_s)
    along = jnp.sum(e_s * l2_normalize(centers)[labels], axis=-1)
    return jnp.mean(1 - along / jnp.where(longest > 0, longest, 1.0))
