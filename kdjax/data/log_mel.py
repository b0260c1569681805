"""Speech as images: log-mel spectrograms [32 mel, 32 frames] of a second, and the training augmentation, on the host.

The numbers are librosa 0.8.0's at 16 kHz (spec/self_supervised.md, 4.1); another rate scales window and hop with it, so
that a second always has 32 frames. Randomness is drawn by `draw`; every operation takes its number.
"""
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse

RATE, BANDS, FRAMES = 16000, 32, 32
RANGE_DB, FLOOR = 80.0, 1e-10
SPEED, STRETCH, SHIFT = 0.2, 0.2, 8
LOUDNESS, NOISE = (0.7, 1.1), 0.45


class Spectrum(NamedTuple):
    """What depends on the sample rate alone. window [n], hop, mel [BANDS, n // 2 + 1], sparse."""

    rate: int
    window: np.ndarray
    hop: int
    mel: "scipy.sparse.csr_array"


class Coins(NamedTuple):
    """What happens to one clip; None: not this one. speed, stretch: r of -0.2 .. 0.2; shift: frames."""

    amplitude: float | None = None
    speed: float | None = None
    stretch: float | None = None
    shift: int | None = None


def spectrum(rate: int = RATE) -> Spectrum:
    """The constants for clips of `rate` samples a second: window and hop of 2048 and 512 at 16 kHz, in proportion."""
    from scipy import sparse  # speech alone needs it: a third of a second less at every other start

    n = round(2048 * rate / RATE / 4) * 4
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    return Spectrum(rate, window, n // 4, sparse.csr_array(mel_basis(rate, n)))


def mel_basis(rate: int, n_fft: int) -> np.ndarray:
    """[BANDS, n_fft // 2 + 1]: triangles on Slaney's scale from 0 to rate / 2, each of area one in Hz."""
    edges = _hertz(np.linspace(0, _mel(np.float64(rate / 2)), BANDS + 2))
    ramps = edges[:, None] - np.linspace(0, rate / 2, n_fft // 2 + 1)
    widths = np.diff(edges)
    up, down = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    return np.maximum(0, np.minimum(up, down)) * (2 / (edges[2:] - edges[:-2]))[:, None]


def _mel(hertz):
    """Slaney's: linear to 1 kHz (15 mel), logarithmic above."""
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + np.log(np.maximum(hertz, 1e-9) / 1000) * 27 / np.log(6.4))


def _hertz(mel):
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def clean(wave: np.ndarray, s: Spectrum) -> np.ndarray:
    """The evaluation transform: [n] samples in -1 .. 1 -> [32, 32] dB, 0 at the maximum, nothing below -80."""
    return decibel(stft(fixed(wave, s.rate), s), s)


def augmented(wave: np.ndarray, s: Spectrum, coins: Coins, noise: np.ndarray | None = None, share: float = 0.0,
              noise_coins: Coins | None = None) -> np.ndarray:
    """The training transform with the given coins; `noise` [n] samples take the same way with their own."""
    bent = bend(wave, s, coins)
    if noise is not None:
        bent = (1 - share) * bent + share * bend(noise, s, noise_coins or Coins())
    return decibel(bent, s)


def bend(wave: np.ndarray, s: Spectrum, coins: Coins) -> np.ndarray:
    """Amplitude, speed and length of the samples, then stretch, shift and length of their STFT [bins, 32]."""
    if coins.amplitude is not None:
        wave = wave * coins.amplitude
    if coins.speed is not None:
        wave = speed(wave, coins.speed)
    bins = stft(fixed(wave, s.rate), s)
    if coins.stretch is not None:
        bins = stretch(bins, 1 + coins.stretch)
    if coins.shift is not None:
        bins = shift(bins, coins.shift)
    return fixed(bins, FRAMES)


def draw(rng: np.random.Generator) -> Coins:
    """Each operation with probability 1/2."""
    values = (rng.uniform(*LOUDNESS), rng.uniform(-SPEED, SPEED), rng.uniform(-STRETCH, STRETCH),
              int(rng.integers(-SHIFT, SHIFT + 1)))
    return Coins(*(value if heads else None for value, heads in zip(values, rng.random(4) < 0.5)))


def fixed(x: np.ndarray, length: int) -> np.ndarray:
    """The last axis cut, or padded with zeros at its end."""
    x = x[..., :length]
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, length - x.shape[-1])])


def speed(wave: np.ndarray, r: float) -> np.ndarray:
    """Linear interpolation at 0, f, 2f, ... with f = 1 / (1 + r): longer and lower for r > 0."""
    places = np.arange(0, len(wave), 1 / (1 + r))
    return np.interp(places, np.arange(len(wave)), wave)


def stft(wave: np.ndarray, s: Spectrum) -> np.ndarray:
    """[n_fft // 2 + 1, 1 + n // hop] complex; frames centred, the ends mirrored."""
    n = len(s.window)
    padded = np.pad(wave, n // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n)[::s.hop]
    return np.fft.rfft(frames * s.window, axis=1).T


def stretch(bins: np.ndarray, rate: float) -> np.ndarray:
    """librosa's phase vocoder: [bins, t] -> [bins, ceil(t / rate)]; magnitudes interpolated, phases accumulated."""
    steps = np.arange(0, bins.shape[1], rate)
    padded = np.pad(bins, ((0, 0), (0, 2)))
    first = steps.astype(int)
    before, after, part = padded[:, first], padded[:, first + 1], steps % 1
    advance = np.linspace(0, np.pi * (len(bins) - 1) / 2, len(bins))[:, None]     # of a hop of a quarter window
    turned = np.angle(after) - np.angle(before) - advance
    turned = turned - 2 * np.pi * np.round(turned / (2 * np.pi)) + advance
    phase = np.angle(bins[:, :1]) + np.cumsum(turned, axis=1) - turned
    return ((1 - part) * np.abs(before) + part * np.abs(after)) * np.exp(1j * phase)


def shift(bins: np.ndarray, frames: int) -> np.ndarray:
    """frames > 0 drops the first and appends zeros; < 0 prepends zeros and drops the last. The length stays."""
    if frames >= 0:
        return fixed(bins[:, frames:], bins.shape[1])
    return np.pad(bins, ((0, 0), (-frames, 0)))[:, :bins.shape[1]]


def decibel(bins: np.ndarray, s: Spectrum) -> np.ndarray:
    """Mel power of an STFT in dB below its maximum, cut at 80 below; silence is all zero.

    The filters are nearly all zeros. As a dense product BLAS shared them among threads, which beside other work waited
    for each other: 31 ms a clip, where this takes 0.1.
    """
    power = s.mel @ np.abs(bins) ** 2
    level = 10 * np.log10(np.maximum(power, FLOOR)) - 10 * np.log10(max(power.max(), FLOOR))
    return np.maximum(level, level.max() - RANGE_DB)
