import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kdjax.data import source as sources
from kdjax.data.readers import images
from kdjax.errors import UserError


@pytest.fixture
def photos(tmp_path, png):
    """train and val, two classes, two images each; returns the root."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(2):
                (folder / f"{number}.png").write_bytes(png(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)))
    return tmp_path / "photos"


def read_back(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_classes_are_the_sorted_folders_and_images_their_files(photos, make_cfg):
    data = sources.load(make_cfg(dataset=str(photos)), 0)
    assert (data.name, data.num_classes, data.image_size) == ("photos", 2, 8)
    np.testing.assert_array_equal(data.train.labels, [0, 0, 1, 1])
    np.testing.assert_array_equal(data.train.images[3], read_back(photos / "train/dog/1.png"))
    np.testing.assert_array_equal(data.test.images[0], read_back(photos / "val/cat/0.png"))


def test_a_changed_folder_is_read_again(photos, make_cfg, png):
    sources.load(make_cfg(dataset=str(photos)), 0)
    (photos / "train/cat/9.png").write_bytes(png(np.zeros((8, 8, 3), np.uint8)))
    assert len(sources.load(make_cfg(dataset=str(photos)), 0).train.labels) == 5


@pytest.mark.filterwarnings("ignore:.*transparent pixels")
def test_grey_palette_and_transparent_images_become_rgb(photos, make_cfg):
    for mode in ("L", "P", "RGBA", "1", "LA", "CMYK"):
        Image.new(mode, (8, 8)).save(photos / "train/cat" / f"mode_{mode}.{'jpg' if mode == 'CMYK' else 'png'}")
    assert sources.load(make_cfg(dataset=str(photos)), 0).train.images.shape == (10, 8, 8, 3)


def test_colours_below_transparent_pixels_are_read_and_it_is_said(photos, make_cfg):
    for name, alpha in (("whole", 255), ("through", 0)):
        Image.new("RGBA", (8, 8), (200, 0, 0, alpha)).save(photos / f"train/cat/z_{name}.png")
    with pytest.warns(UserWarning, match=": 1 images have transparent pixels"):
        data = sources.load(make_cfg(dataset=str(photos)), 0)
    assert (data.train.images[2:4] == [200, 0, 0]).all()


def test_unequal_sizes_are_refused_or_resized(photos, make_cfg, png):
    (photos / "train/dog/big.png").write_bytes(png(np.zeros((20, 10, 3), np.uint8)))
    with pytest.raises(UserError, match="differ in size.*set data.image_size"):
        sources.load(make_cfg(dataset=str(photos)), 0)
    assert sources.load(make_cfg(dataset=str(photos), image_size=6), 0).train.images.shape == (5, 6, 6, 3)


def test_tiny_imagenet_layout(tmp_path, make_cfg, png):
    root = tmp_path / "tiny"
    for label, wnid in enumerate(("n01", "n02")):
        (root / "train" / wnid / "images").mkdir(parents=True)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("boxes")
        (root / "train" / wnid / "images" / "0.JPEG").write_bytes(png(np.full((8, 8, 3), label, np.uint8), "JPEG"))
    (root / "val/images").mkdir(parents=True)
    for number in range(3):
        (root / "val/images" / f"val_{number}.JPEG").write_bytes(png(np.full((8, 8, 3), 9 * number, np.uint8), "JPEG"))
    (root / "val/val_annotations.txt").write_text("val_2.JPEG\tn01\t0\t0\t1\t1\nval_0.JPEG\tn02\t0\t0\t1\t1\n")
    (root / "test/images").mkdir(parents=True)
    (root / "test/images/test_0.JPEG").write_bytes(b"unlabelled")
    data = sources.load(make_cfg(dataset=str(root)), 0)
    np.testing.assert_array_equal(data.train.labels, [0, 1])
    np.testing.assert_array_equal(data.test.labels, [1, 0])
    assert data.test.images[:, 0, 0, 0].tolist() == [0, 18]


def write(root, name, content):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)


@pytest.mark.parametrize(("name", "content", "words"), [
    ("train/cat/notes.txt", b"hello", r"1 of the 5 files .*1 text; the first is .*notes.txt"),
    ("train/cat/evil.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", r"1 EPS; .*evil.png"),
    ("train/cat/empty.png", b"", r"1 empty; .*empty.png"),
    ("train/cat/deep/x.png", b"", r"1 empty; .*deep/x.png"),
    ("train/cat/scan.tif", b"II*\0" + bytes(9), r"1 TIFF; .*scan.tif"),
    ("val/bird/0.png", b"", "class 'bird', which train/ lacks"),
])
def test_what_is_no_image_is_refused_by_name(photos, make_cfg, name, content, words):
    write(photos, name, content)
    with pytest.raises(UserError, match=words):
        sources.load(make_cfg(dataset=str(photos)), 0)


def test_hidden_files_are_passed_over(photos, make_cfg):
    write(photos, "train/cat/.DS_Store", b"finder")
    assert len(sources.load(make_cfg(dataset=str(photos)), 0).train.labels) == 4


def test_links_to_outside_are_refused(photos, make_cfg, tmp_path, png):
    (tmp_path / "secret.png").write_bytes(png(np.zeros((8, 8, 3), np.uint8)))
    (photos / "train/cat/link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(UserError, match="link.png is a link to outside"):
        sources.load(make_cfg(dataset=str(photos)), 0)


@pytest.mark.parametrize("missing", ["val", "train/dog", "val/*/*.png"])
def test_missing_parts_are_named(photos, make_cfg, missing):
    for path in sorted(photos.glob(missing), reverse=True):
        path.unlink() if path.is_file() else path.rename(photos.parent / "gone")
    with pytest.raises(UserError, match="train/<class>/|test/<class>/|holds no images|which train/ lacks"):
        sources.load(make_cfg(dataset=str(photos)), 0)


@pytest.mark.parametrize("line", ["../../x.png\tcat\t0", "0.png\tbird\t0", "0.png", "\tcat"])
def test_hostile_annotations_are_refused(photos, make_cfg, line):
    (photos / "val/val_annotations.txt").write_text(line + "\n")
    with pytest.raises(UserError, match="cannot use the line"):
        sources.load(make_cfg(dataset=str(photos)), 0)


def test_an_annotated_image_that_is_missing_is_named(photos, make_cfg):
    (photos / "val/val_annotations.txt").write_text("0.png\tcat\n")
    with pytest.raises(UserError, match="val/images/0.png"):
        sources.load(make_cfg(dataset=str(photos)), 0)


def test_image_bombs_are_refused_before_decoding(monkeypatch, png):
    bomb = png(np.zeros((300, 300, 3), np.uint8))
    assert images.decode(bomb, "x").shape == (300, 300, 3)
    monkeypatch.setattr(images, "MAX_PIXELS", 80_000)
    with pytest.raises(UserError, match="80,000 pixels, a decompression bomb"):
        images.decode(bomb, "x.png")


def test_a_png_that_claims_to_be_enormous_is_refused_at_once(png):
    claim = bytearray(png(np.zeros((8, 8, 3), np.uint8)))
    claim[16:24] = (60_000).to_bytes(4, "big") * 2
    claim[29:33] = struct.pack(">I", zlib.crc32(claim[12:29]))
    with pytest.raises(UserError, match="decompression bomb"):
        images.decode(bytes(claim), "x.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_truncated_images_are_refused(png, kind):
    content = png(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8), kind)
    with pytest.raises(UserError, match="not a whole"):
        images.decode(content[: len(content) // 2], "x")


@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.data())
def test_fuzzed_images_give_pixels_or_one_sentence(png, damage):
    content = bytearray(png(np.full((9, 9, 3), 77, np.uint8), damage.draw(st.sampled_from(images.FORMATS))))
    for _ in range(damage.draw(st.integers(1, 4))):
        content[damage.draw(st.integers(0, len(content) - 1))] = damage.draw(st.integers(0, 255))
    try:
        pixels = images.decode(bytes(content), "fuzz", 8)
    except UserError:
        return
    assert pixels.shape == (8, 8, 3)
