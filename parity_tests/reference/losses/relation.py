"""Losses on relations: between samples, channels or layers; spec/losses.md 5 and 6."""
import torch

from parity_tests.reference.losses.ops import gram, l2_normalize, match_height, smooth_l1


def similarity(f_s, f_t):
    """Difference of row-normalised Gram matrices over the batch, / B^2 (Tung & Mori, ICCV 2019)."""
    g_s, g_t = (l2_normalize(gram(f.flatten(1))) for f in (f_s, f_t))
    return (g_t - g_s).pow(2).sum() / f_s.shape[0] ** 2


def nst(f_s, f_t):
    """Squared-polynomial MMD between channels seen as distributions over positions (Huang & Wang 2017).

    k(T, T) has no gradient but counts in the value.
    """
    f_s, f_t = (l2_normalize(f.flatten(2)) for f in match_height(f_s, f_t))

    def kernel(x, y):
        return (x @ y.transpose(1, 2)).pow(2).mean()

    return kernel(f_t, f_t).detach() + kernel(f_s, f_s) - 2 * kernel(f_s, f_t)


def ickd(f_s, f_t):
    """Difference of row-normalised channel Gram matrices, / (C B) (Liu et al., ICCV 2021)."""
    g_s, g_t = (l2_normalize(gram(f.flatten(2))) for f in (f_s, f_t))
    return (g_s - g_t).pow(2).sum() / (f_t.shape[1] * f_t.shape[0])


def fsp(g_s, g_t):
    """Mean squared difference of the flow matrices of consecutive maps, summed over pairs (Yim et al., CVPR 2017)."""
    return sum((s - t).pow(2).mean() for s, t in zip(_flows(g_s), _flows(g_t), strict=True))


def _flows(maps):
    flows = []
    for bottom, top in zip(maps, maps[1:]):  # noqa: B905 - consecutive pairs
        bottom, top = (f.flatten(2) for f in match_height(bottom, top))
        flows.append(bottom @ top.transpose(1, 2) / bottom.shape[2])
    return flows


def correlation_congruence(e_s, e_t):
    """Mean over neighbours in the batch of sum |d_b| |d_b+1|, d = e_s - e_t (code of Peng et al., ICCV 2019)."""
    d = (e_s - e_t).abs()
    return (d[:-1] * d[1:]).sum(1).mean()


def rkd(f_s, f_t, *, distance_weight=25.0, angle_weight=50.0):
    """Smooth L1 between normalised distances, and between angles of all triples (Park et al., CVPR 2019)."""
    f_s, f_t = f_s.flatten(1), f_t.flatten(1).detach()
    distance = smooth_l1(_distances(f_s), _distances(f_t)).mean()
    angle = smooth_l1(_angles(f_s), _angles(f_t)).mean()
    return distance_weight * distance + angle_weight * angle


def _distances(x):
    """Euclidean distances by the Gram formula, divided by the mean of the positive ones; diagonal 0."""
    square = x.pow(2).sum(1)
    d = (square[:, None] + square[None, :] - 2 * gram(x)).clamp(min=1e-12).sqrt()
    d = d * (1 - torch.eye(len(x), dtype=x.dtype, device=x.device))
    return d / d[d > 0].mean()


def _angles(x):
    """a[i, j, k] = cosine between x_j - x_i and x_k - x_i, 0 where a difference vanishes."""
    return gram(l2_normalize(x[None, :, :] - x[:, None, :]))


def pkt(f_s, f_t, *, eps=1e-7):
    """KL between row-normalised cosine similarities, mean over B*B (Passalis & Tefas, ECCV 2018)."""
    p_s, p_t = _neighbours(f_s, eps), _neighbours(f_t, eps)
    return (p_t * torch.log((p_t + eps) / (p_s + eps))).mean()


def _neighbours(x, eps):
    unit = x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + eps)
    cosine = (gram(unit) + 1) / 2
    return cosine / cosine.sum(1, keepdim=True)


def ega(e_s, e_t, *, node_weight=1.0, edge_weight=0.3):
    """Norms of differences of Pearson correlations between embeddings of the batch (Ma et al., BMVC 2022)."""
    batch = len(e_s)
    c = _pearson(torch.cat([e_t, e_s]))
    eye = torch.eye(batch, dtype=c.dtype, device=c.device)
    edge = torch.linalg.matrix_norm(c[:batch, :batch] - c[batch:, batch:])
    node = torch.linalg.matrix_norm(c[:batch, batch:] - eye)
    return node_weight * node + edge_weight * edge


def _pearson(x):
    """Correlations between the rows of x."""
    cov = gram(x - x.mean(1, keepdim=True)) / (x.shape[1] - 1)
    std = cov.diagonal().sqrt()
    return cov / std[:, None] / std[None, :]
