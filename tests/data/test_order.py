import numpy as np
import pytest

from kdjax.data import order as batches


def test_an_epoch_and_its_tail_hold_every_index_once():
    order, tail = batches.epoch_order(1, 2, 50, 16), batches.epoch_tail(1, 2, 50, 16)
    assert (order.shape, tail.shape) == ((3, 16), (2,))
    assert order.dtype == tail.dtype == np.int32
    assert sorted([*order.ravel(), *tail]) == list(range(50))


def test_order_depends_on_seed_and_epoch_and_nothing_else():
    one = batches.epoch_order(1, 2, 50, 16)
    np.random.seed(0)
    np.testing.assert_array_equal(one, batches.epoch_order(1, 2, 50, 16))
    assert (one != batches.epoch_order(1, 3, 50, 16)).any()
    assert (one != batches.epoch_order(2, 2, 50, 16)).any()
    np.testing.assert_array_equal(one.ravel()[:40], batches.epoch_order(1, 2, 50, 10).ravel()[:40])


def test_the_order_of_a_seed_never_changes_between_releases():
    """A resumed run depends on these numbers."""
    np.testing.assert_array_equal(batches.epoch_order(0, 0, 8, 4), [[7, 4, 5, 1], [6, 2, 0, 3]])


def test_tail_is_empty_where_batches_divide_and_everything_where_they_do_not_fit():
    assert batches.epoch_tail(0, 0, 32, 16).shape == (0,)
    assert batches.epoch_order(0, 0, 5, 16).shape == (0, 16)
    assert sorted(batches.epoch_tail(0, 0, 5, 16)) == [0, 1, 2, 3, 4]


def test_permutations_are_uniform():
    firsts = [batches.permutation(5, seed, batches.ORDER)[0] for seed in range(2000)]
    assert (abs(np.bincount(firsts) - 400) < 90).all()


def test_purposes_do_not_share_a_stream():
    draws = {tuple(batches.permutation(30, 0, purpose)) for purpose in range(1, 5)}
    assert len(draws) == 4


@pytest.mark.parametrize(("n", "size", "steps"), [(10, 4, 3), (8, 4, 2), (1, 4, 1), (0, 4, 0)])
def test_evaluation_sees_every_image_once_in_one_shape(n, size, steps):
    index, weights = batches.eval_batches(n, size)
    assert index.shape == weights.shape == (steps, size)
    assert index.dtype == np.int32
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(index[weights == 1], np.arange(n))
    assert (index[weights == 0] == 0).all()
