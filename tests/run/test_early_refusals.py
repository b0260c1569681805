"""What cannot work is said before anything is compiled, with the remedy that helps."""
import jax
import numpy as np
import pytest
from flax import nnx

from kdjax import config
from kdjax.config.check import check
from kdjax.data import source, views
from kdjax.device.placement import Placement
from kdjax.errors import UserError
from kdjax.models.layers import BatchNorm
from kdjax.run.run import run


class Pooled(nnx.Module):
    """A batch norm of pooled vectors, which one image alone cannot train."""

    def __init__(self, num_classes, rngs):
        self.norm, self.fc = BatchNorm(3), nnx.Linear(3, num_classes, rngs=rngs)

    def __call__(self, x):
        return self.fc(self.norm(x.mean((1, 2)))), {}


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A run of 80 digits of 8x8 that would train, but for what a test changes; compiling fails the test."""
    monkeypatch.setattr(Placement, "compile", lambda *_: pytest.fail("compiled"))
    fields = config.default()
    fields.student.name = f"{__name__}:Pooled"
    fields.experiment.workdir = str(tmp_path / "run")
    fields.data.update({"per_class": 8, "image_size": 8, "batch_size": 79, "drop_last": False})
    fields.log.update({"tensorboard": False, "plots": False})
    return fields


@pytest.mark.parametrize(("batch", "replicas"), [(79, 1), (39, 2)])
def test_a_last_batch_of_one_image_is_refused_before_compiling_with_the_right_remedy(settings, batch, replicas):
    settings.data.batch_size, settings.replicas = batch - batch % replicas, replicas
    if replicas == 2:
        settings.data.batch_size = 78
    with pytest.raises(UserError, match="config.data.drop_last=True") as caught:
        run(settings)
    assert "last batch" in str(caught.value) and "80 images" in str(caught.value)


def test_a_network_that_can_be_trained_on_one_image_is_not_refused(settings):
    settings.student.name = "resnet8"
    with pytest.raises(pytest.fail.Exception, match="compiled"):
        run(settings)


@pytest.mark.slow
def test_mobilenet_on_small_images_is_refused_so(settings):
    settings.student.name = "MobileNetV2"
    with pytest.raises(UserError, match="config.data.drop_last=True"):
        run(settings)


@pytest.mark.parametrize("padding", ["reflect", "zero"])
@pytest.mark.parametrize("crop", [8, 9, 4096])
def test_a_crop_as_large_as_the_image_is_refused(settings, padding, crop):
    settings.data.update({"padding": padding, "crop": crop})
    with pytest.raises(UserError, match=f"data.crop={crop} .* 8 pixels"):
        run(settings)


def test_the_largest_crop_that_fits_gives_images():
    images = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    for padding in ("reflect", "zero"):
        assert views.augment(images, jax.random.key(0), crop=7, padding=padding).shape == images.shape


@pytest.mark.parametrize("weight", [float("inf"), float("nan"), -1.0, 1e300])
def test_a_method_s_weight_is_a_finite_number(weight):
    fields = config.default()
    fields.method.weights = (weight,)
    with pytest.raises(UserError, match="config.method.weights"):
        check(fields)


def test_one_class_is_not_trained_on(settings, tmp_path):
    arrays = {f"{split}_{kind}": np.zeros((80, 8, 8, 3) if kind == "images" else 80, np.uint8)
              for split in ("train", "test") for kind in ("images", "labels")}
    np.savez(tmp_path / "one.npz", **arrays)
    settings.data.update({"dataset": str(tmp_path / "one.npz"), "per_class": 0})
    with pytest.raises(UserError, match="at least two"):
        source.load(settings.data, 0)
