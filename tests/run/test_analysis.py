"""Class-wise logits of two networks, and how they differ."""
import numpy as np
import pytest

from kdjax.errors import UserError
from kdjax.run import analysis

LOGITS = np.array([[1.0, 2, 3], [3, 2, 1], [0, 4, 2], [6, 0, 0]])
LABELS = np.array([0, 0, 1, 2])


def test_a_row_is_the_mean_logit_vector_of_its_class():
    matrix = analysis.class_logits(LOGITS, LABELS, 3, standardize=False)
    np.testing.assert_array_equal(matrix, [[2, 2, 2], [0, 4, 2], [6, 0, 0]])


def test_standardized_rows_ignore_an_offset_and_a_scale():
    one, other = (analysis.class_logits(x, LABELS, 3, standardize=True) for x in (LOGITS, 5 * LOGITS + 7))
    np.testing.assert_allclose(one, other, atol=1e-12)


def test_the_difference_has_no_diagonal():
    difference = analysis.correlation_difference(np.eye(3), np.ones((3, 3)))
    np.testing.assert_array_equal(difference, 1 - np.eye(3))


def test_a_class_without_samples_is_refused_in_a_sentence():
    with pytest.raises(UserError, match="class 3 has no sample"):
        analysis.class_logits(np.ones((4, 4)), LABELS, 4, standardize=False)


def test_the_shared_matrices_are_reproduced(shared):
    z = np.load(shared / "golden" / "transfer" / "correlation_difference.npz")
    for name, standardize in (("standardized", True), ("raw", False)):
        t, s = (analysis.class_logits(z[f"logits_{k}"], z["labels"], 8, standardize=standardize) for k in "ts")
        np.testing.assert_allclose(analysis.correlation_difference(s, t), z[f"{name}.difference"], atol=1e-12)
