"""16-bit counts and arrays to transmission: air level, polarity, energies."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.scans.readers import ReadOptions, read_scan_bytes
from cargosight_inference.scans.transmission import counts_to_transmission, estimate_air_level, find_polarity
from cargosight_models.errors import ScanError
from tests.made import scans


class TestCounts:
    """16-bit counts become transmission once, here."""

    @pytest.mark.parametrize("name", ["png 16", "tiff 16", "tiff dual", "npy counts"])
    def test_transmission_is_recovered(self, name):
        found = read_scan_bytes(scans.encoded(name))
        made = scans.transmission()[:, :, : found.pixels.shape[2]]
        assert found.pixels.dtype == np.float32
        assert np.abs(found.pixels - np.minimum(made, 1)).mean() < 0.01
        assert any("estimated at 5" in note for note in found.assumptions)

    def test_nothing_is_cut_to_eight_bits(self):
        ramp = np.arange(60_000, dtype=np.uint16).reshape(200, 300)
        found = read_scan_bytes(scans.npy_bytes(ramp), ReadOptions(air_level=60_000, polarity="air_bright"))
        assert len(np.unique(found.pixels)) == 60_000

    def test_an_air_level_that_makes_air_of_the_load_is_refused(self):
        """Everything would be clipped to air, and be clear."""
        with pytest.raises(ScanError, match="given as 1000 counts, but half of the pixels have"):
            read_scan_bytes(scans.encoded("tiff 16"), ReadOptions(air_level=1000))
        read_scan_bytes(scans.encoded("tiff 16"), ReadOptions(air_level=45_000))  # drifted

    def test_two_pages_are_two_energies_in_a_stated_order(self):
        found = read_scan_bytes(scans.encoded("tiff dual"))
        assert "page 0 is the more penetrating energy, page 1 the other" in found.assumptions
        assert (found.pixels[:, :, 0] >= found.pixels[:, :, 1] - 0.1).all()
        assert found.pixels[:, :, 0].mean() > found.pixels[:, :, 1].mean()

    def test_energies_in_the_wrong_order_are_remarked_and_those_in_the_right_one_are_not(self):
        def sentence(counts):
            found = read_scan_bytes(scans.npy_bytes(counts)).assumptions
            return [note for note in found if "in the other order" in note]

        counts = scans.counts()
        assert counts.shape[2] == 2
        assert not sentence(counts)
        assert len(sentence(np.ascontiguousarray(counts[:, :, ::-1]))) == 1

    def test_a_given_air_level_and_polarity_are_used_and_recorded(self):
        options = ReadOptions(air_level=60_000, polarity="air_bright")
        found = read_scan_bytes(scans.encoded("tiff 16"), options)
        assert found.assumptions == (
            "polarity air_bright as given",
            "air level of channel 0 as given, 60000 counts",
        )
        far = read_scan_bytes(scans.encoded("tiff 16"), replace(options, air_level=45_000)).assumptions[1]
        assert "as given, 45000 counts; the brightest of the scan has about 5" in far
        wanted = scans.counts()[:, :, 0].astype(np.float64) / 60_000
        np.testing.assert_allclose(found.pixels[:, :, 0], np.minimum(wanted, 1), atol=1e-6)

    def test_the_air_level_of_the_first_channel_goes_with_the_scan(self):
        made = scans.counts(air=50_000.0)
        made[:, :, 1] //= 2
        found = read_scan_bytes(scans.npy_bytes(made))
        assert found.air_level == pytest.approx(50_000, rel=0.01)
        assert f"air level of channel 0 estimated at {found.air_level:.0f} counts" in found.assumptions
        given = read_scan_bytes(scans.npy_bytes(made), ReadOptions(air_level=48_000.0))
        assert given.air_level == 48_000.0
        turned = read_scan_bytes(scans.npy_bytes(65_535 - made), ReadOptions(polarity="air_dark"))
        assert turned.air_level == pytest.approx(50_000, rel=0.01)
        for name in ("npy transmission", "jpeg", "png grey"):
            assert read_scan_bytes(scans.encoded(name)).air_level is None

    @pytest.mark.parametrize("bits", [12, 16])
    def test_dark_air_is_found_and_turned_over(self, bits):
        full = 2**bits - 1
        bright = (scans.counts(air=0.8 * full).astype(np.int64)[:, :, 0]).clip(0, full)
        bright[60:66, 80:90] = 0  # something that nothing penetrates: it tells the full scale
        found = read_scan_bytes(scans.npy_bytes((full - bright).astype(np.uint16)))
        assert found.polarity == "air_dark"
        assert any(f"full scale of {full}" in note for note in found.assumptions)
        made = scans.transmission()[:, :, 0]
        made[60:66, 80:90] = 0
        assert np.abs(found.pixels[:, :, 0] - made).mean() < 0.01

    def test_one_bright_border_is_enough_for_bright_air(self):
        truck = np.full((200, 400), 100, dtype=np.uint16)
        truck[:20] = 50_000
        assert find_polarity(truck)[0] == "air_bright"

    def test_without_evidence_the_file_and_then_habit_decide(self):
        flat = np.full((50, 50), 30_000, dtype=np.uint16)
        assert find_polarity(flat)[0] == "air_bright"
        assert find_polarity(flat, zero_is_white=True)[0] == "air_dark"
        assert "assumed" in find_polarity(flat)[1]

    def test_white_is_zero_counts_are_not_turned_twice(self):
        inverted = 65535 - scans.counts()[:, :, 0]
        found = read_scan_bytes(scans.tiff_bytes([inverted], photometric=0))
        assert found.polarity == "air_dark"
        assert np.abs(found.pixels[:, :, 0] - scans.transmission()[:, :, 0]).mean() < 0.1

    @settings(max_examples=25, deadline=None)
    @given(
        air=st.floats(800, 60_000),
        noise=st.floats(0.0, 0.025),
        share=st.floats(0.015, 0.9),
        zeros=st.floats(0.0, 0.13),
        seed=st.integers(0, 10_000),
    )
    def test_air_level_of_hard_scans(self, air, noise, share, zeros, seed):
        """Little air, much noise, dead pixels and saturated columns, as real linac scans have."""
        random = np.random.default_rng(seed)
        clean = np.exp(-random.uniform(1.0, 8.0, (200, 300)))
        clean[: max(4, round(share * 200))] = 1.0
        noisy = air * clean * (1 + noise * random.standard_normal(clean.shape))
        noisy[random.random(clean.shape) < zeros] = 0
        noisy[:, 17] = 65535
        level = estimate_air_level(np.clip(np.rint(noisy), 0, 65535).astype(np.uint16))
        assert level == pytest.approx(air, rel=0.02)

    def test_saturated_air(self):
        full = np.full((50, 50), 65535, dtype=np.uint16)
        assert estimate_air_level(full) == 65535
        assert (counts_to_transmission((full,)).pixels == 1.0).all()

    def test_no_air_no_scan(self):
        with pytest.raises(ScanError, match="no air level can be found"):
            read_scan_bytes(scans.npy_bytes(np.zeros((40, 40), dtype=np.uint16)))


class TestNpy:
    @pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
    @pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (20, 30, 2)])
    def test_transmission_as_it_is(self, dtype, shape):
        array = np.random.default_rng(0).random(shape).astype(np.float32)
        found = read_scan_bytes(scans.npy_bytes(array.astype(dtype)))
        np.testing.assert_array_equal(found.pixels, array.reshape(20, 30, -1))
        assert found.kind == "transmission"

    @pytest.mark.parametrize("dtype", ["<u2", ">u2"])
    def test_counts_of_either_byte_order(self, dtype):
        found = read_scan_bytes(scans.npy_bytes(scans.counts().astype(dtype)))
        np.testing.assert_array_equal(found.pixels, read_scan_bytes(scans.encoded("npy counts")).pixels)

    def test_fortran_order(self):
        found = read_scan_bytes(scans.npy_bytes(np.asfortranarray(scans.colour())))
        np.testing.assert_array_equal(found.pixels, scans.colour())

    def test_grey(self):
        assert read_scan_bytes(scans.npy_bytes(scans.grey())).kind == "display_grey"

    @pytest.mark.parametrize(
        "array",
        [
            np.zeros((4, 5), dtype=np.int32),
            np.zeros((4, 5), dtype=np.int8),
            np.zeros((4, 5), dtype=np.float16),
            np.zeros((4, 5), dtype=np.uint32),
            np.zeros((4, 5), dtype=bool),
            np.zeros((4, 5), dtype=complex),
            np.zeros((4, 5), dtype="U3"),
            np.zeros((4, 5), dtype="M8[s]"),
            np.zeros((4, 5), dtype=[("a", "u1")]),
            np.zeros(5, dtype=np.uint8),
            np.zeros((), dtype=np.uint8),
            np.zeros((4, 5, 1), dtype=np.uint8),
            np.zeros((4, 5, 4), dtype=np.uint8),
            np.zeros((4, 5, 3), dtype=np.uint16),
            np.zeros((2, 4, 5), dtype=np.float32),
            np.zeros((1, 4, 5, 2), dtype=np.float32),
        ],
        ids=lambda array: f"{array.dtype}-{array.ndim}",
    )
    def test_other_arrays_are_refused_with_what_is_read(self, array):
        with pytest.raises(ScanError, match=r"expected uint8 \(H, W\)"):
            read_scan_bytes(scans.npy_bytes(array))

    @pytest.mark.parametrize("value", [1.5, -0.1, 40_000.0, float("nan"), float("inf")])
    def test_no_range_is_guessed(self, value):
        array = np.ones((4, 5), dtype=np.float64)
        array[2, 2] = value
        with pytest.raises(ScanError, match=r"transmission in \[0, 1\]"):
            read_scan_bytes(scans.npy_bytes(array))
