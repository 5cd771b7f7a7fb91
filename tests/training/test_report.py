import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from cargosight_models.errors import DataSetError
from cargosight_models.labels import ClassSet
from cargosight_training.datasets.coco import read_coco
from cargosight_training.evaluation.charts import Axis, Line, chart
from cargosight_training.evaluation.confusion import confusion
from cargosight_training.evaluation.galleries import thumbnail, worst_false_alarms, worst_misses
from cargosight_training.evaluation.matching import match
from cargosight_training.evaluation.report import render
from cargosight_training.evaluation.results import Evaluation, evaluate_parts
from cargosight_training.evaluation.run import Inspected
from tests.made.datasets import (
    CLASSES,
    MadeSource,
    findings_of,
    image_record,
    make_dataset,
    scored_of,
    write_blank,
)

BOX = (10.0, 10.0, 50.0, 30.0)
STRAY = (100.0, 10.0, 140.0, 30.0)
VOID = {"meta", "br", "path", "rect", "image", "circle"}


class Outline(HTMLParser):
    """Collects tags, and checks that they close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()


def evaluation_of(pairs, names, *, notes=(), looks=None):
    looks = np.random.default_rng(0).normal(size=(len(pairs), 27)) if looks is None else looks
    inspected = Inspected(
        ClassSet(tuple(names)),
        tuple(record for record, _ in pairs),
        tuple(findings for _, findings in pairs),
        looks,
        {"read": 1.0, "total": 2.0},
        tuple(notes),
    )
    data = {"name": "made", "only": ["site"], "without": []}
    model = {"name": "m", "file": "m.onnx", "fingerprint": "0" * 64, "precision": "fp32", "code_version": "1"}
    parts = evaluate_parts(inspected, sidecar=None, data=data, samples=10)
    return Evaluation({**model, "classes": list(names)}, data, inspected.notes, inspected.milliseconds, parts)


@pytest.fixture
def pairs(tmp_path):
    """Drawn bags; each item is found, missed or taken for another, and some clean bags alarm."""
    sources = (MadeSource("a", images=20, scanners=("1", "2")), MadeSource("b<i>", ("bar",), images=10))
    dataset = read_coco(make_dataset(tmp_path, sources))
    rng = np.random.default_rng(1)
    pairs = []
    for image in dataset.images:
        found = [
            (CLASSES[class_id] if rng.random() < 0.7 else "disc", float(rng.random()), tuple(box))
            for box, class_id in zip(
                image.annotations.boxes.tolist(), image.annotations.class_ids, strict=True
            )
            if rng.random() < 0.8
        ]
        found += [("bar", float(rng.random()), (5.0, 5.0, 30.0, 20.0))]
        pairs.append((image, findings_of(found)))
    return pairs


def test_the_report_is_one_sound_file_of_its_own(pairs):
    html = render(evaluation_of(pairs, CLASSES, notes=["a <b> note"]))
    outline = Outline()
    outline.feed(html)
    outline.close()
    assert outline.open == []
    assert "script" not in outline.tags
    assert outline.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in outline.links)
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html


def test_the_report_shows_every_section_and_escapes_names(pairs):
    html = render(evaluation_of(pairs, CLASSES, notes=["a <b> note"]))
    for title in (
        "By class",
        "By source and scanner",
        "Operating points",
        "Curves",
        "Confusion",
        "Worst misses",
    ):
        assert f"<h3>{title}</h3>" in html
    assert "Worst false alarms" in html
    assert "b&lt;i&gt;" in html
    assert "b<i>" not in html
    assert "a &lt;b&gt; note" in html
    assert "a/2" in html
    assert "only site" in html
    for name in CLASSES:
        assert name in html


def test_every_drawing_is_sound_svg(pairs):
    drawings = re.findall(r"<svg.*?</svg>", render(evaluation_of(pairs, CLASSES)), flags=re.DOTALL)
    assert len(drawings) > 6
    for drawing in drawings:
        ElementTree.fromstring(drawing)


def test_a_report_without_boxes_or_clean_scans_can_be_read(tmp_path):
    blank = image_record(1, size=(64, 48))
    object.__setattr__(blank, "path", write_blank(tmp_path / "a.png"))
    html = render(evaluation_of([(blank, findings_of([("bar", 0.9, BOX)]))], CLASSES))
    assert "None can be fitted to these scans: 1 clean scans found" in html
    assert "<p>None.</p>" in html  # no misses


def test_a_picture_that_is_gone_is_told(pairs):
    evaluation = evaluation_of(pairs, CLASSES)
    for image, _ in pairs:
        image.path.unlink()
    with pytest.raises(DataSetError, match="cannot be read"):
        render(evaluation)


def test_a_thumbnail_is_a_small_jpeg(tmp_path):
    data = thumbnail(write_blank(tmp_path / "a.png", 800, 300), side=100)
    assert data.startswith(b"\xff\xd8\xff")
    assert len(data) < 3000


def test_the_worst_misses_come_first_and_found_boxes_not_at_all():
    matched = match(
        scored_of(
            (image_record(1, [("bar", BOX)]), findings_of([("bar", 0.9, BOX)])),
            (image_record(2, [("bar", BOX)]), findings_of([("bar", 0.2, BOX), ("disc", 0.8, BOX)])),
            (image_record(3, [("bar", BOX), ("ring", STRAY)]), findings_of([("ring", 0.9, STRAY)])),
        )
    )
    misses = worst_misses(matched, np.full(3, 0.5, np.float32))
    assert [(entry.path.name, entry.caption) for entry in misses] == [
        ("made-3.png", "bar: not found"),
        ("made-2.png", "bar: best score 0.20 of 0.50"),
    ]
    assert [(mark.kind, mark.label) for mark in misses[1].boxes] == [
        ("truth", "bar"),
        ("finding", "disc 0.80"),
    ]
    assert ("other truth", "") in [(mark.kind, mark.label) for mark in misses[0].boxes]


def test_false_alarms_are_of_scans_without_the_class_that_label_it():
    matched = match(
        scored_of(
            (image_record(1, [("bar", BOX)]), findings_of([("bar", 0.99, STRAY)])),
            (image_record(2), findings_of([("bar", 0.7, STRAY), ("bar", 0.6, BOX)])),
            (image_record(3, labelled=["disc"], source="b"), findings_of([("bar", 0.98, STRAY)])),
            (image_record(4), findings_of([("bar", 0.8, STRAY), ("disc", 0.4, STRAY)])),
        )
    )
    alarms = worst_false_alarms(matched, np.full(3, 0.5, np.float32))
    assert [entry.path.name for entry in alarms] == ["made-4.png", "made-2.png"]
    assert alarms[0].caption == "bar 0.80 (alarms from 0.50)"


def test_a_gallery_shows_few_of_each_class():
    images = [(image_record(n, [("bar", BOX)]), findings_of()) for n in range(20)]
    assert len(worst_misses(match(scored_of(*images)), np.full(3, 0.5, np.float32))) == 3


def test_confusion_counts_boxes_and_strays():
    matched = match(
        scored_of(
            (image_record(1, [("bar", BOX)]), findings_of([("bar", 0.6, BOX), ("disc", 0.9, BOX)])),
            (image_record(2, [("bar", BOX)]), findings_of([("disc", 0.9, BOX), ("ring", 0.6, BOX)])),
            (image_record(3, [("bar", BOX)]), findings_of([("bar", 0.3, BOX), ("ring", 0.9, STRAY)])),
            (image_record(4, labelled=["bar"], source="b"), findings_of([("disc", 0.9, STRAY)])),
        )
    )
    counts = confusion(matched, np.full(3, 0.5, np.float32)).counts
    assert counts[0].tolist() == [1, 1, 0, 1]  # found as bar, as disc, as ring, missed
    assert counts[3].tolist() == [0, 0, 1, 0]  # an unlabelled disc is no false alarm
    assert counts.sum() == 4


def test_a_chart_draws_points_inside_its_frame():
    svg = chart(
        [Line([0.0, 0.5, 2.0], [0.0, 1.5, -1.0], "a & b", dots=True)],
        Axis("x < y"),
        Axis("rate"),
        width=200,
        height=100,
        diagonal=True,
    )
    root = ElementTree.fromstring(svg)
    assert root.get("width") == "200"
    circles = [node for node in root.iter() if node.tag.endswith("circle")]
    assert all(0 <= float(c.get("cx")) <= 200 and 0 <= float(c.get("cy")) <= 100 for c in circles)
    assert "a &amp; b" in svg
    with pytest.raises(ValueError, match="cannot be drawn"):
        Axis("x", 1.0, 1.0)
    with pytest.raises(ValueError, match="cannot be drawn"):
        Axis("x", 0.0, 1.0, log=True)
    assert Axis("x", 0.01, 1.0, log=True).place(0.1) == pytest.approx(0.5)
