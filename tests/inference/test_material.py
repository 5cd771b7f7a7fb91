"""Materials by piece on simulated plates behind a container's walls, and how sure of them one is."""

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    CELLULOSE,
    COPPER,
    POLYETHYLENE,
    STEEL,
    WATER,
)
from cargosight_inference.scans.container import locate_container
from cargosight_inference.scans.material import (
    MATERIAL_CLASSES,
    Materials,
    classify_materials,
    draw_materials,
)
from cargosight_inference.scans.material_curves import CLASSES, anchored_on_steel, expected_ratio
from cargosight_inference.scans.radiograph import radiograph_of
from cargosight_inference.scans.scan import Scan
from cargosight_inference.scans.segments import sums, superpixels
from cargosight_models.errors import UsageError
from tests.made import radiographs
from tests.made.radiographs import Block

PLATES = {
    "organic": (POLYETHYLENE, WATER, CELLULOSE),
    "light_metal": (ALUMINIUM,),
    "heavy_metal": (STEEL, COPPER),
}


def plates(load, seed=0):
    """Return six blocks, 100 pixels wide, and the classes they belong to."""
    random = np.random.default_rng(seed)
    names = [*PLATES, *PLATES]
    random.shuffle(names)
    blocks = [
        Block(80 + 125 * i, 120, 180 + 125 * i, 290, PLATES[name][random.integers(len(PLATES[name]))], load)
        for i, name in enumerate(names)
    ]
    return tuple(blocks), names


def named_shares(blocks, names, **how):
    """Return by class the shares (right, wrong, not named) of the plates' pixels."""
    pixels = radiographs.transmission(blocks, **how)
    radiograph = radiograph_of(Scan.in_memory(pixels, kind="transmission", subject="cargo"))
    materials = classify_materials(radiograph, locate_container(radiograph))
    shares = {}
    for name in PLATES:
        areas = [
            (slice(b.y1 + 8, b.y2 - 8), slice(b.x1 + 8, b.x2 - 8))
            for b, held in zip(blocks, names, strict=True)
            if held == name
        ]
        classes = np.concatenate([materials.classes[materials.labels[area]].ravel() for area in areas])
        right = float((classes == MATERIAL_CLASSES.index(name)).mean())
        unnamed = float((classes >= MATERIAL_CLASSES.index("thin_or_unknown")).mean())
        shares[name] = (right, 1.0 - right - unnamed, unnamed)
    return shares


@pytest.mark.parametrize("counts", [3_000, 20_000])
@pytest.mark.parametrize("load", [30.0, 70.0])
def test_plates_are_named(counts, load):
    """Measured: 99 to 100 % right, none wrong, from 20 to 100 g/cm2 and 3,000 to 40,000 counts."""
    for right, wrong, _ in named_shares(*plates(load), counts=counts).values():
        assert right > 0.9
        assert wrong < 0.02


@pytest.mark.parametrize("megavolts", [(6.0, 3.5), (6.0, 4.6), (6.5, 4.2)])
def test_beams_that_are_not_what_they_claim_are_anchored_on_steel(megavolts):
    shares = named_shares(*plates(50.0), counts=8_000, megavolts=megavolts)
    for name, (right, wrong, _) in shares.items():
        assert right > 0.8, name
        assert wrong < 0.1, name


def test_a_large_scan_has_the_same_shares():
    """It is read in blocks of 3 x 3 pixels."""
    blocks = tuple(
        Block(100 + 200 * i, 120, 260 + 200 * i, 290, m, 40.0) for i, m in enumerate((POLYETHYLENE, STEEL))
    )
    pixels = radiographs.transmission(blocks, counts=20_000.0)
    large = np.repeat(np.repeat(pixels, 4, axis=0), 4, axis=1)
    both = []
    for each in (pixels, large):
        radiograph = radiograph_of(Scan.in_memory(each, kind="transmission", subject="cargo"))
        both.append(classify_materials(radiograph, locate_container(radiograph)))
    small, whole = both
    assert whole.map.shape == (480, 1200)
    for name in MATERIAL_CLASSES:
        assert whole.share(name) == pytest.approx(small.share(name), abs=0.05)
    assert small.share("organic") > 0.08


def test_thin_goods_are_not_named():
    blocks = (Block(200, 120, 400, 290, CELLULOSE, 2.0),)
    radiograph = radiograph_of(radiographs.dual_energy(blocks))
    found = classify_materials(radiograph, locate_container(radiograph))
    classes = found.classes[found.labels[130:280, 210:390]]
    assert (classes == MATERIAL_CLASSES.index("thin_or_unknown")).mean() > 0.95
    assert not found.confidence[found.labels[200, 300]]


def test_opaque_goods_are_opaque():
    blocks = (Block(200, 120, 400, 290, STEEL, 500.0),)
    radiograph = radiograph_of(radiographs.dual_energy(blocks))
    found = classify_materials(radiograph, locate_container(radiograph))
    assert (found.classes[found.labels[130:280, 210:390]] == MATERIAL_CLASSES.index("opaque")).mean() > 0.95
    assert found.share("opaque") == pytest.approx(200 * 170 / (820 * 280), rel=0.2)
    assert sum(found.share(name) for name in MATERIAL_CLASSES) == pytest.approx(1.0)


def test_without_steel_there_is_little_confidence():
    pixels = np.ones((360, 900, 2), dtype=np.float32) * np.array([0.3, 0.24], dtype=np.float32)
    radiograph = radiograph_of(Scan.in_memory(pixels, kind="transmission", subject="cargo"))
    container = locate_container(radiograph)
    anchor = anchored_on_steel(radiograph, container)
    assert (anchor.ratio, anchor.confidence) == (1.0, 0.0)
    assert classify_materials(radiograph, container).confidence.max() < 0.9


def test_the_picture_has_the_usual_colours():
    blocks, names = plates(50.0)
    radiograph = radiograph_of(radiographs.dual_energy(blocks))
    classes = classify_materials(radiograph, locate_container(radiograph)).map
    drawn = draw_materials(radiograph.scan, classes)
    assert (drawn.shape, drawn.dtype) == ((360, 900, 3), np.uint8)
    assert drawn[:10].min() > 235  # air
    strongest = {"organic": 0, "light_metal": 1, "heavy_metal": 2}
    for block, name in zip(blocks, names, strict=True):
        inside = drawn[block.y1 + 10 : block.y2 - 10, block.x1 + 10 : block.x2 - 10]
        assert int(inside.mean(axis=(0, 1)).argmax()) == strongest[name]


def test_one_energy_has_no_material():
    with pytest.raises(UsageError, match="at two energies"):
        radiograph = radiograph_of(radiographs.grey())
        classify_materials(radiograph, locate_container(radiograph))


def test_curves_fall_from_light_to_heavy():
    for depth in (0.5, 1.0, 3.0):
        ratios = [float(expected_ratio(name, depth, (6.0, 4.0))) for name in CLASSES]
        assert ratios == sorted(ratios, reverse=True)
        assert ratios[0] - ratios[-1] > 0.02


def test_pieces_cover_the_scan_and_follow_edges():
    blocks, _ = plates(60.0)
    labels = superpixels(radiographs.transmission(blocks)[:, :, 0])
    assert (labels.shape, labels.dtype) == ((360, 900), np.int32)
    assert labels.min() == 0
    assert sums(labels).sum() == labels.size
    assert 300 < np.median(sums(labels)) < 1500
    # The first plate's left edge is in column 80: few pieces reach across it.
    across = set(labels[130:280, 72].tolist()) & set(labels[130:280, 88].tolist())
    assert not across


def test_materials_are_checked():
    radiograph = radiograph_of(radiographs.dual_energy())
    found = classify_materials(radiograph, locate_container(radiograph))
    with pytest.raises(ValueError, match="expected one row for each"):
        Materials(
            found.labels, found.classes[:2], found.confidence, found.ratios, found.depths, found.blocks, found.anchor
        )  # fmt: skip
