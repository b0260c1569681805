"""KD-SVD (Lee, Kim & Song, ECCV 2018); spec/losses.md 5.9."""
import torch

from parity_tests.reference.losses.ops import l2_normalize


def kdsvd(g_s, g_t, *, k=1, v_t=None):
    """RBF relations between the leading right singular vectors of neighbouring stages.

    g_s, g_t: lists of [B, C, H, W], equal channels per stage. v_t: teacher vectors [B, C, k] per stage, whose signs
    LAPACK would choose otherwise.
    """
    pairs = [_aligned(s, t, k, None if v_t is None else v_t[i]) for i, (s, t) in enumerate(zip(g_s, g_t, strict=True))]
    terms = []
    for (below_s, below_t), (s, t) in zip(pairs, pairs[1:]):  # noqa: B905 - consecutive pairs
        square = (_rbf(s, below_s) - _rbf(t, below_t).detach()).pow(2)
        terms.append(torch.where(square.isfinite(), square, 0.0).sum() / len(s))
    return sum(terms)


def _svd(f):
    """[B, C, H, W] -> singular values [B, r] and right singular vectors [B, C, r] of the [HW, C] matrices."""
    _, s, vh = torch.linalg.svd(f.flatten(2).transpose(1, 2), full_matrices=False)
    return s, vh.transpose(1, 2)


def _aligned(f_s, f_t, k, v_t):
    """Student and teacher vectors [B, C, k], the student's with the teacher's order and signs, both scaled by s_t."""
    s, v = _svd(f_t)
    v_t = v[:, :, :k] if v_t is None else v_t
    s_t = l2_normalize(s[:, :k])[:, None, :]
    v_s = _svd(f_s)[1][:, :, :k + 3]
    cosine = (v_s.transpose(1, 2) @ v_t).detach()
    largest = cosine.abs() == cosine.abs().amax(1, keepdim=True)
    return v_s @ (cosine.sign() * largest) * s_t, v_t * s_t


def _rbf(v, below):
    return torch.exp(-(v[:, :, None, :] - below[:, None, :, :]).pow(2) / 8)
