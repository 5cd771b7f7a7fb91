"""Threats put into crops of radiographs: labelled where they show, unknown where not, and nothing leaves no trace."""

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import POLYETHYLENE, STEEL
from cargosight_inference.scans.projection import Signature
from cargosight_inference.tiles import CELL
from cargosight_models.labels import LabelledRegions
from cargosight_training.augmentation.sample import Sample
from cargosight_training.augmentation.threats import (
    UNKNOWN,
    SignatureBank,
    ThreatInsertion,
    odd_shape,
)
from cargosight_training.config import InsertConfig


def mean(known=0.0, odd=0.0, lookalikes=0.0, nothing=0.0):
    return InsertConfig(known=known, odd=odd, lookalikes=lookalikes, nothing=nothing)


def block(material, load, size):
    return lambda rng, pitch: Signature("block", {material: np.full((size, size), load, np.float32)}, pitch)


def bank(load=30.0, size=48):
    builders = {"heavy": block(STEEL, load, size), "light": block(POLYETHYLENE, load, size)}
    return SignatureBank(builders, pitch_mm=(5.0, 5.0), each=2, seed=0)


def crop(level=0.4, noise=0.01, size=256, single=False, boxes=()):
    random = np.random.default_rng(0)
    picture = np.full((size, size, 3), float(single), np.float32)
    picture[:, :, :2] = np.clip(level * (1 + noise * random.standard_normal((size, size, 1))), 0, 1)
    regions = LabelledRegions(np.array([[0, 0, size, size]], np.float32), np.ones((1, 2), np.bool_))
    found = np.array(boxes, np.float32).reshape(-1, 4)
    return Sample(picture, found, np.zeros(len(found), np.int64), regions)


def inserted(settings, sample=None, threats=None, seed=0, lookalikes=None):
    made = ThreatInsertion(threats or bank(), lookalikes, settings)
    after = made.insert(sample or crop(), np.random.default_rng(seed))
    return after, after.unusual


@pytest.mark.parametrize("single", [False, True])
def test_known_threats_are_boxed_with_their_class_and_marked_unusual(single):
    before = crop(single=single)
    labels = set()
    for seed in range(12):
        after, unusual = inserted(mean(2.0, 0.0, 0.0, 0.0), before, seed=seed)
        assert (after.picture <= before.picture + 0.05).all()
        assert (after.picture[:, :, 2] == float(single)).all()
        labels |= set(after.class_ids.tolist())
        for x1, y1, x2, y2 in after.boxes.tolist():
            middle = int((y1 + y2) / 2) // CELL, int((x1 + x2) / 2) // CELL
            assert unusual[middle] == 1.0
        changed = np.abs(after.picture - before.picture).max(axis=2) > 0.1
        assert not (changed & (np.kron(unusual, np.ones((CELL, CELL))) == 0.0)).any()
    assert labels == {0, 1}


def test_projections_of_nothing_and_lookalikes_add_no_label():
    before = crop()
    after, unusual = inserted(mean(0.0, 0.0, 0.0, 5.0), before)
    np.testing.assert_array_equal(after.picture, before.picture)
    assert not unusual.any()
    after, unusual = inserted(mean(0.0, 0.0, 5.0, 0.0), before, lookalikes=bank())
    assert (after.picture[:, :, 0] < 0.5 * before.picture[:, :, 0]).any()
    assert not unusual.any()
    assert len(after.boxes) == 0


def test_lookalikes_are_harmless_where_they_lie_and_threats_are_not():
    before = crop(noise=0.0)
    after, _ = inserted(mean(0.0, 0.0, 5.0, 0.0), before, lookalikes=bank())
    assert len(after.harmless) >= 1
    changed = np.abs(after.picture - before.picture).max(axis=2) > 0.1
    covered = np.zeros_like(changed)
    for x1, y1, x2, y2 in after.harmless.astype(int).tolist():
        covered[y1:y2, x1:x2] = True
    assert not (changed & ~covered).any()
    assert changed[covered].mean() > 0.9
    for settings in (mean(5.0, 3.0, 0.0, 0.0), mean(0.0, 0.0, 0.0, 5.0)):
        assert inserted(settings, before)[0].harmless.shape == (0, 4)


def test_odd_shapes_are_unusual_and_of_no_class():
    after, unusual = inserted(mean(0.0, 5.0, 0.0, 0.0), seed=1)
    assert (unusual == 1.0).any()
    assert len(after.boxes) == 0
    at = np.argwhere(unusual == 1.0)[0][::-1] * CELL + CELL / 2
    assert not after.regions.mask_at(at[None].astype(np.float32)).any()


def test_what_cannot_be_seen_is_unknown():
    faint = bank(load=0.2)
    after, unusual = inserted(mean(4.0, 0.0, 0.0, 0.0), crop(noise=0.2), faint)
    assert len(after.boxes) == 0
    assert (unusual == UNKNOWN).any()
    assert not (unusual == 1.0).any()


def test_nothing_is_put_into_air_or_behind_the_opaque():
    for level in (1.0, 0.0005):
        before = crop(level=level, noise=0.0)
        after, unusual = inserted(mean(5.0, 5.0, 0.0, 0.0), before)
        np.testing.assert_array_equal(after.picture, before.picture)
        assert not unusual.any()


def test_threats_of_the_scan_itself_are_unknown_to_the_map():
    after, unusual = inserted(mean(), crop(boxes=[(64, 64, 128, 128)]))
    assert (unusual[8:16, 8:16] == UNKNOWN).all()
    assert not unusual[:7].any()
    assert len(after.boxes) == 1


def test_the_same_seed_gives_the_same_sample():
    settings = InsertConfig()
    first, second = (inserted(settings, seed=5, lookalikes=bank()) for _ in range(2))
    np.testing.assert_array_equal(first[0].picture, second[0].picture)
    np.testing.assert_array_equal(first[1], second[1])


def test_odd_shapes_differ():
    random = np.random.default_rng(0)
    shapes = [odd_shape(random) for _ in range(30)]
    assert len({shape.shape for shape in shapes}) > 10
    assert all(sum(float(load.sum()) for load in shape.loads.values()) > 0 for shape in shapes)


def test_a_thing_much_larger_than_the_crop_is_shown_in_part():
    threats = bank(load=5.0, size=900)
    for seed in range(6):
        after, _ = inserted(mean(known=3.0), crop(size=128), threats, seed=seed)
        assert (after.boxes >= 0).all() and (after.boxes <= 128).all()
