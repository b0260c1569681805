"""Prototypical structured relations (DS-SRD) and class means (KD++); spec/losses.md 8, spec/modern_methods.md 5.4."""
import numpy as np
import torch
import torch.nn.functional as F

from parity_tests.reference.losses.response import kl_divergence


def prsd(z_s, z_ss, prototypes, density, *, temperature=4.0):
    """Mean over clusterings of KL between two views' scores of the selected prototypes; neither view is detached."""
    losses = [kl_divergence(z_s @ p.T / d, z_ss @ p.T / d, temperature=temperature)
              for p, d in zip(prototypes, density, strict=True)]
    return sum(losses) / len(losses)


def prototype_relation(u_s, u_ref, prototypes, density, *, temperature=4.0):
    """`prsd` of rows that are normalised here."""
    rows = [u / u.norm(dim=1, keepdim=True).clamp_min(1e-12) for u in (u_s, u_ref)]
    return prsd(*rows, prototypes, density, temperature=temperature)


def prsd_density(sq_dist, assign, num_clusters, *, temperature=0.1):
    """Concentration of every cluster: mean distance / log(n + 10), clipped to [p10, p90], scaled to mean temperature.

    Clusters with one member or none get the largest of the others.
    """
    distance, assign = np.sqrt(np.asarray(sq_dist, np.float64)), np.asarray(assign)
    density = np.full(num_clusters, np.nan)
    for c in range(num_clusters):
        members = distance[assign == c]
        if len(members) > 1:
            density[c] = members.mean() / np.log(len(members) + 10)
    density[np.isnan(density)] = np.nanmax(density)
    density = density.clip(np.percentile(density, 10), np.percentile(density, 90))
    return temperature * density / density.mean()


def norm_direction(e_s, e_t, centers, labels):
    """1 - the student's component along its class's centre over the longer of both norms (KD++, 2023)."""
    terms = []
    for s, t, y in zip(e_s, e_t, labels, strict=True):
        norms = s.norm(), t.norm()
        longest = norms[1] if norms[1] > norms[0] else norms[0]
        terms.append(1 - s @ F.normalize(centers[y].detach(), dim=0) / longest)
    return torch.stack(terms).mean()
