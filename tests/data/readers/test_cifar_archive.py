import contextlib
import gzip
import hashlib
import io
import pickle
import pickletools
import tarfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kdjax.data import source as sources
from kdjax.data.readers import cifar_archive, cifar_pickle, safe_archive
from kdjax.errors import UserError

WANTED = ("train", "test")


def outcome(function, *arguments):
    """What the function returns, or what its UserError says; any other exception passes."""
    try:
        return function(*arguments)
    except UserError as error:
        return str(error)


def packed(folder, pack):
    return pack({f"cifar-100-python/{name}": (folder / name).read_bytes() for name in WANTED})


@pytest.mark.parametrize("kind", ["packed", "unpacked"])
def test_packed_and_unpacked_archives_hold_the_same_images(cifar_folder, pack, make_cfg, tmp_path, kind):
    batch = pickle.loads((cifar_folder / "test").read_bytes())
    if kind == "packed":
        packed(cifar_folder, pack)
        cifar_folder.rename(tmp_path / "hidden")
    data = sources.load(make_cfg(dataset="cifar100", dir=str(tmp_path), verify=False, allow_empty_classes=True), 0)
    assert (data.name, data.num_classes, data.mean) == ("cifar100", 100, (0.5071, 0.4867, 0.4408))
    assert data.train.images.shape == (5, 32, 32, 3)
    for channel in range(3):
        plane = batch[b"data"][1, 1024 * channel: 1024 * (channel + 1)].reshape(32, 32)
        np.testing.assert_array_equal(data.test.images[1, :, :, channel], plane)
    np.testing.assert_array_equal(data.test.labels, range(4))


def test_cifar10_batches_are_joined_in_order(tmp_path, make_cfg):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for number, name in enumerate(["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5",
                                   "test_batch"]):
        batch = {"data": np.full((2, 3072), number, np.uint8), "labels": [number, number + 1]}
        (folder / name).write_bytes(pickle.dumps(batch, 4))
    data = sources.load(make_cfg(dataset="cifar10", dir=str(folder), verify=False, allow_empty_classes=True), 0)
    np.testing.assert_array_equal(data.train.labels, [0, 1, 1, 2, 2, 3, 3, 4, 4, 5])
    np.testing.assert_array_equal(data.train.images[:, 0, 0, 0], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    np.testing.assert_array_equal(data.test.labels, [5, 6])


def test_unofficial_copies_are_refused_unless_asked_for(cifar_folder, pack, make_cfg):
    for path in (cifar_folder, packed(cifar_folder, pack)):
        sources.load(make_cfg(dataset=str(path), verify=False, allow_empty_classes=True), 0)
        with pytest.raises(UserError, match="not the official file.*data.verify=False"):
            sources.load(make_cfg(dataset=str(path)), 0)


def test_an_archive_of_the_official_md5_is_read(cifar_folder, pack, make_cfg, monkeypatch):
    path = packed(cifar_folder, pack)
    layout = cifar_archive.LAYOUTS["cifar100"]._replace(md5=hashlib.md5(path.read_bytes()).hexdigest())
    monkeypatch.setitem(cifar_archive.LAYOUTS, "cifar100", layout)
    assert len(sources.load(make_cfg(dataset=str(path), allow_empty_classes=True), 0).train.labels) == 5


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_protocol_and_order_are_read_as_numpy_wrote_them(protocol, order):
    data = np.asarray(np.random.default_rng(0).integers(0, 256, (4, 6), dtype=np.uint8), order=order)
    loaded = cifar_pickle.loads(pickle.dumps({"data": data, "labels": [0, 300, 7]}, protocol), "train")
    np.testing.assert_array_equal(loaded["data"], data)
    assert loaded["labels"] == [0, 300, 7]


@pytest.mark.parametrize("batch", [
    {"data": [1, 2], "fine_labels": [0]},
    {"data": np.zeros((1, 3071), np.uint8), "fine_labels": [0]},
    {"data": np.zeros((2, 3072), np.uint8), "fine_labels": [0]},
    {"data": np.zeros((1, 3072), np.uint8), "fine_labels": ["a"]},
    {"data": np.zeros((1, 3072), np.uint8), "fine_labels": [-1]},
    {"data": np.zeros((1, 3072), np.uint8), "fine_labels": [2**40]},
    {"data": np.zeros((1, 3072), np.float32), "fine_labels": [0]},
    {"data": np.zeros((1, 3072), np.uint8)},
    {"data": np.zeros((0, 3072), np.uint8), "fine_labels": []},
    [1, 2, 3],
])
def test_batches_of_wrong_contents_are_refused(cifar_folder, batch):
    (cifar_folder / "train").write_bytes(pickle.dumps(batch, 2))
    with pytest.raises(UserError, match="get the official file"):
        cifar_archive.read(cifar_folder, verify=False)


def test_labels_beyond_the_classes_are_refused(cifar_folder, make_cfg):
    batch = {"data": np.zeros((1, 3072), np.uint8), "fine_labels": [100]}
    (cifar_folder / "train").write_bytes(pickle.dumps(batch, 2))
    with pytest.raises(UserError, match=r"0 \.\. 99"):
        sources.load(make_cfg(dataset=str(cifar_folder), verify=False, allow_empty_classes=True), 0)


class Call:
    """A pickle that calls `function(*arguments)` when it is loaded."""

    def __init__(self, function, *arguments):
        self.what = function, arguments

    def __reduce__(self):
        return self.what


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_pickles_that_call_something_are_refused_and_nothing_runs(tmp_path, protocol):
    evil = pickle.dumps({"data": Call(open, str(tmp_path / "touched"), "w")}, protocol)
    with pytest.raises(UserError, match="plain data"):
        cifar_pickle.loads(evil, "train")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("text", [
    b"cos\nsystem\n(S'true'\ntR.", b"\x80\x02cbuiltins\neval\nU\x01a\x85R.", b"\x80\x02cnumpy\nload\nU\x01a\x85R.",
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct.mro\n.", b"\x80\x04\x8c\x05numpy\x8c\x09frombufferq\x93.",
    b"\x80\x02Nr\xff\xff\xff\xff.", b"\x80\x02(U\x01ai.", b"", b".", b"\x80\x02N.", b"\x80\x02]q\x00h\x00a.",
])
def test_handmade_hostile_pickles_are_refused(text):
    with pytest.raises(UserError, match="plain data"):
        cifar_pickle.loads(text, "train")


def test_arrays_that_lie_about_their_size_are_refused(cifar_folder):
    content = (cifar_folder / "train").read_bytes()
    lie = content.replace(b"M\x00\x0c", b"J\x00\x0c\x00\x7f")  # 3072 columns become two thousand million
    assert lie != content
    with pytest.raises(UserError, match="plain data"):
        cifar_pickle.loads(lie, "train")


def test_no_name_in_a_pickle_reaches_real_code():
    """Setting attributes on the stand-ins spoils that one load at most."""
    spoil = (b"\x80\x02cnumpy\ndtype\nN}U\x0c__setstate__K\x01s\x86b0" + b"cnumpy.core.multiarray\n_reconstruct\n"
             b"N}U\x0c__defaults__K\x01s\x86b0}.")
    with contextlib.suppress(UserError):
        cifar_pickle.loads(spoil, "train")
    good = {"data": np.arange(6, dtype=np.uint8).reshape(2, 3), "labels": [1, 2]}
    np.testing.assert_array_equal(cifar_pickle.loads(pickle.dumps(good, 2), "x")["data"], good["data"])


OPS = [op.code.encode("latin1") for op in pickletools.opcodes]
PIECES = st.one_of(st.sampled_from(OPS), st.binary(max_size=4), st.sampled_from(
    [b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"cnumpy.core.multiarray\n_reconstruct\n", b"c_codecs\nencode\n",
     b"U\x02u1", b"K\x00", b"\x85", b"R", b"b", b"}", b"(", b"]"]))


@settings(max_examples=300, deadline=2000)
@given(st.lists(PIECES, max_size=25).map(b"".join))
@example(b"N" * 50)
def test_fuzzed_pickles_give_data_or_one_sentence(program):
    got = outcome(cifar_pickle.loads, b"\x80\x02" + program + b".", "fuzz")
    assert isinstance(got, dict) or "\n" not in got


def info(name, kind=tarfile.REGTYPE, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(("member", "words"), [
    (info("../../escape"), "outside of its folder"),
    (info("/etc/escape"), "outside of its folder"),
    (info("a\\..\\..\\escape"), "outside of its folder"),
    (info("train", tarfile.SYMTYPE, "/etc/passwd"), "link or device"),
    (info("cifar-100-python/train", tarfile.LNKTYPE, "other"), "link or device"),
    (info("pipe", tarfile.FIFOTYPE), "link or device"),
    (info("disk", tarfile.BLKTYPE), "link or device"),
])
def test_archives_with_links_devices_or_outside_paths_are_refused(pack, cifar_folder, member, words):
    good = {f"cifar-100-python/{name}": (cifar_folder / name).read_bytes() for name in WANTED}
    for members in ({"evil": member, **good}, {**good, "evil": member}):
        with pytest.raises(UserError, match=words):
            safe_archive.read_tar(pack(members), WANTED)


def test_decompression_bombs_are_refused(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(safe_archive, "MAX_TOTAL", 1 << 20)
    with pytest.raises(UserError, match="decompression bomb"):
        safe_archive.read_tar(pack({"train": bytes(4 << 20), "test": b""}), WANTED)
    header = tarfile.TarInfo("././@PaxHeader")  # tarfile would read an extended header of any size into memory
    header.type, header.size = tarfile.XHDTYPE, 1 << 32
    (tmp_path / "pax.tar.gz").write_bytes(gzip.compress(header.tobuf() + bytes(8 << 20)))
    with pytest.raises(UserError, match="decompression bomb"):
        safe_archive.read_tar(tmp_path / "pax.tar.gz", WANTED)


def test_archives_with_too_many_doubled_or_missing_members_are_refused(pack, tmp_path):
    with pytest.raises(UserError, match="more than 1000"):
        safe_archive.read_tar(pack({f"f{number}": b"" for number in range(1001)}), WANTED)
    with pytest.raises(UserError, match="twice"):
        safe_archive.read_tar(pack({"a/train": b"1", "b/train": b"2"}), WANTED)
    with pytest.raises(UserError, match="lacks test"):
        safe_archive.read_tar(pack({"a/train": b"1"}), WANTED)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x1f\x8b\x08", gzip.compress(b"x" * 600, mtime=0)])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "bad.tar.gz").write_bytes(content)
    with pytest.raises(UserError):
        safe_archive.read_tar(tmp_path / "bad.tar.gz", WANTED)


def test_a_member_of_negative_size_does_not_loop(tmp_path):
    header = bytearray(tarfile.TarInfo("train").tobuf())
    header[124:136] = (-512).to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:155] = b"%06o\0" % sum(header)
    (tmp_path / "bad.tar.gz").write_bytes(gzip.compress(bytes(header) + bytes(2048)))
    with pytest.raises(UserError):
        safe_archive.read_tar(tmp_path / "bad.tar.gz", WANTED)


@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.data())
def test_fuzzed_archives_give_files_or_one_sentence(tmp_path, damage):
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name in WANTED:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = 3, 1.5
            archive.addfile(member, io.BytesIO(b"abc"))
    content = bytearray(plain.getvalue())
    for _ in range(damage.draw(st.integers(1, 4))):
        content[damage.draw(st.integers(0, 3071))] = damage.draw(st.integers(0, 255))
    path = tmp_path / "fuzz.tar.gz"
    path.write_bytes(gzip.compress(bytes(content), 1))
    got = outcome(safe_archive.read_tar, path, WANTED)
    assert set(got) == set(WANTED) or "\n" not in got
