"""A module that leaves a mark when it is imported, and networks on disk that name it."""
import json
import sys

import jax
import numpy as np
import pytest

from kdjax import models
from kdjax.files.download import digest
from kdjax.weights import folder as export

CODE = """
import pathlib
from flax import nnx
pathlib.Path(__file__).with_name("executed").touch()


class Net(nnx.Module):
    def __init__(self, num_classes, rngs):
        self.fc = nnx.Linear(3, num_classes, rngs=rngs)

    def __call__(self, x):
        return self.fc(x.mean((1, 2))), {}
"""


@pytest.fixture
def extra(tmp_path, monkeypatch):
    """(name of an importable module, whether it ran): code that lies where the user works."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "strange_code.py").write_text(CODE)
    yield "strange_code", lambda: (tmp_path / "executed").exists()
    sys.modules.pop("strange_code", None)


@pytest.fixture
def stranger(tmp_path):
    """Writes a good network's folder and puts another name into its network.json."""
    def write(name, folder="stranger"):
        path = tmp_path / folder
        net = models.build("resnet8", num_classes=10, image_size=16)
        export.save_network(path, net, net.init(jax.random.key(0)))
        said = json.loads((path / export.DESCRIPTION).read_text())
        (path / export.DESCRIPTION).write_text(json.dumps({**said, "name": name}))
        assert said["weights_sha256"] == digest(path / export.WEIGHTS)
        return path
    return write


@pytest.fixture
def arrays():
    """12 training and 6 test images of 3 classes, 8x8."""
    image = lambda n: np.zeros((n, 8, 8, 3), np.uint8)
    return dict(train_images=image(12), train_labels=np.arange(12) % 3,
                test_images=image(6), test_labels=np.arange(6) % 3)
