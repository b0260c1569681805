"""What a user brings: inputs of each kind of trouble, made here, and those given beside the project where they are."""
import io
import unicodedata
import warnings

import numpy as np
import pytest
from PIL import Image

from kdjax.data import source
from kdjax.data.readers import formats, images
from kdjax.errors import UserError
from kdjax.weights import convert
from kdjax.weights import folder as export
from tests.data.conftest import arrays, make_cfg, make_tfds, png  # noqa: F401 (fixtures)


@pytest.fixture
def tree(tmp_path):
    """Writes {path below the root: bytes, array or image} and returns the root."""
    def write(files, root="tree"):
        for name, content in files.items():
            path = tmp_path / root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                (content if isinstance(content, Image.Image) else Image.fromarray(content)).save(path)
        return tmp_path / root
    return write


def square(value, size=8):
    return np.full((size, size, 3), value, np.uint8)


def plain(**more):
    """Two classes, two images each, and what a case adds (dots for slashes in no name: give the path itself)."""
    return {f"{split}/{name}/{row}.png": square(10 * row + len(name)) for split in ("train", "test")
            for name in ("cat", "horse") for row in range(2)} | more


@pytest.fixture
def load(make_cfg):  # noqa: F811
    """(data, what was warned of) of a data set given by its path."""
    def read(path, **fields):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            data = source.load(make_cfg(dataset=str(path), **fields), 0)
        return data, [str(warning.message) for warning in caught]
    return read


def refused(load, path, *words, **fields):
    with pytest.raises(UserError) as caught:
        load(path, **fields)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


# Images deeper than 8 bits --------------------------------------------------------------------------------------------

RAMP = (np.arange(32 * 32, dtype=np.uint16) * 64).reshape(32, 32)  # 1024 levels of 16 bits, 256 of 8


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def big_endian_pgm(pixels, most=65535):
    return f"P5\n{pixels.shape[1]} {pixels.shape[0]}\n{most}\n".encode() + pixels.astype(">u2").tobytes()


@pytest.mark.parametrize("data", [
    encoded(Image.fromarray(RAMP), "PNG"), big_endian_pgm(RAMP),
    encoded(Image.fromarray(RAMP.astype(np.int32)), "PPM")], ids=["PNG", "PGM", "mode I"])
def test_sixteen_bits_are_scaled_to_eight_and_said(data):
    decoder = images.Decoder()
    pixels = decoder(data, "x")
    np.testing.assert_array_equal(pixels, np.repeat((RAMP >> 8)[..., None], 3, axis=2))
    assert len(np.unique(pixels)) == 256 and "16 bits" in decoder.notes()[0]


def test_a_pgm_of_twelve_bits_is_scaled_by_its_own_maximum():
    twelve = (RAMP >> 4).astype(np.uint16)
    pixels = images.decode(big_endian_pgm(twelve, 4095), "x")
    assert abs(pixels[..., 0].astype(int) - (twelve >> 4)).max() <= 1


def test_sixteen_bit_colour_keeps_its_upper_half():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 65536, (8, 8, 3)).astype(">u2")
    ppm = b"P6\n8 8\n65535\n" + pixels.tobytes()
    assert abs(images.decode(ppm, "x").astype(int) - (pixels >> 8)).max() <= 1


@pytest.mark.parametrize(("data", "words"), [
    (encoded(Image.fromarray((RAMP >> 8).astype(np.uint16)), "PNG"), "8-bit values"),
    (b"Pf\n8 8\n-1.0\n" + np.ones(64, "<f4").tobytes(), "floating-point")])
def test_pixels_of_unknown_range_are_refused_by_name(data, words):
    with pytest.raises(UserError, match=words):
        images.decode(data, "x.png")


def test_floating_point_and_32_bit_pixels_are_refused_by_name():
    deep = np.full((4, 4), 1 << 20, np.int32)
    for array, words in ((np.ones((4, 4), np.float32), "floating-point"), (deep, "more than 16 bits")):
        with pytest.raises(UserError, match=words):
            images.Decoder()._rgb(Image.fromarray(array), "x")


def test_sixteen_bit_images_of_tfds_are_scaled(load, make_tfds):  # noqa: F811
    root = make_tfds(image=encoded(Image.fromarray(RAMP), "PNG"))
    data, said = load(root / "shapes" / "1.0.0")
    np.testing.assert_array_equal(data.train.images[0, ..., 0], RAMP >> 8)
    assert any("16 bits" in text for text in said)


def test_what_was_done_to_the_images_is_said_again_when_they_come_from_the_cache(tree, load):
    root = tree(plain(**{"train/cat/9.png": Image.fromarray(RAMP[:8, :8] + 2048)}))
    first, again = load(root)[1], load(root)[1]
    assert first == again != []


# Classes without images -----------------------------------------------------------------------------------------------

def test_an_empty_class_folder_is_refused_by_name_or_allowed(tree, load):
    root = tree(plain(**{"train/emu/.keep": b"", "train/yak/Thumbs.db": b"x"}))
    refused(load, root, "1 (emu)", "3 (yak)", "allow_empty_classes")
    assert load(root, allow_empty_classes=True)[0].num_classes == 4


def test_labels_that_count_from_one_are_refused_with_the_cure(tmp_path, load, arrays):  # noqa: F811
    np.savez(tmp_path / "x.npz", **{key: value + 1 if "labels" in key else value for key, value in arrays.items()})
    refused(load, tmp_path / "x.npz", "class 0", "labels - 1")


def test_a_class_that_a_subset_lacks_is_refused_by_number(tmp_path, load, arrays):  # noqa: F811
    arrays["train_labels"] = np.array([0, 2] * 6)
    np.savez(tmp_path / "x.npz", **arrays)
    refused(load, tmp_path / "x.npz", "class 1", "subset")


def test_a_tfds_label_that_no_record_has_is_refused(load, make_tfds):  # noqa: F811
    refused(load, make_tfds(count=2) / "shapes" / "1.0.0", "class 2")


def test_one_class_alone_is_no_data_set(tmp_path, load, arrays):  # noqa: F811
    np.savez(tmp_path / "x.npz", **{key: value * 0 if "labels" in key else value for key, value in arrays.items()})
    refused(load, tmp_path / "x.npz", "1 class", "at least two")


# EXIF -----------------------------------------------------------------------------------------------------------------

def held_sideways(kind="JPEG", orientation=6):
    """White above black, stored with an orientation tag that turns it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = 255
    return encoded(Image.fromarray(pixels), kind, exif=exif)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_is_said_once_or_applied(tree, load, kind):
    size = {"image_size": 16}
    root = tree(plain(**{f"train/cat/9.{kind.lower()}": held_sideways(kind)}))
    data, said = load(root, **size)
    assert len(said) == 1 and "EXIF" in said[0] and "data.exif=apply" in said[0]
    assert data.train.images[2, 2, 8, 0] > 200 and data.train.images[2, 13, 8, 0] < 50
    data, said = load(root, exif="apply", **size)
    assert said == [] and data.train.images[2, 8, 13, 0] > 200 and data.train.images[2, 8, 2, 0] < 50


def test_upright_images_are_not_talked_about(tree, load):
    assert load(tree(plain(**{"train/cat/9.jpg": held_sideways(orientation=1)})), image_size=16)[1] == []


# Files beside images, folders in folders, other formats ---------------------------------------------------------------

@pytest.mark.parametrize("name", [
    "train/cat/Thumbs.db", "train/cat/desktop.ini", "train/.DS_Store", "train/cat/._0.png",
    "train/__MACOSX/cat/._0.png", "test/cat/@eaDir/0.png/x", "train/cat/.ipynb_checkpoints/0.png", "Thumbs.db",
    "train/cat/ehthumbs.db"])
def test_what_systems_leave_is_passed_over(tree, load, name):
    data, said = load(tree(plain(**{name: b"rubbish"})))
    assert (len(data.train.labels), len(data.test.labels), data.num_classes, said) == (4, 4, 2, [])


def test_nested_class_folders_are_read(tree, load):
    data, _ = load(tree(plain(**{"train/cat/day1/x.png": square(99), "train/cat/day1/a/y.png": square(98),
                                 "test/horse/images/z.png": square(97), "test/horse/more/z.png": square(96)})))
    assert data.train.labels.tolist() == [0, 0, 0, 0, 1, 1] and data.test.labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert {98, 99} <= {*data.train.images[:4, 0, 0, 0].tolist()}


def test_images_beside_an_images_folder_are_not_lost(tree, load):
    data, _ = load(tree(plain(**{"train/cat/images/x.png": square(99)})))
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(("kind", "name"), [("TIFF", "a.tif"), ("GIF", "a.gif"), ("PDF", "a.pdf"), ("ICO", "a.ico")])
def test_other_formats_are_named_and_counted_once(tree, load, kind, name):
    picture = encoded(Image.fromarray(square(5, 16)), kind)
    told = {"ICO": "icon"}.get(kind, kind)
    others = {f"train/cat/{name}": picture, f"train/horse/{name}": picture, "train/horse/notes.txt": b"hello"}
    root = tree(plain(**others))
    refused(load, root, "3 of the 7 files", f"2 {told}", "1 text", name)


def test_broken_images_are_counted(tree, load):
    whole = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)), "PNG")
    root = tree(plain(**{f"train/cat/broken{row}.png": whole[:60] for row in range(3)}))
    refused(load, root, "broken0.png is not a whole", "2 of the other files")


@pytest.mark.parametrize("kind", formats.READ)
def test_every_format_that_is_read_is_recognised_whatever_its_name(tree, load, kind):
    root = tree(plain(**{"train/cat/picture.dat": encoded(Image.fromarray(square(5)), kind)}))
    assert len(load(root)[0].train.labels) == 5


def test_a_link_to_a_folder_is_refused_not_followed(tree, load, tmp_path):
    root = tree(plain())
    (root / "train/cat/more").symlink_to(tmp_path)
    refused(load, root, "more is a link")


# Unicode --------------------------------------------------------------------------------------------------------------

CAFE = {form: unicodedata.normalize(form, "café") for form in ("NFC", "NFD")}


@pytest.mark.parametrize(("train", "test"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_class_names_are_matched_whatever_their_normal_form(tree, load, train, test):
    data, _ = load(tree(plain(**{f"train/{CAFE[train]}/0.png": square(9), f"test/{CAFE[test]}/0.png": square(8)})))
    assert data.num_classes == 3 and data.test.images[data.test.labels == 0].max() == 8


def test_two_folders_of_one_name_are_refused(tree, load):
    refused(load, tree(plain(**{f"train/{name}/0.png": square(9) for name in CAFE.values()})), "normal form")


def test_annotations_are_matched_whatever_their_normal_form(tree, load):
    root = tree({f"train/{CAFE['NFD']}/images/0.png": square(1), "train/dog/images/0.png": square(2),
                 f"val/images/{CAFE['NFD']}.png": square(3),
                 "val/val_annotations.txt": f"{CAFE['NFC']}.png\t{CAFE['NFC']}\t0\n".encode()})
    assert load(root)[0].test.labels.tolist() == [0]


@pytest.mark.parametrize(("there", "asked"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_data_set_is_found_whatever_the_normal_form_of_its_name(tree, load, there, asked):
    root = tree(plain(), CAFE[there])
    assert load(root.parent / CAFE[asked])[0].num_classes == 2
    assert load(CAFE[asked], dir=str(root.parent))[0].num_classes == 2


def test_a_name_that_differs_by_more_is_named_with_the_near_one(tree, load):
    refused(load, tree(plain(**{"test/Cat/0.png": square(1)})), "'Cat'", "did you mean 'cat'?")


# Arrays ---------------------------------------------------------------------------------------------------------------

GREY = np.random.default_rng(1).integers(0, 256, (12, 8, 8), dtype=np.uint8)
COLOUR = np.random.default_rng(2).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3


def save(path, images=COLOUR, labels=LABELS, keys=("train_images", "train_labels", "test_images", "test_labels")):
    np.savez(path, **dict(zip(keys, (images, labels, images, labels), strict=True)))
    return path


@pytest.mark.parametrize(("images", "want"), [
    (GREY, GREY[..., None].repeat(3, 3)), (GREY[..., None], GREY[..., None].repeat(3, 3)),
    (GREY[:, None], GREY[..., None].repeat(3, 3)), (COLOUR.transpose(0, 3, 1, 2), COLOUR),
    (COLOUR.astype(np.int64), COLOUR), (COLOUR.astype(np.uint16), COLOUR), (np.asfortranarray(COLOUR), COLOUR)])
def test_the_same_pixels_in_other_layouts_are_read(tmp_path, load, images, want):
    data, _ = load(save(tmp_path / "x.npz", images))
    np.testing.assert_array_equal(data.train.images, want)
    np.testing.assert_array_equal(data.test.images, want)


@pytest.mark.parametrize("labels", [LABELS[:, None], LABELS.astype(np.uint8), LABELS.astype(np.int64)[:, None]])
def test_labels_of_one_column_are_read(tmp_path, load, labels):
    np.testing.assert_array_equal(load(save(tmp_path / "x.npz", labels=labels))[0].train.labels, LABELS)


@pytest.mark.parametrize("keys", [
    ("x_train", "y_train", "x_test", "y_test"), ("X_train", "y_train", "X_test", "y_test")])
def test_the_words_of_other_tools_are_understood(tmp_path, load, keys):
    np.testing.assert_array_equal(load(save(tmp_path / "x.npz", keys=keys))[0].train.images, COLOUR)


REPAIRS = {
    "floats": (dict(images=COLOUR / 255), "(255 * train_images).round().astype('uint8')"),
    "deep": (dict(images=COLOUR.astype(np.uint16) * 257), "(train_images >> 8).astype('uint8')"),
    "bits": (dict(images=COLOUR > 9), "(255 * train_images).astype('uint8')"),
    "transparent": (dict(images=np.concatenate([COLOUR, COLOUR[..., :1]], 3)), "train_images[..., :3]"),
    "one column a class": (dict(labels=np.eye(3, dtype=int)[LABELS]), "train_labels.argmax(1)"),
    "floating labels": (dict(labels=LABELS.astype(float)), "train_labels.astype(int)"),
    "images last": (dict(images=COLOUR.transpose(1, 2, 3, 0)), "train_images.transpose(3, 0, 1, 2)"),
    "flat": (dict(images=np.full((12, 784), 9, np.uint8)), "train_images.reshape(-1, 28, 28)"),
}


@pytest.mark.parametrize("what", REPAIRS)
def test_other_arrays_are_refused_with_the_line_that_repairs_them(tmp_path, load, what):
    change, line = REPAIRS[what]
    path = save(tmp_path / "x.npz", **change)
    refused(load, path, line)
    stored = dict(np.load(path))
    for split in ("train", "test"):
        for kind in ("images", "labels"):
            if kind in line:
                code = line.replace("train_", f"{split}_")
                stored[f"{split}_{kind}"] = eval(code, {}, stored)
    np.savez(tmp_path / "y.npz", **stored)
    assert load(tmp_path / "y.npz")[0].num_classes == 3


def test_labels_by_name_are_refused_with_the_lines_that_number_them(tmp_path, load):
    refused(load, save(tmp_path / "x.npz", labels=np.array(["cat", "dog"] * 6)), "classes.index(name)")


def test_held_out_images_never_empty_a_class(tmp_path, load):
    path = save(tmp_path / "x.npz", labels=np.array([0] * 6 + [1] * 6))
    assert len(load(path, valid_size=2)[0].valid.labels) == 2
    refused(load, path, "leaves no training image of class", valid_size=11)


# The cases beside the project -----------------------------------------------------------------------------------------

@pytest.fixture
def cases(shared):
    if not (shared / "cases").is_dir():
        pytest.skip("the given cases are not beside the project")
    return shared / "cases"


@pytest.mark.parametrize("case", ["01-scheduler-counter", "02-compiled-prefix", "08-mmpretrain", "09-option-b"])
def test_the_given_checkpoints_are_converted(cases, tmp_path, case):
    assert convert.to_folder(str(cases / case / "model.pth"), str(tmp_path / "out")) == 0
    net, *_ = export.load_network(tmp_path / "out")
    assert (net.name, net.num_classes) == ("resnet8", 10)
    assert convert.to_file(str(tmp_path / "out"), str(tmp_path / "a.safetensors"), torch=False) == 0
    assert convert.to_folder(str(tmp_path / "a.safetensors"), str(tmp_path / "B"), name="resnet8") == 0
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("out", "B")]
    assert weights[0] == weights[1]


def test_the_given_deep_images_keep_their_levels(cases, load):
    data, said = load(cases / "10-gray16-folder/gray16")
    assert len(np.unique(data.train.images[0])) == 32 and any("16 bits" in text for text in said)


def test_the_given_empty_class_is_named(cases, load):
    refused(load, cases / "11-empty-class/emptyclass", "emu")


def test_the_given_orientation_is_said_or_applied(cases, load):
    assert any("EXIF" in text for text in load(cases / "13-exif/exif")[1])
    assert load(cases / "13-exif/exif", exif="apply")[1] == []


def test_the_given_nested_folder_normal_forms_and_grey_arrays_are_read(cases, load):
    assert len(load(cases / "14-nested/nested")[0].train.labels) == 13
    assert load(cases / "18-nfd/nfd")[0].num_classes == 2
    grey = load(cases / "19-gray-npz/data.npz")[0].train.images
    assert grey.shape == (60, 32, 32, 3) and (grey[..., :1] == grey).all()


