"""Simulated cargo scans: deterministic, physical, and true to what they say of themselves."""

import time

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import EXPLOSIVE, LEAD, STEEL
from cargosight_inference.scans.projection import Signature
from cargosight_models.errors import UsageError
from cargosight_training.simulation.cargo import (
    EMPTY,
    VEHICLES,
    ContainerSettings,
    SimulatedContainer,
    simulate_container,
)

SMALL = ContainerSettings(pitch_mm=(14.0, 18.0))


def _block(rng: np.random.Generator, pitch: float) -> Signature:
    """A block of steel with a core of lead, 400 by 250 mm."""
    steel = np.full((max(round(250 / pitch), 2), max(round(400 / pitch), 2)), rng.uniform(20, 30), np.float32)
    lead = np.zeros_like(steel)
    lead[len(lead) // 2 :] = 5.0
    return Signature("block with a core", {STEEL: steel, LEAD: lead}, pitch)


def _parcel(rng: np.random.Generator, pitch: float) -> Signature:
    side = max(round(rng.uniform(300, 500) / pitch), 2)
    return Signature("parcel", {EXPLOSIVE: np.full((side, side), 40.0, np.float32)}, pitch)


THREATS = {"parcel": _parcel, "block": _block}
LOOKALIKES = {"tool box": _block}


def _scans(count: int, settings: ContainerSettings, seed: int = 1) -> list[SimulatedContainer]:
    return [
        simulate_container(seed, index, settings, threats=THREATS, lookalikes=LOOKALIKES)
        for index in range(count)
    ]


def test_the_same_numbers_give_the_same_scan() -> None:
    first, again, other, next_one = (
        simulate_container(seed, index, SMALL, threats=THREATS)
        for seed, index in ((7, 3), (7, 3), (8, 3), (7, 4))
    )
    np.testing.assert_array_equal(first.counts, again.counts)
    np.testing.assert_array_equal(first.masks, again.masks)
    assert first.truth == again.truth
    assert not np.array_equal(first.counts, other.counts)
    assert not np.array_equal(first.counts, next_one.counts)


def test_threats_change_nothing_but_their_place() -> None:
    settings = ContainerSettings(
        pitch_mm=(14.0, 18.0), threat_share=1.0, photons=(1e5, 1e5), vehicles=("truck",)
    )
    bare = simulate_container(3, 1, settings)
    armed = simulate_container(3, 1, settings, threats=THREATS)
    assert bare.truth.vehicle == armed.truth.vehicle
    assert bare.truth.families == armed.truth.families
    assert bare.counts.shape == armed.counts.shape
    assert not len(bare.annotations)
    around = np.zeros(bare.counts.shape[:2], dtype=np.bool_)
    for x1, y1, x2, y2 in armed.annotations.boxes.astype(int).tolist():
        around[max(y1 - 60, 0) : y2 + 60, max(x1 - 60, 0) : x2 + 60] = True
    changed = (bare.counts[:, :, 0] != armed.counts[:, :, 0]) & ~around
    assert changed.mean() < 0.15  # scattered light, and where few photons arrive their noise


def test_a_scan_is_sound() -> None:
    for scan in _scans(8, SMALL):
        height, width = scan.counts.shape[:2]
        assert scan.counts.dtype == np.uint16
        assert scan.transmission.dtype == np.float32
        assert scan.transmission.shape == scan.counts.shape == (height, width, 2)
        assert 0.0 <= scan.transmission.min() < scan.transmission.max() <= 1.0
        assert scan.masks.shape == (len(scan.annotations), height, width)
        assert 50_000 < scan.truth.air[0] < 60_000
        air = float(np.median(scan.counts[3:8, :, 0]))
        assert air == pytest.approx(scan.truth.air[0], rel=0.06)
        assert scan.truth.megavolts[0] > scan.truth.megavolts[1]
        assert 0.0 <= scan.truth.opaque_share < 1.0


def test_boxes_are_those_of_the_masks_and_lookalikes_are_no_boxes() -> None:
    settings = ContainerSettings(pitch_mm=(14.0, 18.0), threat_share=1.0, lookalike_share=1.0)
    scans = _scans(8, settings)
    assert sum(len(scan.annotations) for scan in scans) >= 8
    assert sum(len(scan.truth.lookalikes) for scan in scans) >= 6
    for scan in scans:
        assert [list(THREATS)[i] for i in scan.annotations.class_ids] == [x.name for x in scan.truth.threats]
        for mask, box, thing in zip(scan.masks, scan.annotations.boxes, scan.truth.threats, strict=True):
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            assert box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            assert tuple(box.tolist()) == thing.box
            assert thing.areal_density == pytest.approx(28.0 if thing.name == "block" else 40.0, rel=0.3)
            assert thing.materials == (("steel", "lead") if thing.name == "block" else ("explosive",))
            assert thing.visibility >= 0.0
        assert {thing.name for thing in scan.truth.lookalikes} <= {"tool box"}


def test_a_threat_darkens_its_place_and_shows_in_an_empty_container() -> None:
    settings = ContainerSettings(
        pitch_mm=(10.0, 12.0),
        threat_share=1.0,
        empty_share=1.0,
        vehicles=("container 20",),
        photons=(5e4, 1e5),
    )
    for index in range(3):
        bare = simulate_container(11, index, settings)
        armed = simulate_container(11, index, settings, threats={"block": _block})
        assert armed.truth.load == "empty"
        assert armed.truth.families == (EMPTY,)
        for mask, thing in zip(armed.masks, armed.truth.threats, strict=True):
            assert np.median(armed.transmission[mask]) < 0.75 * np.median(bare.transmission[mask])
            assert thing.visibility > 0.3  # beside the dark floor


def test_a_threat_has_its_size_whatever_its_depth() -> None:
    settings = ContainerSettings(
        pitch_mm=(5.0, 6.0), threat_share=1.0, empty_share=1.0, vehicles=("container 20",)
    )
    for index in range(3):
        scan = simulate_container(13, index, settings, threats={"block": _block})
        for thing in scan.truth.threats:
            x1, y1, x2, y2 = thing.box
            assert (x2 - x1) * scan.truth.pitch_mm <= 400.0 * 1.05
            assert 250.0 * 0.8 < (y2 - y1) * scan.truth.pitch_mm < 250.0 * 1.3
            assert (thing.depth_mm < 0.0) == (y2 - y1 > 250.0 / scan.truth.pitch_mm)


def test_behind_an_opaque_load_nothing_is_visible_and_can_be_left_out() -> None:
    heavy = ContainerSettings(
        pitch_mm=(14.0, 18.0), families=("coils",), empty_share=0.0, threat_share=1.0, photons=(2e3, 2e3)
    )
    scans = [simulate_container(2, index, heavy, threats=THREATS) for index in range(6)]
    assert min(thing.visibility for scan in scans for thing in scan.truth.threats) == 0.0
    strict = ContainerSettings(
        pitch_mm=(14.0, 18.0), families=("coils",), empty_share=0.0, threat_share=1.0, photons=(2e3, 2e3),
        least_visibility=0.5,
    )  # fmt: skip
    scans = [simulate_container(2, index, strict, threats=THREATS) for index in range(6)]
    assert all(thing.visibility >= 0.5 for scan in scans for thing in scan.truth.threats)


def test_loaded_scans_are_darker_than_empty_ones() -> None:
    signal = {}
    for share in (0.0, 1.0):
        settings = ContainerSettings(
            pitch_mm=(14.0, 18.0), families=("sacks",), empty_share=share, vehicles=("container 20",)
        )
        signal[share] = np.mean([simulate_container(4, i, settings).transmission.mean() for i in range(4)])
    assert signal[0.0] < 0.8 * signal[1.0]


def test_the_less_penetrating_energy_sees_more() -> None:
    settings = ContainerSettings(
        pitch_mm=(14.0, 18.0),
        families=("cartons",),
        empty_share=0.0,
        megavolts=((6.0, 4.0),),
        photons=(1e5, 1e5),
    )
    scan = simulate_container(5, 0, settings)
    high, low = np.moveaxis(np.log(np.maximum(scan.transmission, 1e-4)), 2, 0)
    load = (high < -0.5) & (high > -3.0)
    assert float(np.median(low[load] / high[load])) > 1.03


def test_settings_decide_vehicle_and_cargo() -> None:
    for name in VEHICLES:
        settings = ContainerSettings(
            pitch_mm=(16.0, 18.0), vehicles=(name,), families=("cartons",), empty_share=0.0
        )
        truth = simulate_container(6, 0, settings).truth
        assert truth.vehicle == name
        if name != "rail tank":
            assert truth.families == ("cartons",)
            assert truth.load == "loaded"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"families": ("sack",)}, "unknown kind of cargo 'sack' \\(did you mean 'sacks'\\?\\)"),
        ({"families": ()}, "no kind of cargo was given"),
        ({"vehicles": ("ship",)}, "unknown kind of vehicle 'ship'"),
        ({"empty_share": 1.5}, "empty_share is 1.5; expected a share from 0 to 1"),
        ({"least_visibility": -1.0}, "least_visibility is -1.0"),
        ({"photons": (5e4, 2e3)}, "expected two rising numbers"),
        ({"pitch_mm": (0.1, 5.0)}, "expected two rising numbers from 2 to 20"),
        ({"megavolts": ((4.0, 6.0),)}, "the more penetrating first"),
        ({"megavolts": ()}, "expected pairs of MV"),
    ],
)
def test_wrong_settings_are_told(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        ContainerSettings(**wrong)  # type: ignore[arg-type]


def test_a_seed_below_zero_is_told() -> None:
    with pytest.raises(UsageError, match="the seed is -1"):
        simulate_container(-1)


def test_a_long_truck_at_full_resolution_takes_seconds() -> None:
    settings = ContainerSettings(vehicles=("truck",), families=("household",), empty_share=0.0)
    simulate_container(9, 0, SMALL)  # the beams are computed once
    start = time.process_time()
    simulate_container(9, 1, settings)
    assert time.process_time() - start < 8.0  # 2 on the machine on which it was written
