"""Information-theoretic losses: VID and ITRD; spec/losses.md 5.4, 6.5, 6.6."""
import torch
import torch.nn.functional as F

from parity_tests.reference.losses.ops import adaptive_avg_pool, gram, l2_normalize


def vid(pred_mean, log_scale, f_t, *, eps=1e-5):
    """Gaussian negative log likelihood of the teacher map without its constant (Ahn et al., CVPR 2019).

    pred_mean [B, C, h, h], log_scale [C]: variance softplus(log_scale) + eps. f_t is pooled if larger.
    """
    if f_t.shape[2] > pred_mean.shape[2]:
        f_t = adaptive_avg_pool(f_t, pred_mean.shape[2])
    var = (F.softplus(log_scale) + eps).view(1, -1, 1, 1)
    return 0.5 * ((pred_mean - f_t).pow(2) / var + torch.log(var)).mean()


def itrd_correlation(z_s, z_t, *, alpha=1.5):
    """log2 sum_j |c_j - 1|^(2 alpha), c_j the columns' correlations (Miles et al., BMVC 2022).

    As coded: the standard deviation is unbiased, the mean of the products biased, so c_j <= (n - 1) / n.
    """
    def standardise(z):
        return (z - z.mean(0)) / z.std(0, unbiased=True)

    c = (standardise(z_s) * standardise(z_t)).mean(0)
    return torch.log2((c - 1).pow(2).pow(alpha).sum())


def itrd_mutual(z_s, z_t):
    """Renyi-2 mutual-information term from Gram matrices of unit rows (Miles et al., BMVC 2022)."""
    g_s, g_t = gram(l2_normalize(z_s)), gram(l2_normalize(z_t))
    joint = g_s * g_t
    g_s, joint = g_s / g_s.trace(), joint / joint.trace()
    return g_s.pow(2).sum() - joint.pow(2).sum()
