"""Tables: covtype and HIGGS as the originals parse them, others by their last column."""
import gzip

import numpy as np
import pytest

from kdjax.data.readers import table
from kdjax.errors import UserError
from tests.selfsup_golden import load


def test_covtype_and_higgs_are_parsed_as_in_the_original():
    data, _ = load("tabular")
    got = table.covtype(data["in.covtype_rows"], train=100, stats="all")
    np.testing.assert_allclose(np.concatenate([got.train, got.test]), data["f32.covtype.data"], atol=5e-7)
    np.testing.assert_array_equal(np.append(got.train_labels, got.test_labels), data["f32.covtype.targets"])
    for every, name in ((False, "higgs21"), (True, "higgs28")):
        got = table.higgs(data["in.higgs_rows"], every, stats="all", test=20)
        np.testing.assert_allclose(np.concatenate([got.train, got.test]), data[f"f32.{name}.data"], atol=5e-7)
    np.testing.assert_array_equal(np.append(got.train_labels, got.test_labels), data["f32.higgs21.targets"])


def test_the_subset_of_higgs_is_the_originals():
    data, _ = load("tabular")
    rows = np.random.RandomState(1).choice(10_500_000, 100_000, replace=False)
    np.testing.assert_array_equal(rows[:20], data["higgs100k.first20"])
    assert rows.sum() == data["higgs100k.sum"]
    small = np.arange(29.0 * 30, dtype=np.float32).reshape(30, 29)
    small[:, 0] = np.arange(30) % 2
    got = table.higgs(small, subset=7, test=10)
    chosen = np.random.RandomState(1).choice(20, 7, replace=False)
    np.testing.assert_array_equal(got.train_labels, small[chosen, 0])
    np.testing.assert_allclose(got.train.mean(0), 0, atol=1e-5)     # of the training rows that are used


def test_a_built_in_table_has_a_stratified_test():
    got = table.built_in("breast_cancer")
    assert got.train.shape[1] == 30 and got.numbers == 30 and got.num_classes == 2
    np.testing.assert_allclose(got.train.mean(0), 0, atol=1e-5)
    assert abs(got.test_labels.mean() - got.train_labels.mean()) < 0.01 and len(got.test) == 113


def test_csv_files_are_read_plain_zipped_and_with_names(tmp_path):
    text = "1,2,0\n3,4,1\n5,6,1\n"
    (tmp_path / "a.csv").write_text("x,y,label\n" + text)
    with gzip.open(tmp_path / "a.data.gz", "wt") as file:
        file.write(text)
    for name in ("a.csv", "a.data.gz"):
        np.testing.assert_array_equal(table.read(tmp_path / name, 3), [[1, 2, 0], [3, 4, 1], [5, 6, 1]])


@pytest.mark.parametrize(("text", "say"), [("1,2\n3\n", "no table of numbers"), ("1,2\n3,nan\n", "missing values"),
                                           ("1,2\n", "2 columns, not 55"), ("a,b\n1,c\n", "no table of numbers")])
def test_broken_tables_are_refused_in_a_sentence(tmp_path, text, say):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(UserError, match=say):
        table.read(tmp_path / "bad.csv", 55)
    with pytest.raises(UserError, match="cannot be read"):
        table.read(tmp_path / "none.csv")
