"""The modules between student and teacher, torch keys as in the originals; spec/models.md 7. Shapes: (C, H, W) or D."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from parity_tests.reference.losses import adaptive_avg_pool
from parity_tests.reference.losses.ops import gram, raw_normalize
from parity_tests.reference.networks.base import conv


def shrink(x, height):
    """The map pooled to (height, height) if it is higher, else itself."""
    return adaptive_avg_pool(x, height) if x.shape[2] > height else x


class ConvReg(nn.Module):
    """FitNet's regressor, chosen by heights; `small` is distillers' last resort (teacher pooled outside)."""

    def __init__(self, shape_s, shape_t, use_relu=True, small=False):
        super().__init__()
        (c_s, h_s, w_s), (c_t, h_t, w_t) = shape_s, shape_t
        if h_s == 2 * h_t:
            self.conv = conv(c_s, c_t, 3, 2, bias=True)
        elif 2 * h_s == h_t:
            self.conv = nn.ConvTranspose2d(c_s, c_t, 4, 2, 1)
        elif h_s >= h_t:
            self.conv = nn.Conv2d(c_s, c_t, (1 + h_s - h_t, 1 + w_s - w_t))
        elif small:
            self.conv = conv(c_s, c_t, bias=True)
        else:
            raise ValueError(f"no regressor from {shape_s} to {shape_t}")
        self.bn, self.use_relu = nn.BatchNorm2d(c_t), use_relu

    def forward(self, x):
        x = self.bn(self.conv(x))
        return x.relu() if self.use_relu else x


class Connector(nn.Module):
    """AB: per pair of maps nothing where channels and height agree, else ConvReg without ReLU."""

    def __init__(self, shapes_s, shapes_t):
        super().__init__()
        self.connectors = nn.ModuleList()
        for s, t in zip(shapes_s, shapes_t, strict=True):
            self.connectors.append(nn.Identity() if s[:2] == t[:2] else ConvReg(s, t, use_relu=False))

    def forward(self, maps):
        return [layer(x) for layer, x in zip(self.connectors, maps, strict=True)]


class ConnectorV2(nn.Module):
    """Overhaul: per pair a bias-free convolution (kernel 1 or 3) and a batch norm."""

    def __init__(self, channels_s, channels_t, kernel=1):
        super().__init__()
        pairs = zip(channels_s, channels_t, strict=True)
        self.connectors = nn.ModuleList(nn.Sequential(conv(s, t, kernel), nn.BatchNorm2d(t)) for s, t in pairs)

    def forward(self, maps):
        return [layer(x) for layer, x in zip(self.connectors, maps, strict=True)]


def _factors(widths, use_bn, transposed=False):
    """Three 3x3 convolutions, each with an optional batch norm and LeakyReLU(0.1): positions 0 to 8."""
    layers = []
    for i, o in zip(widths, widths[1:]):  # noqa: B905 - consecutive pairs
        layers += [nn.ConvTranspose2d(i, o, 3, 1, 1) if transposed else conv(i, o, bias=True)]
        layers += [nn.BatchNorm2d(o) if use_bn else nn.Identity(), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers)


class Paraphraser(nn.Module):
    """FT's auto-encoder of the teacher's map: (factor, reconstruction)."""

    def __init__(self, channels, k=0.5, use_bn=False):
        super().__init__()
        z = int(channels * k)
        self.encoder = _factors((channels, channels, z, z), use_bn)
        self.decoder = _factors((z, z, channels, channels), use_bn, transposed=True)

    def forward(self, x):
        factor = self.encoder(x)
        return factor, self.decoder(factor)


class Translator(nn.Module):
    """FT's student encoder to as many factors as the paraphraser has."""

    def __init__(self, channels_s, channels_t, k=0.5, use_bn=True):
        super().__init__()
        self.encoder = _factors((channels_s, channels_s, int(channels_t * k), int(channels_t * k)), use_bn)

    def forward(self, x):
        return self.encoder(x)


class VIDRegressor(nn.Module):
    """Three 1x1 convolutions with ReLU between, and a log variance per teacher channel: (mean, log_scale)."""

    def __init__(self, channels_s, channels_t, init_var=5.0, eps=1e-5):
        super().__init__()
        self.regressor = nn.Sequential(conv(channels_s, channels_t, 1), nn.ReLU(), conv(channels_t, channels_t, 1),
                                       nn.ReLU(), conv(channels_t, channels_t, 1))
        self.log_scale = nn.Parameter(torch.full((channels_t,), math.log(math.exp(init_var - eps) - 1)))

    def forward(self, x):
        return self.regressor(x), self.log_scale


class VIDSeedRegressor(nn.Module):
    """The VID authors' own: two 1x1 convolutions with nothing between, rho starting at softplus(5): (mean, rho)."""

    def __init__(self, channels_s, channels_t):
        super().__init__()
        self.branch = nn.Sequential(conv(channels_s, channels_t, 1), conv(channels_t, channels_t, 1))
        self.variance_param = nn.Parameter(torch.full((channels_t,), math.log1p(math.exp(5.0))))

    def forward(self, x):
        return self.branch(x), self.variance_param


class LinearEmbed(nn.Module):
    """Flatten in (C, H, W) order, linear (CC, ITRD)."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x):
        return self.linear(x.flatten(1))


class Regress(LinearEmbed):
    """LinearEmbed and ReLU."""

    def forward(self, x):
        return super().forward(x).relu()


class Embed(LinearEmbed):
    """LinearEmbed and normalisation without a guard (CRD, PRSD)."""

    def forward(self, x):
        return raw_normalize(super().forward(x))


class UnitLinear(nn.Linear):
    """A bare linear layer and guarded normalisation (DCD, RRD, CRD with a queue): keys weight, bias."""

    def forward(self, x):
        return F.normalize(super().forward(x.flatten(1)), dim=1)


class MLPEmbed(nn.Module):
    """linear1, ReLU, linear2, normalised without a guard. spare: a second stack that DIST-I stores, never calls."""

    def __init__(self, inputs, outputs, spare=False):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(inputs, 2 * outputs), nn.Linear(2 * outputs, outputs)
        if spare:
            self.regressor = nn.Sequential(nn.Linear(inputs, 2 * outputs), nn.Identity(), nn.Identity(),
                                           nn.Linear(2 * outputs, outputs))

    def forward(self, x):
        return raw_normalize(self.linear2(self.linear1(x.flatten(1)).relu()))


class TwoLinear(nn.Module):
    """ITRD's embedding with n = 2: linear to half the width, ReLU, linear."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.l1, self.l2 = LinearEmbed(inputs, inputs // 2), LinearEmbed(inputs // 2, outputs)

    def forward(self, x):
        return self.l2(self.l1(x).relu())


class ConvEnc(nn.Module):
    """ITRD's convolutional encoder: 3x3 with bias."""

    def __init__(self, channels):
        super().__init__()
        self.conv = conv(channels, channels, bias=True)

    def forward(self, x):
        return self.conv(x)


class DCDScales(nn.Module):
    """DCD's learnt log temperature and bias."""

    def __init__(self):
        super().__init__()
        self.tau, self.b = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(0.0))

    def forward(self):
        return self.tau, self.b


class ICKDEmbed(nn.Module):
    """1x1 convolution and a batch norm that the original calls `l2norm`."""

    def __init__(self, channels_s, channels_t):
        super().__init__()
        self.conv2d, self.l2norm = conv(channels_s, channels_t, 1), nn.BatchNorm2d(channels_t)

    def forward(self, x):
        return self.l2norm(self.conv2d(x))


class Proj(nn.Module):
    """SemCKD's projection of one student map towards one teacher map."""

    def __init__(self, channels_s, channels_t):
        super().__init__()
        c = 2 * channels_t
        self.regressor = nn.Sequential(conv(channels_s, c, 1), nn.BatchNorm2d(c), nn.ReLU(), conv(c, c),
                                       nn.BatchNorm2d(c), nn.ReLU(), conv(c, channels_t, 1))

    def forward(self, x):
        return self.regressor(x)


class SelfA(nn.Module):
    """SemCKD's attention: query_i and key_j read rows of batch Gram matrices, regressor{i}{j} projects map i towards j.

    (g_s, g_t) -> (proj, target, query [B, S, d], key [B, T, d]); proj, target: nested lists [S][T] of equal shapes.
    """

    def __init__(self, batch_size, channels_s, channels_t, factor=4):
        super().__init__()
        for i, s in enumerate(channels_s):
            self.add_module(f"query_{i}", MLPEmbed(batch_size, batch_size // factor))
            for j, t in enumerate(channels_t):
                self.add_module(f"regressor{i}{j}", Proj(s, t))
        for j in range(len(channels_t)):
            self.add_module(f"key_{j}", MLPEmbed(batch_size, batch_size // factor))

    def forward(self, g_s, g_t):
        def rows(kind, maps):
            return torch.stack([getattr(self, f"{kind}_{i}")(gram(f.flatten(1))) for i, f in enumerate(maps)], dim=1)

        proj = [[getattr(self, f"regressor{i}{j}")(shrink(s, t.shape[2])) for j, t in enumerate(g_t)]
                for i, s in enumerate(g_s)]
        target = [[shrink(t, s.shape[2]) for t in g_t] for s in g_s]
        return proj, target, rows("query", g_s), rows("key", g_t)


class SRRLTransfer(nn.Module):
    """1x1 convolution, batch norm, ReLU on vectors seen as 1x1 maps."""

    def __init__(self, dim_s, dim_t):
        super().__init__()
        self.transfer = nn.Sequential(conv(dim_s, dim_t, 1), nn.BatchNorm2d(dim_t), nn.ReLU())

    def forward(self, x):
        return self.transfer(x[:, :, None, None]).flatten(1)


class SimKDProjector(nn.Module):
    """1x1, 3x3, 1x1 convolutions, each with batch norm and ReLU, through C_t / factor channels."""

    def __init__(self, channels_s, channels_t, factor=2):
        super().__init__()
        c = channels_t // factor
        self.transfer = nn.Sequential(conv(channels_s, c, 1), nn.BatchNorm2d(c), nn.ReLU(),
                                      conv(c, c), nn.BatchNorm2d(c), nn.ReLU(),
                                      conv(c, channels_t, 1), nn.BatchNorm2d(channels_t), nn.ReLU())

    def forward(self, x):
        return self.transfer(x)


class Predictor(nn.Sequential):
    """DS-SRD's head on logits: linear, BN, ReLU, linear, BN; each BN one level deeper, under `bn`."""

    def __init__(self, num_classes, hidden):
        super().__init__(nn.Linear(num_classes, hidden), WrappedBatchNorm(hidden), nn.ReLU(),
                         nn.Linear(hidden, num_classes), WrappedBatchNorm(num_classes))


class WrappedBatchNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bn = nn.BatchNorm1d(channels)

    def forward(self, x):
        return self.bn(x)


class ABF(nn.Module):
    """ReviewKD's attention-based fusion of one level with the deeper ones; (output, hidden), `size` high."""

    def __init__(self, inputs, middle, outputs, fuse):
        super().__init__()
        self.conv1 = nn.Sequential(conv(inputs, middle, 1), nn.BatchNorm2d(middle))
        self.conv2 = nn.Sequential(conv(middle, outputs, 3), nn.BatchNorm2d(outputs))
        self.att_conv = nn.Sequential(conv(2 * middle, 2, 1, bias=True), nn.Sigmoid()) if fuse else None

    def forward(self, x, deeper, size):
        x = self.conv1(x)
        if self.att_conv is not None:
            deeper = F.interpolate(deeper, (x.shape[2], x.shape[3]), mode="nearest")
            share = self.att_conv(torch.cat([x, deeper], dim=1))
            x = x * share[:, 0, None] + deeper * share[:, 1, None]
        if x.shape[2] != size:
            x = F.interpolate(x, (size, size), mode="nearest")
        return self.conv2(x), x


class ReviewKDFusion(nn.Module):
    """Levels in and out shallow to deep, modules from the deepest; shapes (C, H, W) of both networks' levels."""

    def __init__(self, shapes_s, shapes_t):
        super().__init__()
        middle, count = min(512, shapes_s[-1][0]), len(shapes_s)
        self.sizes = [t[1] for t in shapes_t]
        self.abfs = nn.ModuleList(ABF(shapes_s[i][0], middle, shapes_t[i][0], i < count - 1)
                                  for i in reversed(range(count)))

    def forward(self, maps):
        hidden, outs = None, []
        for module, x, size in zip(self.abfs, maps[::-1], self.sizes[::-1], strict=True):
            out, hidden = module(x, hidden, size)
            outs.insert(0, out)
        return outs


class CTKDParameter(nn.Module):
    """CTKD's one number."""

    def __init__(self):
        super().__init__()
        self.global_T = nn.Parameter(torch.ones(1))

    def forward(self):
        return self.global_T[0]


class KDPPProjector(nn.Module):
    """KD++ between unequal widths: batch norm, dropout of one half by a given mask, linear."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.bn, self.linear = nn.BatchNorm1d(inputs), nn.Linear(inputs, outputs)

    def forward(self, x, keep=None):
        x = self.bn(x)
        return self.linear(x if keep is None else x * keep / 0.5)


class LinearClassifier(nn.Module):
    """The linear probe's head."""

    def __init__(self, inputs, classes):
        super().__init__()
        self.net = nn.Linear(inputs, classes)

    def forward(self, x):
        return self.net(x)
