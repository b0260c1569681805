"""Spoken words: librosa's spectrograms, the training augmentation, and folders of WAV files."""
import wave

import numpy as np
import pytest

from kdjax.data import log_mel
from kdjax.data.readers import speech
from kdjax.errors import UserError
from tests.selfsup_golden import load


@pytest.fixture(scope="module")
def golden():
    return load("speech")[0], log_mel.spectrum()


def far(got, want):
    return np.abs(np.asarray(got) - want).max()


def test_clean_spectrograms_equal_librosas(golden):
    data, s = golden
    assert far(s.mel.toarray(), data["mel_basis"]) < 1e-8
    for i in range(3):
        assert far(log_mel.clean(data[f"in.wav{i}"].astype(float), s), data[f"f64.clean.wav{i}"]) < 1e-5
    assert not log_mel.clean(np.zeros(16000), s).any()


def test_each_augmentation_equals_the_original(golden):
    data, s = golden
    x = data["in.wav0"].astype(float)
    bins = log_mel.stft(x, s)
    assert far(bins, data["f32.stft_real"] + 1j * data["f32.stft_imag"]) < 1e-5
    for j in (0, 1):
        assert far(log_mel.speed(x, float(data["in.speed_scale"][j])), data[f"f32.speed{j}"]) < 1e-6
        stretched = log_mel.stretch(bins, 1 + float(data["in.stretch_scale"][j]))
        assert stretched.shape[1] == int(data[f"f32.stretch{j}.frames"])
        assert far(log_mel.decibel(log_mel.fixed(stretched, 32), s), data[f"f32.stretch{j}.mel"]) < 2e-5
        shifted = log_mel.shift(bins, int(data["in.shift_frames"][j]))
        assert far(log_mel.decibel(shifted, s), data[f"f32.shift{j}.mel"]) < 2e-5


@pytest.mark.parametrize("j", [0, 1])
def test_the_whole_augmentation_equals_the_original(golden, j):
    data, s = golden
    numbers = (float(data[f"in.{key}"][j]) for key in ("speed_scale", "stretch_scale"))
    coins = log_mel.Coins(float(data["in.amplitude"]), *numbers, int(data["in.shift_frames"][j]))
    got = log_mel.augmented(data["in.wav0"].astype(float), s, coins, data["in.noise"].astype(float),
                            float(data["in.noise_percentage"]))
    assert far(got, data[f"f32.full{j}.mel"]) < 2e-3


def test_half_the_coins_fall_and_their_numbers_stay_in_range():
    drawn = [log_mel.draw(np.random.default_rng(i)) for i in range(400)]
    for field, low, high in (("amplitude", 0.7, 1.1), ("speed", -0.2, 0.2), ("stretch", -0.2, 0.2), ("shift", -8, 8)):
        values = [value for coins in drawn if (value := getattr(coins, field)) is not None]
        assert 150 < len(values) < 250 and low <= min(values) and max(values) <= high


def tone(path, rate=8000, hertz=440, seconds=0.3):
    path.parent.mkdir(parents=True, exist_ok=True)
    x = 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((x * 32767).astype("<i2").tobytes())
    return x


def test_class_folders_are_read_with_sorted_words(tmp_path):
    for word, hertz in (("two", 300), ("one", 500)):
        for split in ("train", "test"):
            x = tone(tmp_path / split / word / "a.wav", hertz=hertz)
    found = speech.read(tmp_path, 8000)
    assert found.classes == ("one", "two") and found.train_labels.tolist() == [0, 1] == found.test_labels.tolist()
    assert far(found.train[1], tone(tmp_path / "x.wav", hertz=300)) < 1e-4 and len(found.noise) == 0 and len(x) == 2400


def test_speech_commands_lists_split_it_and_other_words_are_unknown(tmp_path):
    for word in (*speech.COMMANDS[2:], "bird"):
        for i in range(3):
            tone(tmp_path / "audio" / word / f"{i}.wav")
    tone(tmp_path / "audio" / speech.NOISE / "hum.wav")
    words = (*speech.COMMANDS[2:], "bird")
    (tmp_path / "audio" / "testing_list.txt").write_text("\n".join(f"{w}/0.wav" for w in words))
    (tmp_path / "audio" / "validation_list.txt").write_text("\n".join(f"{w}/1.wav" for w in words))
    found = speech.read(tmp_path, 8000)
    assert len(found.test) == 11 and 1 not in found.test_labels and 0 in found.test_labels
    assert len(found.train) == 11 + 1 and found.train_labels[-1] == 1 and not found.train[-1].any()
    assert len(found.noise) == 2400


def test_fsdds_flat_folder_has_its_official_test(shared):
    found = speech.read(shared / "data" / "fsdd" / "recordings_subset", 8000)
    assert (len(found.train), len(found.test), found.classes) == (180, 120, tuple("0123456789"))


def test_wrong_rates_and_files_are_refused_in_a_sentence(tmp_path):
    tone(tmp_path / "a.wav", rate=16000)
    with pytest.raises(UserError, match=r"a\.wav has 16000 samples a second, not 8000"):
        speech.samples(tmp_path / "a.wav", 8000)
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError, match="not a PCM WAV"):
        speech.samples(tmp_path / "b.wav", 8000)
    with pytest.raises(UserError, match="put WAV files into train"):
        speech.read(tmp_path, 8000)
