"""What the viewer shows over a scan: findings, labels, marks, maps, boxes that are drawn."""

import numpy as np

from cargosight_inference.scans.scan import Scan
from tests.made.viewer_fixtures import HEIGHT, VIEW, WIDTH
from tests.made.viewer_page import ViewerPage


def inspection(*findings, **more):
    rows = [
        {"label": label, "kind": kind, "score": score, "box": list(box)}
        for label, kind, score, box in findings
    ]
    thresholds = {"knife": 0.2, "handgun": 0.2, "cash": 0.2, "anomaly": 0.5}
    known = {
        "id": 5,
        "findings": rows,
        "thresholds": thresholds,
        "opaque_regions": [],
        "cargo_box": None,
        "maps": {},
    }
    return {**known, **more}


FOUND = inspection(
    ("handgun", "item", 0.999, (200, 100, 300, 160)),
    ("anomaly", "anomaly", 0.7, (600, 300, 700, 420)),
    ("knife", "item", 0.4, (900, 500, 1000, 560)),
    ("dense_region", "dense", 0.3, (400, 200, 520, 300)),
)


def labels(viewer):
    return viewer.run(
        "() => [...document.querySelectorAll('.viewer-label text')].map((each) => each.textContent)"
    )


def test_findings_in_words_and_lines(viewer):
    viewer.show("wide", inspection=FOUND)
    assert labels(viewer)[::-1] == ["handgun 1.00", "anomaly 0.70", "knife 0.40", "dense region 0.30"]
    dashes = viewer.run(
        "() => [...document.querySelectorAll('.viewer-box')].map((box) => "
        "[box.dataset.kind, box.querySelector('rect:last-of-type').getAttribute('stroke-dasharray')])"
    )
    assert (
        len({dash for kind, dash in dashes}) == len({kind for kind, dash in dashes}) == 3
    )  # a line for each kind


def test_what_is_shown_of_them(viewer):
    viewer.show("wide", inspection=FOUND)
    viewer.run("() => viewer.overlay.setThreshold(0.35)")
    assert len(labels(viewer)) == 3
    viewer.run("() => viewer.overlay.setClassVisible('handgun', false)")
    assert labels(viewer)[::-1] == ["anomaly 0.70", "knife 0.40"]
    assert viewer.events("overlay")[-1]["shown"] == [1, 2]
    viewer.page.keyboard.down("h")
    assert labels(viewer) == []
    viewer.page.keyboard.up("h")
    assert len(labels(viewer)) == 2
    viewer.page.keyboard.press("Shift+H")
    assert labels(viewer) == []
    viewer.page.keyboard.press("h")
    assert len(labels(viewer)) == 2


def test_what_a_lower_threshold_would_give_is_dashed_and_is_no_finding(viewer):
    rows = [
        {"label": "knife", "kind": "item", "score": 0.15, "box": [900, 300, 1000, 360]},
        {"label": "cash", "kind": "item", "score": 0.1, "box": [500, 500, 560, 540]},
    ]
    viewer.show("wide", inspection={**FOUND, "below_threshold": rows, "below_floor": 0.05})
    assert len(labels(viewer)) == 4
    assert viewer.events("overlay")[-1]["wouldAlarm"] == []
    viewer.run("() => viewer.overlay.setThreshold(0.12)")
    assert labels(viewer)[::-1][4:] == ["knife 0.15, below the threshold"]
    state = viewer.events("overlay")[-1]
    assert (state["shown"], state["wouldAlarm"]) == ([0, 1, 2, 3], [0])
    dash = viewer.run(
        "() => document.querySelector('.viewer-box[data-kind=below] rect:last-of-type')"
        ".getAttribute('stroke-dasharray')"
    )
    assert dash != "none"
    viewer.page.keyboard.press(",")
    assert viewer.events("selected")[-1]["index"] == 3  # the last finding: what is below is passed over
    viewer.run("() => { viewer.fit(); viewer.readPixels(0, 0, 1, 1); }")
    left, top, right, bottom = viewer.run("viewer.places.find(({id}) => id === 'below 0').label")
    viewer.page.mouse.click((left + right) / 2, (top + bottom) / 2)
    assert viewer.events("selected")[-1]["index"] != 0
    viewer.run("() => viewer.overlay.setClassVisible('knife', false)")
    assert viewer.events("overlay")[-1]["wouldAlarm"] == []
    viewer.run("() => { viewer.overlay.setThreshold(null); viewer.overlay.setClassVisible('knife', true); }")
    assert len(labels(viewer)) == 4


def test_an_inspection_from_before_there_was_that_shows_its_findings(viewer):
    viewer.show("wide", inspection=FOUND)
    viewer.run("() => viewer.overlay.setThreshold(0.01)")
    assert len(labels(viewer)) == 4


def test_findings_are_reached_by_keys_and_read_out(viewer):
    viewer.show("wide", inspection=FOUND)
    viewer.look_at(100, 600, 8)
    viewer.page.keyboard.press(".")
    assert viewer.events("selected")[-1]["text"] == "Finding 1 of 4: handgun, 1.00"
    viewer.run("() => viewer.readPixels(0, 0, 1, 1)")
    x1, y1, x2, y2 = viewer.run("viewer.places.find(({id}) => id === 'finding 0').box")
    assert x1 >= 0 and y1 >= 0 and x2 <= VIEW["width"] and y2 <= VIEW["height"]  # it was brought into sight
    viewer.page.keyboard.press(",")
    assert viewer.events("selected")[-1]["index"] == 3
    viewer.run("() => { viewer.fit(); viewer.readPixels(0, 0, 1, 1); }")
    left, top, right, bottom = viewer.run("viewer.places.find(({id}) => id === 'finding 1').label")
    viewer.page.mouse.click((left + right) / 2, (top + bottom) / 2)
    assert viewer.events("selected")[-1]["index"] == 1


def test_marks_of_operators(viewer):
    viewer.show("wide", inspection=FOUND)
    mark = {"inspection": 5, "finding": None, "label": "knife", "box": None}
    viewer.run(
        "marks => viewer.setMarks(marks)",
        [
            {**mark, "finding": 0, "verdict": "rejected"},
            {**mark, "finding": 0, "verdict": "confirmed"},  # he thought better of it
            {**mark, "finding": 1, "verdict": "rejected"},
            {**mark, "finding": 2, "verdict": "rejected", "inspection": 4},  # of another inspection
            {**mark, "verdict": "drawn", "box": [50, 50, 120, 90]},
        ],
    )
    assert labels(viewer)[::-1] == [
        "✓ handgun 1.00",
        "anomaly 0.70",
        "knife 0.40",
        "dense region 0.30",
        "✎ knife",
    ]
    struck = viewer.run(
        "() => [...document.querySelectorAll('.viewer-label')].filter((label) => "
        "!label.querySelector('line').hasAttribute('display')).map((label) => label.textContent)"
    )
    assert struck == ["anomaly 0.70"]
    drawn = viewer.run(
        "document.querySelector('[data-kind=drawn] rect:last-of-type').getAttribute('stroke-dasharray')"
    )
    assert drawn != "none"


def test_lines_keep_their_share_of_the_screen(browser, viewer_pictures):
    told = {}
    for width, height, ratio in ((1366, 768, 1), (1366, 768, 1.25), (3840, 2160, 1), (1920, 1080, 2)):
        size = {"width": width, "height": height}
        page = browser.new_page(viewport=size, device_scale_factor=ratio)
        viewer = ViewerPage(page, *viewer_pictures)
        viewer.show("wide", inspection=FOUND)
        viewer.run("() => { viewer.startMeasuring(); viewer.readPixels(0, 0, 1, 1); }")
        lines = viewer.run(
            "() => ['.viewer-box rect:last-of-type', '.viewer-measure path'].map((each) => "
            "Number(document.querySelector(each).getAttribute('stroke-width')) * devicePixelRatio)"
        )
        told[width, height, ratio] = [round(line, 1) for line in lines]
        page.close()
    assert told == {
        (1366, 768, 1): [2, 5],
        (1366, 768, 1.25): [3, 7.5],
        (3840, 2160, 1): [6, 15],
        (1920, 1080, 2): [6, 15],
    }


def overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_labels_cover_no_item_and_no_label(viewer):
    random = np.random.default_rng(1)
    findings = []
    for score in np.linspace(0.9, 0.2, 30):
        x, y, w, h = random.uniform((0, 0, 15, 15), (1200, 600, 130, 130))
        findings.append(("cash", "item", float(score), (x, y, min(x + w, WIDTH), min(y + h, HEIGHT))))
    viewer.show("wide", inspection=inspection(*findings))
    for script in ("", "viewer.rotate(90)", "viewer.zoomBy(1.7)", "viewer.pan(60, 35)", "viewer.zoomBy(2.5)"):
        viewer.run(f"() => {{ {script or 'viewer.fit()'}; viewer.readPixels(0, 0, 1, 1); }}")
        places = viewer.run("viewer.places")
        named = [place["label"] for place in places if place["label"]]
        boxes = [place["box"] for place in places]
        large = 0.5 * VIEW["width"] * VIEW["height"]
        boxes = [box for box in boxes if (box[2] - box[0]) * (box[3] - box[1]) <= large]
        assert named
        for number, label in enumerate(named):
            assert min(label) >= 0 and label[2] <= VIEW["width"] and label[3] <= VIEW["height"]
            assert not any(overlap(label, box) for box in boxes)
            assert not any(overlap(label, other) for other in named[:number])


def test_a_box_is_drawn_by_mouse_and_by_keys(viewer):
    viewer.show("wide")
    viewer.look_at(400, 300, 1)
    viewer.run("() => viewer.startDrawing('cash')")
    viewer.page.mouse.move(*viewer.screen(450, 330))
    viewer.page.mouse.down()
    viewer.page.mouse.move(*viewer.screen(380, 260), steps=3)
    viewer.page.mouse.up()
    assert viewer.events("drawn") == [{"box": [380, 260, 450, 330], "label": "cash"}]
    assert viewer.run("viewer.tool") is None
    viewer.page.keyboard.press("b")
    for key in ("Enter", *["ArrowRight"] * 4, *["ArrowDown"] * 3, "Shift+ArrowDown", "Enter"):
        viewer.page.keyboard.press(key)
    assert viewer.events("drawn")[-1] == {"box": [380, 260, 420, 291], "label": None}
    viewer.run("() => viewer.startDrawing()")
    viewer.page.keyboard.press("Escape")
    assert [each["name"] for each in viewer.events("tool")] == ["draw", None, "draw", None, "draw", None]


def test_maps_are_drawn_where_they_belong(viewer):
    white = Scan.in_memory(np.full((160, 240), 255, np.uint8), kind="display_grey", subject="cargo")
    viewer.descriptions["white"] = viewer.site.add("white", white)
    heat, opaque = np.zeros((20, 30), np.uint8), np.zeros((80, 120), np.uint8)
    heat[5:10, 10:20] = 255
    opaque[:, 60:] = 1
    viewer.site.maps.update({"9/anomaly": heat.tobytes(), "9/opaque": opaque.tobytes()})
    maps = {
        "anomaly": {"width": 30, "height": 20, "cell": 8},
        "opaque": {"width": 120, "height": 80, "cell": 2},
    }
    found = inspection(id=9, maps=maps, cargo_box=[0, 0, 240, 120], opaque_regions=[[120, 0, 240, 160]])
    viewer.show("white", inspection=found)
    viewer.run("() => viewer.overlay.setHeat(true)")
    viewer.page.wait_for_function("() => viewer.overlay.layers({width: 240, height: 160}).length === 2")
    viewer.look_at(120, 80, 1)
    left, top = viewer.screen(0, 0)
    shown = viewer.pixels(left, top, 240, 160).astype(int)
    tinted = np.rint(255 + (np.array([204, 121, 167]) - 255) * 0.5)
    assert np.abs(shown[60, 100] - tinted).max() <= 1  # a cell is 8 pixels
    assert (shown[:, :70] == 255).all()
    hatched = (shown != 255).any(axis=2)
    assert 0.2 < hatched[:32, 120:].mean() < 0.6
    assert not hatched[120:, :].any()  # the cargo box ends there
    viewer.run("() => { viewer.overlay.setHeat(false); viewer.overlay.setOpaque(false); }")
    assert (viewer.pixels(left, top, 240, 160) == 255).all()


def test_a_map_of_the_wrong_size_is_told(viewer):
    viewer.site.maps["8/opaque"] = bytes(7)
    maps = {"opaque": {"width": 50, "height": 40, "cell": 8}}
    viewer.show("bag", inspection=inspection(id=8, maps=maps))
    assert "expected 50 x 40" in viewer.wait_for_event("problem")["message"]
