"""Signature files: they come back as they were, and whatever else is in an archive is one sentence."""

import io
import zipfile

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import COCAINE, STEEL, Material
from cargosight_inference.scans.projection import Signature
from cargosight_inference.scans.signature_files import read_signature, write_signature
from cargosight_models.errors import ScanError, UsageError


def made(shape=(6, 9)):
    random = np.random.default_rng(0)
    loads = {material: random.random(shape, dtype=np.float32) for material in (STEEL, COCAINE)}
    return Signature("a packet", loads, 2.5)


def stored(path, **arrays):
    whole = {
        "name": np.array("plate"),
        "pitch_mm": np.array(2.0),
        "steel": np.ones((3, 4), np.float32),
    } | arrays
    np.savez(path, **{name: array for name, array in whole.items() if array is not None})
    return path


def test_a_signature_comes_back_as_it_was(tmp_path):
    before = made()
    write_signature(tmp_path / "packet.npz", before)
    after = read_signature(tmp_path / "packet.npz")
    assert (after.name, after.pitch_mm, set(after.loads)) == ("a packet", 2.5, {STEEL, COCAINE})
    for material, load in before.loads.items():
        np.testing.assert_array_equal(after.loads[material], load)
    assert [path.name for path in tmp_path.iterdir()] == ["packet.npz"]


def test_double_precision_whole_numbers_and_columns_first_are_read(tmp_path):
    load = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    found = read_signature(stored(tmp_path / "plate.npz", steel=load, pitch_mm=np.array(3)))
    np.testing.assert_array_equal(found.loads[STEEL], load.astype(np.float32))
    assert found.pitch_mm == 3.0


def test_a_file_is_not_replaced_unasked(tmp_path):
    path = tmp_path / "packet.npz"
    write_signature(path, made())
    with pytest.raises(UsageError, match="exists already"):
        write_signature(path, made())
    write_signature(path, made((2, 2)), force=True)
    assert read_signature(path).shape == (2, 2)


def test_what_could_not_be_read_again_is_not_written(tmp_path):
    odd = Signature("x", {Material("kryptonite", 3.0, (("Fe", 1.0),)): np.ones((2, 2), np.float32)}, 1.0)
    with pytest.raises(UsageError, match="kryptonite"):
        write_signature(tmp_path / "x.npz", odd)
    with pytest.raises(UsageError, match=r"expected \.npz"):
        write_signature(tmp_path / "x.npy", made())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"steal": np.ones((3, 4), np.float32)}, "did you mean 'steel'"),
        ({"lead": np.ones((3, 5), np.float32)}, "expected one \\(h, w\\)"),
        ({"steel": np.ones((3, 4, 2), np.float32)}, "expected float32 \\(h, w\\)"),
        ({"steel": np.ones(4, np.float32)}, "expected"),
        ({"steel": np.ones((3, 4), np.uint8)}, "expected float32"),
        ({"steel": np.ones((3, 4), np.int64)}, "'steel' is no float32 \\(h, w\\) in g/cm2"),
        ({"steel": np.full((3, 4), np.nan, np.float32)}, "spans nan"),
        ({"steel": np.full((3, 4), np.inf, np.float32)}, "to inf"),
        ({"steel": np.full((3, 4), -1.0, np.float32)}, "spans -1"),
        ({"steel": np.full((3, 4), 9e4, np.float32)}, "from 0 to 5000"),
        ({"steel": np.zeros((0, 4), np.float32)}, "at least one pixel"),
        ({"steel": np.zeros((4001, 4000), np.float32)}, "16,004,000 pixels"),
        ({"steel": np.array([["a"]], dtype=object)}, "never loaded"),
        ({"steel": None}, "an array for each material"),
        ({"pitch_mm": None}, "expected `name`, `pitch_mm`"),
        ({"pitch_mm": np.array(0.0)}, "the pitch is 0 mm"),
        ({"pitch_mm": np.array(np.nan)}, "the pitch is nan mm"),
        ({"pitch_mm": np.array("wide")}, "pitch_mm: one number"),
        ({"pitch_mm": np.array([1.0, 2.0])}, "pitch_mm: one number"),
        ({"name": np.array(3.0)}, "name: one text"),
        ({"name": np.array({"a": 1}, dtype=object)}, "name: one text"),
        ({"name": np.array(" ")}, "printable letters"),
        ({"name": np.array("a\nb")}, "printable letters"),
    ],
)
def test_what_is_no_signature_is_a_sentence(tmp_path, arrays, message):
    with pytest.raises(ScanError, match=message) as told:
        read_signature(stored(tmp_path / "odd.npz", **arrays))
    assert "odd.npz" in str(told.value)


def test_broken_files_are_sentences(tmp_path):
    whole = stored(tmp_path / "whole.npz").read_bytes()
    for content in (b"", b"no archive at all", whole[: len(whole) // 2]):
        (tmp_path / "broken.npz").write_bytes(content)
        with pytest.raises(ScanError, match=r"no \.npz archive"):
            read_signature(tmp_path / "broken.npz")
    turned = bytearray(whole)
    turned[whole.index(b"\x93NUMPY") + 130] ^= 0xFF  # the checksum notices
    (tmp_path / "broken.npz").write_bytes(turned)
    with pytest.raises(ScanError, match="damaged"):
        read_signature(tmp_path / "broken.npz")
    with pytest.raises(ScanError, match="no such file"):
        read_signature(tmp_path / "missing.npz")
    with pytest.raises(ScanError, match="cannot be read"):
        read_signature(tmp_path)


def test_a_header_that_promises_more_than_there_is_is_told(tmp_path):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)}
    )
    path = stored(tmp_path / "liar.npz", steel=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("steel.npy", buffer.getvalue() + b"1234")
    with pytest.raises(ScanError, match="cut off"):
        read_signature(path)


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_does(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(3):
            archive.writestr(f"steel{index}.npy", bytes(100_000_000))
    with pytest.raises(ScanError, match="300,000,000"):
        read_signature(path)
    assert path.stat().st_size < 1_000_000


def test_an_entry_that_is_no_array_is_told(tmp_path):
    path = stored(tmp_path / "notes.npz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("lead", "notes")
    with pytest.raises(ScanError, match="'lead' is no array"):
        read_signature(path)
