"""Checks of shapes name the loss, what came, and what should have."""
import jax.numpy as jnp
import pytest

from kdjax import losses
from kdjax.losses import selfsup, shapes

ROWS = jnp.ones((4, 3))


def test_what_broadcasting_would_hide_is_refused():
    with pytest.raises(ValueError, match=r"hint: student \(1, 1\) and teacher \(1, 3\)"):
        shapes.same_shape("hint", jnp.ones((1, 1)), jnp.ones((1, 3)))
    with pytest.raises(ValueError, match="channels"):
        shapes.same_channels("fsp", jnp.ones((1, 4)), jnp.ones((1, 3)))
    with pytest.raises(ValueError, match=r"pkt: shapes \(4, 3\), \(1, 3\) must begin with the same batch"):
        shapes.same_batch("pkt", ROWS, ROWS[:1])
    with pytest.raises(ValueError, match=r"rrd: the queue must be rows of 3 numbers each, not \(8, 1\)"):
        shapes.same_rows("rrd", ROWS, jnp.ones((8, 1)), "the queue")


def test_memories_take_rows_of_their_width_and_no_more_than_they_hold():
    with pytest.raises(ValueError, match="same shape"):
        losses.memory_update(ROWS, ROWS[:1])
    with pytest.raises(ValueError, match="rows of 1 numbers"):
        losses.queue_enqueue(jnp.ones((8, 3)), 0, ROWS[:, :1])
    with pytest.raises(ValueError, match="4 keys do not fit into a queue of 2"):
        losses.queue_enqueue(jnp.ones((2, 3)), 0, ROWS)


def test_semckd_s_attention_is_between_equal_batches_and_widths():
    with pytest.raises(ValueError, match="same batch"):
        losses.semckd_weights(jnp.ones((4, 2, 3)), jnp.ones((1, 2, 3)))
    with pytest.raises(ValueError, match="equally many channels"):
        losses.semckd_weights(jnp.ones((4, 2, 3)), jnp.ones((4, 2, 1)))


@pytest.mark.parametrize("loss", [selfsup.npair, selfsup.byol])
def test_views_that_are_compared_and_mixed_row_by_row_have_as_many(loss):
    with pytest.raises(ValueError, match="same shape"):
        loss(ROWS, ROWS[:1])
    with pytest.raises(ValueError, match="one partner and one lam"):
        loss(ROWS, ROWS, partner=jnp.arange(4), lam=jnp.ones((4, 1)))


def test_a_queue_is_as_wide_as_the_keys():
    for loss in (selfsup.moco, selfsup.mocon):
        with pytest.raises(ValueError, match="rows of 3 numbers"):
            loss(ROWS, ROWS, jnp.ones((8, 1)))
