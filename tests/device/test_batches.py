"""Batches and devices that do not fit each other are refused; evaluation fits itself. Devices are only counted here."""
import types

import numpy as np
import pytest

from kdjax import config as configs
from kdjax.device.placement import Placement
from kdjax.errors import UserError


def placed(count=4, batch=16, replicas=1, mode="jit") -> Placement:
    """A placement on so many devices, of which only the number matters."""
    config = configs.default()
    config.data.batch_size, config.replicas, config.parallel = batch, replicas, mode
    made = object.__new__(Placement)
    made.devices, made.mode, made.replicas = [types.SimpleNamespace()] * count, mode, replicas
    made.check(config)
    return made


@pytest.mark.parametrize(("how", "says"), [
    ({"batch": 18}, "batch_size=18 does not divide over the 4 devices"),
    ({"batch": 16, "replicas": 3}, "batch_size=16 does not divide into config.replicas=3"),
    ({"count": 1, "batch": 16, "replicas": 3}, "does not divide into config.replicas=3"),
    ({"count": 1, "replicas": 0}, "config.replicas=0"), ({"replicas": 2}, "must be 1 or a multiple of the 4 devices"),
    ({"mode": "xmap"}, "'xmap' is not a mode"), ({"mode": "pmap", "replicas": 8}, "leave config.replicas at 1")])
def test_what_does_not_divide_is_refused(how, says):
    with pytest.raises(UserError, match=says):
        placed(**how)


def test_what_divides_is_taken():
    assert placed().divisor == 4 and placed(replicas=8).divisor == 8 and placed(count=1, replicas=2).divisor == 2
    assert placed(mode="pmap").replicas_of_pmap == 4 and placed().replicas_of_pmap == 1


@pytest.mark.parametrize(("wanted", "images", "size"), [(500, 10000, 500), (500, 359, 360), (3, 10, 4), (8, 8, 8)])
def test_an_evaluation_s_batch_is_about_what_is_wanted_and_divides(wanted, images, size):
    assert placed().eval_batch(wanted, images) == size


@pytest.mark.parametrize(("rows", "fits"), [(16, True), (8, True), (6, False), (1, False)])
def test_a_last_batch_that_does_not_divide_is_refused(rows, fits):
    made = placed()
    made.put = lambda order, sharding: order
    made.split = None
    if fits:
        assert made.put_order(np.zeros((1, rows), np.int32)).shape == (1, rows)
    else:
        with pytest.raises(UserError, match=f"the last batch of an epoch has {rows} images"):
            made.put_order(np.zeros((1, rows), np.int32))


def test_a_method_with_a_memory_computes_on_the_whole_batch_only():
    placed().check_memories(["crd"])
    placed(replicas=4).check_memories([])
    for made in (placed(replicas=4), placed(mode="pmap")):
        with pytest.raises(UserError, match="crd keeps a memory that 4 replicas"):
            made.check_memories(["crd"])
