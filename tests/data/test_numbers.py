"""Tables and speech as data sets of a run, and subsets of classes and labels of any."""
import types

import numpy as np
import pytest

from kdjax.data import source
from kdjax.errors import UserError


def load(dataset, **fields):
    base = dict(dataset=dataset, dir="", download=False, verify=True, stats="auto", image_size=None, per_class=0,
                valid_size=0, cache_dir="", table_stats="train", sample_rate=0, versions=0, class_ratio=1.0,
                label_ratio=1.0)
    return source.load(types.SimpleNamespace(**base | fields), 0)


def test_a_table_is_rows_of_floats():
    data = load("table_wine")
    assert data.train.images.shape[1] == data.image_size == data.numbers == 13 and data.mean == (0.0,)
    assert data.train.images.dtype == np.float32 and data.num_classes == 3


def test_a_csv_file_is_a_data_set(tmp_path):
    rows = np.c_[np.random.default_rng(0).standard_normal((40, 3)), np.arange(40) % 2]
    np.savetxt(tmp_path / "mine.csv", rows, delimiter=",")
    data = load(str(tmp_path / "mine.csv"))
    assert (data.name, data.num_classes, data.image_size) == ("mine", 2, 3)


def test_synthetic_words_are_spectrograms_with_augmented_versions():
    data = load("synthetic_words", sample_rate=8000, versions=2)
    assert data.train.images.shape[1:] == (32, 32, 1) and data.train.raw.shape[1:] == (2, 32, 32, 1)
    assert data.train.raw.dtype == np.float16 and data.train.images.min() > -80.1 and data.train.images.max() == 0
    again = load("synthetic_words", sample_rate=8000, versions=2)
    np.testing.assert_array_equal(data.train.raw, again.train.raw)
    assert not np.array_equal(data.train.raw[:, 0], data.train.raw[:, 1])


def test_subsets_keep_classes_and_shares_and_number_the_classes_anew():
    whole, half, few = load("digits"), load("digits", class_ratio=0.5), load("digits", label_ratio=0.1)
    assert half.num_classes == 5 == len(np.unique(half.train.labels)) == half.test.labels.max() + 1
    assert len(few.train.labels) == pytest.approx(0.1 * len(whole.train.labels), rel=0.05)
    assert len(few.test.labels) == len(whole.test.labels) and len(np.unique(few.train.labels)) == 10
    np.testing.assert_array_equal(load("digits", label_ratio=0.1).train.images, few.train.images)


def test_missing_files_and_columns_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"covtype\.data\.gz not found"):
        load("covtype", dir=str(tmp_path))
    (tmp_path / "covtype.data").write_text("1,2,3\n")
    with pytest.raises(UserError, match="3 columns, not 55"):
        load("covtype", dir=str(tmp_path))
    with pytest.raises(UserError, match="'speech_commands' not found"):
        load("speech_commands", dir=str(tmp_path))
