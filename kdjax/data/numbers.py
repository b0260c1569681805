"""Data sets that are no images: tables, and speech as spectrograms. Floats, taken as they are.

Source: spec/self_supervised.md, section 4. Speech is augmented beforehand, `versions` times a recording, and kept; a
training view draws one of them (the originals augment anew in each epoch).
"""
import itertools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kdjax.data import log_mel
from kdjax.data.readers import speech, table
from kdjax.data.types import Dataset, Split
from kdjax.errors import UserError

CSV = (".csv", ".data", ".csv.gz", ".data.gz")
HIGGS = {"higgs": (False, None), "higgsall": (True, None), "higgs100K": (False, 100_000),
         "higgs100Kall": (True, 100_000), "higgs1M": (False, 1_000_000), "higgs1Mall": (True, 1_000_000)}
SPEECH = {"speech_commands": 16000, "fsdd": 8000}
FEW = 8         # folders in which a recording is looked for


class Heard(NamedTuple):
    """A split with what training sees of it: raw [N, versions, 32, 32, 1] float16, augmented; images: the clean."""

    images: np.ndarray
    labels: np.ndarray
    raw: np.ndarray


def load(cfg, seed: int, roots: list[Path]) -> Dataset | None:
    """The data set that cfg.dataset names, if it is a table or speech: covtype, higgs..., table_NAME (scikit-learn's),
    speech_commands, fsdd, or a path to a CSV file or to folders of WAV files. None for images."""
    name, stats = cfg.dataset, getattr(cfg, "table_stats", "train")
    if name.startswith("table_"):
        return of_table(table.built_in(name.removeprefix("table_"), stats))
    if name == "synthetic_words":
        return of_speech(speech.synthetic(_rate(cfg)), cfg, seed)
    path = _find(name, roots)
    if name == "covtype" or name in HIGGS:
        return of_table(_distributed(name, path, stats))
    if path is not None and path.is_file() and path.name.endswith(CSV):
        return of_table(table.labelled(path.name.partition(".")[0], table.read(path), stats))
    if name in SPEECH or (path is not None and path.is_dir() and _has_wav(path)):
        if path is None:
            raise UserError(f"data set {name!r} not found in {', '.join(map(str, roots))}: set data.dir to the folder "
                            f"that holds {name}/, or data.dataset to the path of folders of WAV files")
        return of_speech(speech.read(path, _rate(cfg)), cfg, seed)
    return None


def of_table(t: table.Table) -> Dataset:
    """A table as a data set; image_size is the number of its columns."""
    train, test = Split(t.train, t.train_labels), Split(t.test, t.test_labels)
    return Dataset(t.name, train, test, None, t.num_classes, t.train.shape[1], (0.0,), (1.0,), t.numbers)


def of_speech(s: speech.Speech, cfg, seed: int) -> Dataset:
    """Recordings as spectrograms [32, 32, 1]; the training ones augmented too, where cfg.versions asks for it."""
    spectrum = log_mel.spectrum(_rate(cfg))
    clean = lambda waves: np.stack([log_mel.clean(w, spectrum) for w in waves]).astype(np.float32)[..., None]
    versions = getattr(cfg, "versions", 0)
    heard = lambda: augmented(s, spectrum, versions, seed)[..., None]
    train = Heard(clean(s.train), s.train_labels, heard()) if versions else Split(clean(s.train), s.train_labels)
    test = Split(clean(s.test), s.test_labels)
    return Dataset(s.name, train, test, None, len(s.classes), log_mel.FRAMES, (0.0,), (1.0,))


def _rate(cfg) -> int:
    return getattr(cfg, "sample_rate", 0) or SPEECH.get(cfg.dataset, log_mel.RATE)


def augmented(s: speech.Speech, spectrum: log_mel.Spectrum, versions: int, seed: int) -> np.ndarray:
    """[N, versions, 32, 32] float16: each recording by its own draws, a function of (seed, recording, version)."""
    logging.getLogger(__name__).info("augmenting %d recordings, %d times each", len(s.train), versions)
    one = lambda i, v: _one(s, spectrum, np.random.default_rng([seed, i, v]), s.train[i])
    return np.stack([[one(i, v) for v in range(versions)] for i in range(len(s.train))]).astype(np.float16)


def _one(s: speech.Speech, spectrum, rng: np.random.Generator, wave: np.ndarray) -> np.ndarray:
    coins, with_noise = log_mel.draw(rng), len(s.noise) > spectrum.rate and rng.random() < 0.5
    if not with_noise:
        return log_mel.augmented(wave, spectrum, coins)
    start = rng.integers(len(s.noise) - spectrum.rate)
    return log_mel.augmented(wave, spectrum, coins, s.noise[start:start + spectrum.rate],
                             rng.uniform(0, log_mel.NOISE), log_mel.draw(rng))


def _distributed(name: str, path: Path | None, stats: str) -> table.Table:
    file = _first(path, ("covtype.data.gz", "covtype.data") if name == "covtype" else ("HIGGS.csv.gz", "HIGGS.csv"))
    if name == "covtype":
        return table.covtype(table.read(file, table.COVTYPE_COLUMNS), stats=stats)
    every, subset = HIGGS[name]
    return table.higgs(table.read(file, table.HIGGS_COLUMNS), every, subset, stats)


def _first(path: Path | None, names: tuple[str, ...]) -> Path:
    inside = [path / name for name in names] if path is not None else []
    found = [place for place in (path, *inside) if place is not None and place.is_file()]
    if not found:
        raise UserError(f"{names[0]} not found: put the file as distributed by the UCI repository into data.dir")
    return found[0]


def _find(name: str, roots: list[Path]) -> Path | None:
    files = {"covtype": ("covtype.data.gz", "covtype.data")} | dict.fromkeys(HIGGS, ("HIGGS.csv.gz", "HIGGS.csv"))
    places = [root / file for root in roots for file in files.get(name, (name, name.replace("_", "-")))]
    own = Path(name).expanduser()
    return next((place for place in (*places, own) if os.path.exists(place)), None)


def _has_wav(path: Path) -> bool:
    wave: Callable = lambda place: next(place.glob("*.wav"), None) is not None
    folders = (path, path / "audio", path / "train", path / "audio" / "train")
    few = lambda folder: [word for word in itertools.islice(folder.iterdir(), FEW) if word.is_dir()]
    return any(wave(folder) or any(map(wave, few(folder))) for folder in folders if folder.is_dir())
