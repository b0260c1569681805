"""The figures of trained networks: numbers printed, files written, colours where they belong."""
import json

import jax
import numpy as np
import pytest
from PIL import Image

from kdjax import models, plot
from kdjax.data import stats, views
from kdjax.data.readers import digits
from kdjax.errors import UserError
from kdjax.tables import drawing, logit_figures
from kdjax.weights.folder import save_network


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two untrained networks on the digits: (their folders, their logits)."""
    root, data = tmp_path_factory.mktemp("nets"), digits.read()
    pictures, logits = views.normalize(data.test.images, *stats.STATS["digits"]), {}
    for seed, name in enumerate(("student", "teacher")):
        net = models.build("wrn_10_1", num_classes=10)
        variables = net.init(jax.random.key(seed))
        save_network(root / f"a_{name}", net, variables)
        logits[name] = np.asarray(net.apply(variables, pictures, train=False)[0].logits, np.float64)
    return root, logits, data.test.labels


def test_the_heat_map_says_its_greatest_and_mean_difference(pair, tmp_path, capsys):
    root, logits, labels = pair
    plot.main(["correlation", str(root / "a_student"), "--teacher", str(root / "a_teacher"), "--dataset", "digits",
               "--out", str(tmp_path)])
    said = json.loads(capsys.readouterr().out)
    score = lambda x: (x - x.mean(1, keepdims=True)) / x.std(1, ddof=1, keepdims=True)
    matrix = {k: np.stack([score(v)[labels == c].mean(0) for c in range(10)]) for k, v in logits.items()}
    want = abs(matrix["student"] - matrix["teacher"]) * (1 - np.eye(10))
    np.testing.assert_allclose([said["max"], said["mean"]], [want.max(), want.mean()], rtol=1e-3)
    assert said["argmax"] == list(np.unravel_index(want.argmax(), want.shape))
    png, pdf = (tmp_path / f"correlation_a_student_a_teacher.{ending}" for ending in ("png", "pdf"))
    assert min(Image.open(png).size) > 1500 and pdf.read_bytes().startswith(b"%PDF")


def test_the_heat_map_is_white_on_its_diagonal_and_blue_where_networks_differ(tmp_path):
    difference = np.zeros((10, 10))
    difference[0] = 3.0
    difference[0, 0] = 0.0
    with logit_figures.heat_map(difference, "x") as figure:
        drawing.save(figure, tmp_path / "map", dpi=100)
    picture = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).astype(int)
    middle = picture[:, picture.shape[1] // 2]
    dark = (middle - [8, 48, 107]) ** 2
    assert (dark.sum(-1) < 50).sum() > 20, "the first row is not drawn in the darkest blue"


def test_tsne_embeds_the_penultimate_features_too(pair, tmp_path, capsys):
    plot.main(["tsne", str(pair[0] / "a_student"), "--dataset", "digits", "--features", "penultimate",
               "--out", str(tmp_path)])
    assert json.loads(capsys.readouterr().out)["images"] == 359
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tsne_a_student.pdf", "tsne_a_student.png"]


def test_tsne_separates_what_is_apart():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(0, 1, (30, 8)), rng.normal(30, 1, (30, 8))]).astype(np.float32)
    points = logit_figures.embed(features)
    centres = points[:30].mean(0), points[30:].mean(0)
    spread = max(points[:30].std(), points[30:].std())
    assert np.linalg.norm(centres[0] - centres[1]) > 3 * spread


def test_a_network_of_other_data_is_refused(pair, tmp_path):
    net = models.build("wrn_10_1", num_classes=7)
    save_network(tmp_path / "seven", net, net.init(jax.random.key(0)))
    with pytest.raises(UserError, match="has 7 classes"):
        plot.main(["tsne", str(tmp_path / "seven"), "--dataset", "digits", "--out", str(tmp_path)])
