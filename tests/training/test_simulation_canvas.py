"""The simulator's physics: what is drawn weighs what it should, and attenuates as the tables say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_models.geometry import Affine
from cargosight_training.simulation import materials as m
from cargosight_training.simulation.canvas import Canvas, Pen
from cargosight_training.simulation.detector import Detector, expose
from cargosight_training.simulation.shapes import (
    dashes,
    ellipse,
    moved,
    profile,
    rectangle,
    rounded,
    smooth,
    strip,
)

QUICK = settings(max_examples=25, deadline=None)
angles = st.floats(0.0, 6.28)
scales = st.floats(0.7, 2.0)


def pen_at(scale: float, angle: float, *, size: int = 320) -> Pen:
    canvas = Canvas(size, size)
    return Pen(canvas, Affine.scaling(scale, scale).then(Affine.translation(size / 2, size / 2))).at(
        0, 0, angle
    )


def mass(pen: Pen, material: m.Material) -> float:
    """Return the grams on the canvas, if all of it is `material`."""
    pixel_cm2 = (0.1 / pen.scale) ** 2
    return float(pen.canvas.depth[0].sum(dtype=np.float64)) / material.high * pixel_cm2


@pytest.mark.parametrize(
    ("material", "high", "low"),
    [
        # Hubbell and Seltzer, NISTIR 5632, at 100 and 60 keV.
        (m.WATER, 0.1707, 0.2059),
        (m.PLASTIC, 0.1719, 0.1970),
        (m.ALUMINIUM, 0.1704, 0.2778),
        (m.COPPER, 0.4584, 1.593),
        (m.LEAD, 5.549, 5.021),
    ],
)
def test_attenuation_is_that_of_the_published_tables(material: m.Material, high: float, low: float) -> None:
    assert material.high == pytest.approx(high, rel=0.005)
    assert material.low == pytest.approx(low, rel=0.005)


def test_materials_fall_into_organic_mixed_and_metal() -> None:
    organic = (m.PLASTIC, m.ABS, m.CLOTH, m.WATER, m.FUEL, m.FOOD, m.WOOD, m.LEATHER)
    mixed = (m.PAPER, m.PASTE, m.GLASS, m.ALUMINIUM, m.PVC, m.POWDER, m.CERAMIC)
    metal = (m.STEEL, m.STAINLESS, m.COPPER, m.BRASS, m.ZINC, m.ALKALINE)
    assert max(one.ratio for one in organic) < 1.27
    assert all(1.35 < one.ratio < 2.0 for one in mixed)
    assert min(one.ratio for one in metal) > 2.7


def test_a_mixture_needs_no_normalised_fractions_and_known_elements() -> None:
    assert m.mixture("a", 1.0, {"H": 2, "O": 16}).high == pytest.approx(
        m.mixture("b", 1.0, {"H": 1, "O": 8}).high
    )
    with pytest.raises(KeyError):
        m.mixture("unobtainium", 1.0, {"Xx": 1})
    with pytest.raises(ValueError, match="density 0"):
        m.Material("nothing", 0.0, 0.1, 0.1)


@QUICK
@given(angle=angles, scale=scales, width=st.floats(8, 90), height=st.floats(8, 90), depth=st.floats(0.5, 30))
def test_a_slab_weighs_area_times_depth_times_density(
    angle: float, scale: float, width: float, height: float, depth: float
) -> None:
    pen = pen_at(scale, angle)
    pen.body(rectangle(width, height), m.ALUMINIUM, depth)
    expected = width * height * depth * 1e-3 * m.ALUMINIUM.density
    half_a_pixel = 0.5 * 2 * (width + height) / scale * depth * 1e-3 * m.ALUMINIUM.density
    assert abs(mass(pen, m.ALUMINIUM) - expected) < 0.01 * expected + half_a_pixel


@QUICK
@given(angle=angles, scale=scales, diameter=st.floats(0.4, 9), length=st.floats(40, 120))
def test_a_wire_weighs_its_section_times_its_length(
    angle: float, scale: float, diameter: float, length: float
) -> None:
    pen = pen_at(scale, angle)
    pen.wire(np.array([[-length / 2, 0.0], [length / 2, 0.0]]), m.STEEL, diameter)
    expected = np.pi / 4 * diameter**2 * length * 1e-3 * m.STEEL.density
    assert mass(pen, m.STEEL) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("wanted", [17, 19, 22, 34, 51, 100])
def test_a_thick_wire_is_as_wide_as_asked_for(wanted: int) -> None:
    pen = pen_at(1.0, 0.0)
    pen.wire(np.array([[-60.0, 0.0], [60.0, 0.0]]), m.STEEL, float(wanted))
    column = pen.canvas.depth[0][:, pen.canvas.width // 2]
    assert (column > column.max() / 2).sum() == pytest.approx(wanted, abs=1.5)


@QUICK
@given(angle=angles, wall=st.floats(0.5, 4), level=st.floats(0, 1))
def test_a_vessel_filled_with_its_own_material_is_solid(angle: float, wall: float, level: float) -> None:
    outline = rounded(120, 60, 20)
    solid, full, part = pen_at(1.0, angle), pen_at(1.0, angle), pen_at(1.0, angle)
    solid.body(outline, m.GLASS, 60, edge=30)
    full.vessel(outline, m.GLASS, wall, 60, edge=30, content=m.GLASS)
    part.vessel(outline, m.GLASS, wall, 60, edge=30, content=m.GLASS, level=level)
    np.testing.assert_allclose(full.canvas.depth, solid.canvas.depth, atol=1e-4)
    assert (part.canvas.depth <= full.canvas.depth + 1e-4).all()


def test_the_rim_of_a_can_is_darker_than_its_middle() -> None:
    pen = pen_at(1.5, 0.0)
    pen.vessel(rectangle(120, 60), m.STEEL, 0.3, 60, edge=30)
    depth = pen.canvas.depth[0]
    middle, rim = depth[160, 160], depth[160 - 44 : 160 - 40, 160].max()
    assert middle == pytest.approx(2 * 0.03 * m.STEEL.density * m.STEEL.high, rel=0.05)
    assert rim > 1.5 * middle


@QUICK
@given(tilt=st.floats(0, 1.0), axis=angles)
def test_tilting_keeps_the_mass(tilt: float, axis: float) -> None:
    flat, leaning = pen_at(1.5, 0.3), pen_at(1.5, 0.3).tilted(tilt, axis)
    for pen in (flat, leaning):
        pen.body(ellipse(90, 60), m.STEEL, 3)
    assert leaning.canvas.depth[0].sum() == pytest.approx(flat.canvas.depth[0].sum(), rel=0.06)


@QUICK
@given(seed=st.integers(0, 99))
def test_the_order_of_drawing_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    jobs = [(rng.uniform(-90, 90, 2), (m.WATER, m.STEEL, m.GLASS)[i % 3]) for i in range(6)]
    canvases = []
    for order in (jobs, jobs[::-1]):
        pen = pen_at(1.0, 0.0)
        for (x, y), material in order:
            pen.at(float(x), float(y)).body(ellipse(70, 50), material, 10, edge=8)
        canvases.append(pen.canvas.depth)
    np.testing.assert_allclose(canvases[0], canvases[1], rtol=1e-5)


def test_drawing_outside_or_over_the_edge_of_the_canvas() -> None:
    pen = pen_at(1.0, 0.0)
    away = pen.at(5000, 0)
    away.body(rectangle(10, 10), m.STEEL, 5)
    away.wire(np.array([[0.0, 0.0], [9.0, 9.0]]), m.STEEL, 2)
    away.dots(np.zeros((1, 2)), m.STEEL, 5, 5)
    away.raster(np.ones((8, 8), dtype=np.float32), 1.0, m.STEEL)
    away.field(rectangle(10, 10), m.CLOTH, np.ones((320, 320), dtype=np.float32))
    away.vessel(rectangle(10, 10), m.STEEL, 1, 5, edge=2)
    assert not pen.canvas.depth.any()
    pen.at(160, 0).body(rectangle(40, 40), m.STEEL, 5)
    assert pen.canvas.depth[0, 160, -1] > 1.0


@QUICK
@given(angle=angles, scale=scales)
def test_a_raster_lies_where_a_body_of_its_size_lies(angle: float, scale: float) -> None:
    drawn, mapped = pen_at(scale, angle), pen_at(scale, angle)
    drawn.body(rectangle(60, 40), m.WATER, 10)
    mapped.raster(np.full((40, 60), 10, dtype=np.float32), 1.0, m.WATER)
    for depth, other in zip(_centre(drawn), _centre(mapped), strict=True):
        assert depth == pytest.approx(other, abs=0.6)  # OpenCV's fill is up to half a pixel low
    assert mass(mapped, m.WATER) == pytest.approx(mass(drawn, m.WATER), rel=0.08)


def _centre(pen: Pen) -> tuple[float, float]:
    depth = pen.canvas.depth[0].astype(np.float64)
    rows, columns = np.indices(depth.shape)
    return float((rows * depth).sum() / depth.sum()), float((columns * depth).sum() / depth.sum())


def test_shapes_have_the_sizes_they_were_asked_for() -> None:
    for outline in (rectangle(30, 20), rounded(30, 20, 5), ellipse(30, 20, 64)):
        assert np.ptp(outline, axis=0) == pytest.approx([30, 20], rel=0.01)
    assert np.ptp(profile([(0, 3), (9, 1)]), axis=0) == pytest.approx([9, 6])
    assert np.ptp(strip(np.array([[0.0, 0.0], [5.0, 0.0], [10.0, 0.0]]), 4.0), axis=0) == pytest.approx(
        [10, 4]
    )
    assert moved(np.array([[1.0, 0.0]]), 0, 0, np.pi / 2) == pytest.approx(np.array([[0.0, 1.0]]))
    assert len(smooth([(0, 0), (1, 0), (1, 1)], closed=True, rounds=3)) == 24
    teeth = dashes(np.array([[0.0, 0.0], [10.0, 0.0]]), 2.0, 0.5)
    assert sum(float(np.ptp(tooth[:, 0])) for tooth in teeth) == pytest.approx(5.0)


def test_the_detector_counts_photons() -> None:
    depth = np.zeros((2, 200, 300), dtype=np.float32)
    depth[:, :, 150:] = 1.5
    measured = expose(depth, Detector(1e4, 0.0, 0.0, 0.0), np.random.default_rng(0))
    assert measured.shape == (200, 300, 2)
    assert measured.dtype == np.float32
    assert measured.min() >= 0.0
    assert measured.max() <= 1.0
    behind = measured[:, 150:].astype(np.float64)
    expected = np.exp(-1.5)
    assert behind.mean(axis=(0, 1)) == pytest.approx([expected, expected], rel=0.005)
    assert behind.std(axis=(0, 1)) == pytest.approx(np.sqrt(expected / np.array([1e4, 0.7e4])), rel=0.03)


def test_the_detector_blurs_and_scatters() -> None:
    depth = np.zeros((2, 128, 128), dtype=np.float32)
    depth[:, :, 64:] = 12.0
    sharp = expose(depth, Detector(1e8, 0.0, 0.0, 0.0), np.random.default_rng(0))
    soft = expose(depth, Detector(1e8, 1.0, 0.02, 0.0), np.random.default_rng(0))
    assert sharp[64, 66, 0] < 1e-3
    assert soft[64, 64, 0] > 0.2
    assert 1e-4 < soft[64, 90, 0] < 0.02


@pytest.mark.parametrize("wrong", [{"counts": 1.0}, {"blur": -1.0}, {"scatter": 0.5}, {"stripes": -0.1}])
def test_a_detector_is_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected 100 counts or more"):
        Detector(**({"counts": 1e4, "blur": 0.5, "scatter": 0.0, "stripes": 0.0} | wrong))
