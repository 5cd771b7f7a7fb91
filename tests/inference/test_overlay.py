"""Overlays: labels beside the items, colours that show on any ground, a banner outside of the picture."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.findings import Findings
from cargosight_inference.inspection import Inspection
from cargosight_inference.label_layout import place_labels
from cargosight_inference.overlay import PALETTE, display_pixels, draw_overlay
from cargosight_inference.scans.scan import Scan

NAMES = tuple(f"class_{i}" for i in range(18))


def inspection_of(scan: Scan, boxes=(), *, decision=None, ids=None, path="folder/bag.png") -> Inspection:
    count = len(boxes)
    ids = np.arange(count, dtype=np.int32) if ids is None else np.array(ids, np.int32)
    findings = Findings(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.3, count, dtype=np.float32),
        np.maximum(ids, 0),
        (ids < 0).astype(np.int8),  # -1 stands for an anomaly
        NAMES,
    )
    decision = decision or ("refer" if count else "clear")
    return Inspection(
        path=path,
        sha256="0" * 64,
        width=scan.width,
        height=scan.height,
        kind=scan.kind,
        subject=scan.subject,
        decision=decision,
        reasons=tuple(findings.labels) if decision == "refer" else (),
        findings=findings,
        timings_ms={},
        model="blobs",
        fingerprint="0" * 64,
        operating_point="pfa=0.05",
        thresholds={},
        precision="fp32",
    )


def grey_scan(value: int, width: int = 640, height: int = 400) -> Scan:
    pixels = np.full((height, width, 3), value, np.uint8)
    return Scan.in_memory(pixels, kind="pseudocolour", subject="baggage")


def picture_of(overlay: np.ndarray, scan: Scan) -> np.ndarray:
    """The part of an overlay that is the scan's own area."""
    return overlay[overlay.shape[0] - scan.height :, : scan.width]


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_item_is_outlined_and_itself_left_alone(value):
    scan = grey_scan(value)
    overlay = draw_overlay(scan, inspection_of(scan, [[200, 150, 320, 260]]))
    assert overlay.dtype == np.uint8
    picture = picture_of(overlay, scan)
    assert (picture[150:260, 200:320] == value).all()
    ring = picture[140:270, 190:330].reshape(-1, 3)
    # On any ground there is the colour between a black and a white line.
    for tone in (PALETTE[0], (0, 0, 0), (255, 255, 255)):
        assert (ring == tone).all(axis=1).sum() > 100
    assert (picture[350:, 500:] == value).all()


def test_the_banner_lies_outside_of_the_picture():
    scan = grey_scan(200)
    overlay = draw_overlay(scan, inspection_of(scan))
    assert overlay.shape[0] > scan.height
    assert (picture_of(overlay, scan) == 200).all()


def test_decisions_look_different():
    scan = grey_scan(200)
    box = [[200, 150, 320, 260]]
    refer = draw_overlay(scan, inspection_of(scan, box))
    clear = draw_overlay(scan, inspection_of(scan, box, decision="clear"))
    banner = refer.shape[0] - scan.height
    assert not np.array_equal(refer[:banner], clear[:banner])
    assert np.array_equal(refer[banner:], clear[banner:])


def test_lines_and_letters_scale_with_the_scan():
    def coloured(factor: int) -> float:
        scan = grey_scan(255, 640 * factor, 400 * factor)
        box = [[edge * factor for edge in (200, 150, 320, 260)]]
        overlay = draw_overlay(scan, inspection_of(scan, box))
        return float((overlay != 255).any(axis=2).mean())

    assert coloured(4) == pytest.approx(coloured(1), rel=0.15)


def test_a_small_scan_is_enlarged_by_a_whole_factor():
    scan = grey_scan(255, 64, 48)
    overlay = draw_overlay(scan, inspection_of(scan, [[10, 10, 30, 30]]))
    assert overlay.shape[1] >= 640
    assert overlay.shape[0] > 480


def test_a_narrow_scan_has_a_banner_that_can_be_read():
    scan = grey_scan(255, 60, 640)
    assert draw_overlay(scan, inspection_of(scan)).shape[1] >= 400


@pytest.mark.parametrize(("width", "height"), [(60, 8000), (8000, 60), (2, 30_000), (30_000, 1)])
def test_no_shape_of_a_scan_makes_its_overlay_large(width, height):
    scan = grey_scan(255, width, height)
    overlay = draw_overlay(scan, inspection_of(scan))
    assert overlay.shape[0] <= 5 * height + 50
    assert overlay.shape[1] <= max(5 * width, 440)


@pytest.mark.parametrize("box", [[0, 0, 640, 400], [0, 0, 20, 20], [620, 380, 640, 400], [0, 100, 640, 101]])
def test_items_at_the_border_are_drawn_whole(box):
    scan = grey_scan(128)
    overlay = draw_overlay(scan, inspection_of(scan, [box]))
    picture = picture_of(overlay, scan) if overlay.shape[0] >= scan.height else overlay
    coloured = (picture == PALETTE[0]).all(axis=2)
    rows, columns = np.flatnonzero(coloured.any(axis=1)), np.flatnonzero(coloured.any(axis=0))
    assert rows[0] <= max(box[1], 6)
    assert rows[-1] >= min(box[3], 393)
    assert columns[0] <= max(box[0], 6)
    assert columns[-1] >= min(box[2], 633)


def test_an_anomaly_is_drawn_too():
    scan = grey_scan(90)
    overlay = draw_overlay(scan, inspection_of(scan, [[200, 150, 320, 260]], ids=[-1]))
    assert not (picture_of(overlay, scan) == 90).all()


def test_what_is_unusual_is_tinted_and_the_rest_left_alone():
    scan = grey_scan(128, width=641, height=401)
    cells = np.zeros((51, 81), np.float32)
    cells[10:20, 30:40] = 0.9
    plain = picture_of(draw_overlay(scan, inspection_of(scan)), scan)
    tinted = picture_of(draw_overlay(scan, replace(inspection_of(scan), anomaly_map=cells)), scan)
    changed = (plain != tinted).any(axis=2)
    assert changed[90:150, 250:310].all()
    assert not changed[:60].any()
    assert not changed[:, 360:].any()
    red, green, _ = tinted[120, 280].tolist()
    assert red > green + 20


def test_what_was_not_penetrated_is_hatched_in_the_cargo_box():
    scan = grey_scan(10, width=900, height=840)
    cells = np.zeros((420, 450), np.bool_)  # of 2 x 2 pixels
    cells[100:200, 50:150] = cells[400:] = True
    facts = {"opaque_cells": cells, "opaque_regions": ((100.0, 200.0, 300.0, 400.0),)}
    inspection = replace(inspection_of(scan), cargo_box=(20.0, 30.0, 880.0, 700.0), **facts)
    plain = picture_of(draw_overlay(scan, inspection_of(scan)), scan)
    changed = (picture_of(draw_overlay(scan, inspection), scan) != plain).any(axis=2)
    assert 0.08 < changed[200:400, 100:300].mean() < 0.4
    changed[200:400, 100:300] = False
    assert not changed.any()
    whole = replace(inspection_of(scan), **facts)  # no box was found
    changed = (picture_of(draw_overlay(scan, whole), scan) != plain).any(axis=2)
    assert changed[810:].any()


def test_a_path_in_another_script_is_drawn():
    scan = grey_scan(90)
    assert draw_overlay(scan, inspection_of(scan, path="دفتر/袋.png")).size
    assert draw_overlay(scan, inspection_of(scan, path=None)).size


def test_the_scan_must_be_the_one_that_was_inspected():
    with pytest.raises(ValueError, match="64 x 48"):
        draw_overlay(grey_scan(0), inspection_of(grey_scan(0, 64, 48)))


def test_grey_is_shown_as_it_is():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    shown = display_pixels(Scan.in_memory(pixels, kind="display_grey", subject="cargo"))
    assert (shown == pixels[:, :, np.newaxis]).all()


def test_transmission_is_tone_mapped_so_that_thick_cargo_keeps_its_detail():
    steps = np.array([1.0, 0.1, 0.01, 0.001, 0.0], np.float32).reshape(1, 5, 1)
    shown = display_pixels(Scan.in_memory(steps, kind="transmission", subject="cargo"))
    assert shown[0, :, 0].tolist() == [255, 170, 85, 0, 0]


@pytest.mark.parametrize(("subject", "coloured"), [("baggage", True), ("cargo", False)])
def test_two_energies_of_a_bag_are_shown_in_colour_and_of_cargo_in_grey(subject, coloured):
    pair = np.ones((4, 4, 2), np.float32)
    pair[:2, :, 0], pair[:2, :, 1] = 0.5, 0.4
    shown = display_pixels(Scan.in_memory(pair, kind="transmission", subject=subject))
    assert (shown[2:] == 255).all()
    assert (np.ptp(shown[0, 0].astype(int)) > 10) == coloured


def overlap(a, b) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)


@st.composite
def layouts(draw):
    width, height = draw(st.integers(60, 800)), draw(st.integers(60, 600))
    count = draw(st.integers(0, 25))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corners = generator.uniform(0, [width, height], (count, 2, 2))
    items = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    sizes = [(float(generator.uniform(30, 120)), 18.0) for _ in range(count)]
    return items, sizes, (float(width), float(height))


@given(layouts())
@settings(max_examples=60, deadline=None)
def test_no_label_covers_an_item_or_another_label(layout):
    items, sizes, picture = layout
    labels = place_labels(items, sizes, picture, 2.0)
    assert len(labels) == len(items)
    rectangles = [label.rectangle for label in labels]
    for i, (label, size) in enumerate(zip(labels, sizes, strict=True)):
        x1, y1, x2, y2 = label.rectangle
        assert (x2 - x1, y2 - y1) == pytest.approx(size)
        assert all(overlap(label.rectangle, other) <= 1e-9 for other in rectangles[i + 1 :])
        if label.in_margin:
            assert x1 >= picture[0]
            assert y1 >= 0
        else:
            assert all(overlap(label.rectangle, item) <= 1e-9 for item in items.tolist())
            assert x1 >= 0
            assert y1 >= 0
            assert x2 <= picture[0]
            assert y2 <= picture[1]


def test_a_lone_item_has_its_label_right_above():
    (label,) = place_labels(np.array([[100.0, 100.0, 200.0, 180.0]]), [(60.0, 18.0)], (640.0, 480.0), 2.0)
    assert label.rectangle == (100.0, 80.0, 160.0, 98.0)
    assert not label.detached


def test_labels_in_the_margin_stand_level_with_their_items():
    items = np.array([[0.0, 0.0, 640.0, 480.0], [10.0, 300.0, 60.0, 340.0]])
    labels = place_labels(items, [(60.0, 18.0)] * 2, (640.0, 480.0), 2.0)
    assert [label.in_margin for label in labels] == [True, True]
    assert [(label.rectangle[1] + label.rectangle[3]) / 2 for label in labels] == [240.0, 320.0]
