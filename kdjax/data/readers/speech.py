"""Spoken words as WAV files: Speech Commands' layouts, any train/<word>/ and test/<word>/, and the flat one of FSDD.

Source: spec/self_supervised.md, 4.1. File names are sorted (I13), so indices are the same everywhere.
"""
import re
import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kdjax.errors import UserError

COMMANDS = ("unknown", "silence", "yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
SILENT_SHARE, MAX_SECONDS = 0.1, 60
NOISE = "_background_noise_"
FLAT = re.compile(r"(\w+)_(\w+)_(\d+)\.wav")        # FSDD: digit_speaker_index; below 5 is its test
FLAT_TEST = 5


class Speech(NamedTuple):
    """Recordings as float32 samples in -1 .. 1, of any length; labels int32; noise: one long recording, or empty."""

    name: str
    train: list[np.ndarray]
    train_labels: np.ndarray
    test: list[np.ndarray]
    test_labels: np.ndarray
    classes: tuple[str, ...]
    noise: np.ndarray


def read(path: Path, rate: int) -> Speech:
    """All recordings below `path`, which must have `rate` samples a second.

    Layouts: audio/ of Speech Commands with its lists of test and validation files, or train/ and test/ (or valid/) of
    folders by word; or a flat folder of LABEL_SPEAKER_INDEX.wav. Where the words are Speech Commands', the classes are
    its twelve: other words are "unknown", and a tenth of all-zero "silence" is added to the training set. The
    validation files are not read. Raises UserError for other rates, other files and missing splits.
    """
    path = path / "audio" if (path / "audio").is_dir() else path
    train, test = _listed(path)
    words = sorted({word for word, _ in train})
    classes = COMMANDS if set(COMMANDS[2:]) <= set(words) else tuple(words)
    if not train or not test or len(words) < 2:
        raise UserError(f"{path} has {len(train)} recordings for training and {len(test)} for the test, of "
                        f"{len(words)} words: put WAV files into train/<word>/ and test/<word>/")
    waves, labels = _load(train, classes, rate)
    silent = int(SILENT_SHARE * len(waves)) if classes == COMMANDS else 0
    waves += [np.zeros(rate, np.float32)] * silent
    labels = np.append(labels, np.full(silent, 1)).astype(np.int32)
    noise = sorted(path.rglob(f"{NOISE}/*.wav"))
    return Speech(path.resolve().name, waves, labels, *_load(test, classes, rate), classes,
                  np.concatenate([samples(file, rate) for file in noise]) if noise else np.zeros(0, np.float32))


def samples(path: Path, rate: int) -> np.ndarray:
    """The mono samples of a PCM WAV file, float32 in -1 .. 1; channels are averaged."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getframerate() != rate:
                raise UserError(f"{path} has {file.getframerate()} samples a second, not {rate}: set data.sample_rate, "
                                "or resample the files")
            width, channels, count = file.getsampwidth(), file.getnchannels(), file.getnframes()
            if count > MAX_SECONDS * rate and NOISE not in path.parts:
                raise UserError(f"{path} is longer than {MAX_SECONDS} seconds: give recordings of single words")
            data = file.readframes(count)
    except (wave.Error, EOFError, OSError) as error:
        raise UserError(f"{path} is not a PCM WAV file ({error}): convert it") from None
    if width not in (1, 2, 4) or not data:
        raise UserError(f"{path} has samples of {8 * width} bits or none at all: convert it to 16 bits")
    x = np.frombuffer(data[:len(data) // width * width], {1: np.uint8, 2: "<i2", 4: "<i4"}[width]).astype(np.float32)
    x = (x - 128) / 128 if width == 1 else x / 2 ** (8 * width - 1)
    return x[:len(x) // channels * channels].reshape(-1, channels).mean(1)


def _listed(path: Path) -> tuple[list, list]:
    """(word, file) of the training and of the test recordings, sorted."""
    if (path / "train").is_dir():
        splits = [path / "train", path / "test" if (path / "test").is_dir() else path / "valid"]
        return tuple(_by_word(split) for split in splits)
    if (path / "testing_list.txt").is_file():
        test, valid = (_names(path / f"{name}_list.txt") for name in ("testing", "validation"))
        every = [(word, file, f"{word}/{file.name}") for word, file in _by_word(path)]
        return ([(w, f) for w, f, n in every if n not in test | valid], [(w, f) for w, f, n in every if n in test])
    flat = [(found, file) for file in sorted(path.glob("*.wav")) if (found := FLAT.fullmatch(file.name))]
    tested = [int(found[3]) < FLAT_TEST for found, _ in flat]
    pick = lambda which: [(found[1], file) for (found, file), test in zip(flat, tested) if test is which]
    return pick(False), pick(True)


def _by_word(folder: Path) -> list:
    words = sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] not in "._") if folder.is_dir() else []
    return [(word.name, file) for word in words for file in sorted(word.glob("*.wav"))]


def _names(path: Path) -> set[str]:
    return set(path.read_text().split()) if path.is_file() else set()


def _load(listing: list, classes: tuple[str, ...], rate: int) -> tuple[list[np.ndarray], np.ndarray]:
    unknown = classes == COMMANDS
    if stray := [word for word, _ in listing if word not in classes and not unknown]:
        raise UserError(f"the test has the word {stray[0]!r}, which the training recordings lack: give it to both")
    labels = [classes.index(word) if word in classes[2 * unknown:] else 0 for word, _ in listing]
    return [samples(file, rate) for _, file in listing], np.asarray(labels, np.int32)


def synthetic(rate: int, words: int = 6, train: int = 40, test: int = 15) -> Speech:
    """Made-up words: two gliding tones with overtones, each word its own pair, each speaker its own pitch and pace.

    For demos and tests without files; the same on every machine.
    """
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(words), train + test)
    waves = [_spoken(rng, rate, word) for word in labels]
    test_rows = (np.arange(len(labels)) % (train + test)) >= train
    labels = labels.astype(np.int32)
    pick = lambda which: ([w for w, t in zip(waves, test_rows) if t == which], labels[test_rows == which])
    names = tuple(f"word{i}" for i in range(words))
    return Speech("synthetic_words", *pick(False), *pick(True), names, np.zeros(0, np.float32))


def _spoken(rng: np.random.Generator, rate: int, word: int) -> np.ndarray:
    seconds, pitch = rng.uniform(0.4, 0.8), rng.uniform(0.9, 1.1)
    t = np.arange(int(seconds * rate)) / rate
    start, end = 300 + 220 * (word % 3), 300 + 260 * (word // 2)
    glide = 2 * np.pi * pitch * np.cumsum(np.linspace(start, end, len(t))) / rate
    tone = sum(np.sin(k * glide) / k for k in (1, 2, 3)) * np.sin(np.pi * t / seconds)
    return (0.3 * tone + 0.02 * rng.standard_normal(len(t))).astype(np.float32)
