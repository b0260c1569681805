"""The real folders beside the project, where they are."""
import numpy as np
import pytest

from kdjax.data import source as sources
from kdjax.errors import UserError


@pytest.mark.slow
def test_cifar10_is_decoded_whole_and_then_cached(shared, make_cfg):
    cfg = make_cfg(dataset="cifar10", dir=str(shared / "data/tfds"))
    data = sources.load(cfg, 0)
    assert (data.train.images.shape, data.test.images.shape) == ((50000, 32, 32, 3), (10000, 32, 32, 3))
    assert (np.bincount(data.train.labels) == 5000).all()
    measured = sources.stats.measure(data.train.images)
    np.testing.assert_allclose(measured, ((0.4913, 0.4821, 0.4465), (0.2452, 0.2428, 0.2606)), atol=6e-5)
    again = sources.load(cfg, 0)
    np.testing.assert_array_equal(again.train.images, data.train.images)


def test_the_cifar100_stand_in_is_refused_as_official_and_read_on_request(shared, make_cfg):
    cfg = make_cfg(dataset="cifar100", dir=str(shared / "data/tiny_imagenet100_32"))
    with pytest.raises(UserError, match="not the official file"):
        sources.load(cfg, 0)
    cfg.verify = False
    data = sources.load(cfg, 0)
    assert (np.bincount(data.train.labels) == 20).all()
    assert (np.bincount(data.test.labels) == 5).all()


def test_the_tiny_imagenet_subset_is_read_in_its_own_layout(shared, make_cfg):
    cfg = make_cfg(dataset=str(shared / "data/tiny-imagenet-200-subset"))
    data = sources.load(cfg, 0)
    assert (data.num_classes, data.image_size) == (20, 64)
    assert (np.bincount(data.train.labels) == 50).all()
    assert (np.bincount(data.test.labels) == 50).all()
