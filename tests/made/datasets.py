"""Small made COCO data sets with partial labels: drawn shapes written as PNG."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cargosight_inference.findings import Findings
from cargosight_models.labels import Annotations, ClassSet
from cargosight_training.datasets.records import ImageRecord, Origin
from cargosight_training.evaluation.scored import Scored, collect

CLASSES = ("bar", "disc", "ring")
"""What can be drawn: a long thin bar, a filled disc, an open ring."""

COLOURS = {"bar": (60, 90, 220), "disc": (230, 120, 30), "ring": (40, 160, 60)}


@dataclass(frozen=True)
class MadeSource:
    """One source of a made data set.

    Attributes:
        name: Name in the `sources` table.
        labelled: Which classes it labels; others may be drawn but are never boxed.
        images: How many images to draw.
        scanners: Scanner names, dealt out in turn; none where empty.
        origin: real, projected or simulated.
        clean: Share of the images without any drawn item.
    """

    name: str
    labelled: tuple[str, ...] = CLASSES
    images: int = 6
    scanners: tuple[str, ...] = ()
    origin: str = "real"
    clean: float = 0.3


@dataclass
class CocoDocument:
    """A COCO document under construction, for tests that break one thing in it."""

    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    categories: list[dict[str, Any]] = field(default_factory=list)
    sources: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        document = {
            "images": self.images,
            "annotations": self.annotations,
            "categories": self.categories,
        }
        return document if self.sources is None else {**document, "sources": self.sources}

    def write(self, path: Path) -> Path:
        path.write_text(json.dumps(self.to_dict()), encoding="utf-8")
        return path


def draw_item(picture: np.ndarray, name: str, box: tuple[int, int, int, int]) -> None:
    """Draw one item so that it fills its corner box x1, y1, x2, y2."""
    x1, y1, x2, y2 = box
    centre = ((x1 + x2 - 1) // 2, (y1 + y2 - 1) // 2)
    axes = ((x2 - x1) // 2, (y2 - y1) // 2)
    if name == "bar":
        cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), COLOURS[name], -1)
    elif name == "disc":
        cv2.ellipse(picture, centre, axes, 0, 0, 360, COLOURS[name], -1)
    else:
        cv2.ellipse(picture, centre, (axes[0] - 2, axes[1] - 2), 0, 0, 360, COLOURS[name], 3)


def draw_bag(
    rng: np.random.Generator, items: Sequence[tuple[str, tuple[int, int, int, int]]], width: int, height: int
) -> np.ndarray:
    """A bag of pale clutter with the items drawn over it; (height, width, 3) uint8 RGB."""
    picture = np.full((height, width, 3), 250, dtype=np.uint8)
    for _ in range(4):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        shade = tuple(int(value) for value in rng.integers(190, 240, 3))
        cv2.rectangle(
            picture, (x, y), (x + int(rng.integers(8, 40)), y + int(rng.integers(8, 40))), shade, -1
        )
    for name, box in items:
        draw_item(picture, name, box)
    return picture


def random_items(
    rng: np.random.Generator, names: Sequence[str], width: int, height: int, most: int = 2
) -> list[tuple[str, tuple[int, int, int, int]]]:
    """One to `most` items of the given classes at random places."""
    items = []
    for _ in range(int(rng.integers(1, most + 1))):
        name = str(rng.choice(list(names)))
        w, h = (int(rng.integers(28, 40)), 8) if name == "bar" else (int(rng.integers(16, 26)),) * 2
        x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        items.append((name, (x, y, x + w, y + h)))
    return items


def make_dataset(
    folder: Path,
    sources: Sequence[MadeSource] = (MadeSource("site-a"), MadeSource("site-b", ("bar",))),
    *,
    name: str = "made",
    seed: int = 0,
    size: tuple[int, int] = (96, 72),
) -> Path:
    """Write `folder/<name>.json` and `folder/images/<source>/NNNN.png`; returns the annotation file."""
    rng = np.random.default_rng(seed)
    width, height = size
    ids = {label: index for index, label in enumerate(CLASSES, start=1)}
    document = CocoDocument(
        categories=[{"id": index, "name": label} for label, index in ids.items()],
        sources={s.name: {"labelled": list(s.labelled), "origin": s.origin} for s in sources},
    )
    for source in sources:
        (folder / "images" / source.name).mkdir(parents=True, exist_ok=True)
        for number in range(source.images):
            items = [] if rng.random() < source.clean else random_items(rng, CLASSES, width, height)
            file_name = f"{source.name}/{name}-{number:04d}.png"
            picture = draw_bag(rng, items, width, height)
            cv2.imwrite(str(folder / "images" / file_name), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            image_id = len(document.images) + 1
            row = {
                "id": image_id,
                "file_name": file_name,
                "width": width,
                "height": height,
                "source": source.name,
            }
            if source.scanners:
                row["scanner"] = source.scanners[number % len(source.scanners)]
            document.images.append(row)
            for label, (x1, y1, x2, y2) in items:
                if label in source.labelled:
                    document.annotations.append(
                        annotation(
                            len(document.annotations) + 1, image_id, ids[label], (x1, y1, x2 - x1, y2 - y1)
                        )
                    )
    return document.write(folder / f"{name}.json")


def annotation(
    annotation_id: int, image_id: int, category_id: int, bbox: Sequence[float], **extra: Any
) -> dict[str, Any]:
    """One COCO annotation row."""
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": list(bbox),
        "area": bbox[2] * bbox[3],
        "iscrowd": 0,
        **extra,
    }


def tiny_document(folder: Path) -> CocoDocument:
    """A sound document of two 64 by 48 images and one box, whose image files exist under `folder/images`."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / "images" / name), np.full((48, 64, 3), 240, dtype=np.uint8))
    return CocoDocument(
        images=[
            {"id": 1, "file_name": "a.png", "width": 64, "height": 48, "source": "site"},
            {"id": 2, "file_name": "b.png", "width": 64, "height": 48, "source": "site", "scanner": 2},
        ],
        annotations=[annotation(1, 1, 7, (4, 5, 20, 10))],
        categories=[{"id": 7, "name": "knife"}, {"id": 3, "name": "gun"}],
        sources={"site": {"labelled": ["knife", "gun"]}},
    )


def voc_xml(
    filename: str, size: tuple[int, int], objects: Sequence[tuple[str, tuple[float, float, float, float]]]
) -> str:
    """A Pascal VOC annotation; boxes as xmin, ymin, xmax, ymax."""
    parts = [f"<annotation><filename>{filename}</filename>"]
    parts.append(f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>")
    for name, values in objects:
        corners = "".join(
            f"<{tag}>{value}</{tag}>"
            for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), values, strict=True)
        )
        parts.append(f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>")
    return "".join(parts) + "</annotation>"


def write_blank(path: Path, width: int = 64, height: int = 48) -> Path:
    """A pale picture at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 235, dtype=np.uint8))
    return path


def counts_by_class(document: Mapping[str, Any]) -> dict[str, int]:
    """How many boxes each category of a COCO document has."""
    names = {row["id"]: row["name"] for row in document["categories"]}
    counts = dict.fromkeys(names.values(), 0)
    for row in document["annotations"]:
        counts[names[row["category_id"]]] += 1
    return counts


Item = tuple[str, tuple[float, float, float, float]]
Found = tuple[str, float, tuple[float, float, float, float]]


def train_and_val(folder: Path) -> list[Path]:
    """A training and a validation file: source a with scanners 1 and 2, and source b, which labels bars alone."""
    sources = (MadeSource("a", images=4, scanners=("1", "2")), MadeSource("b", ("bar",), images=3))
    return [make_dataset(folder, sources, name=name, seed=seed) for seed, name in enumerate(("train", "val"))]


def image_record(
    number: int,
    truths: Iterable[Item] = (),
    *,
    classes: Sequence[str] = CLASSES,
    labelled: Sequence[str] | None = None,
    source: str = "site",
    scanner: str | None = None,
    origin: Origin = "real",
    size: tuple[int, int] = (200, 100),
) -> ImageRecord:
    """A record without an image file; truths as (class, x1, y1, x2, y2)."""
    items = list(truths)
    return ImageRecord(
        image_id=number,
        path=Path(f"made-{number}.png"),
        width=size[0],
        height=size[1],
        source=source,
        scanner=scanner,
        labelled=np.array([labelled is None or name in labelled for name in classes]),
        annotations=Annotations(
            np.array([box for _, box in items], dtype=np.float32).reshape(-1, 4),
            np.array([list(classes).index(name) for name, _ in items], dtype=np.int64),
        ),
        origin=origin,
    )


def findings_of(found: Iterable[Found] = (), classes: Sequence[str] = CLASSES) -> Findings:
    """Findings from (class, score, box), sorted by falling score."""
    rows = sorted(found, key=lambda row: -row[1])
    return Findings.of_items(
        np.array([box for _, _, box in rows], dtype=np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in rows], dtype=np.float32),
        np.array([list(classes).index(name) for name, _, _ in rows], dtype=np.int32),
        tuple(classes),
    )


def scored_of(*images: tuple[ImageRecord, Findings], classes: Sequence[str] = CLASSES) -> Scored:
    """Scored images."""
    return collect(images, ClassSet(tuple(classes)))


def random_pairs(
    seed: int, images: int = 40, *, distinct_scores: bool = True, scanners: int = 2
) -> list[tuple[ImageRecord, Findings]]:
    """Images of two sources with different label masks, with right, shifted, doubled and stray findings.

    Boxes lie on whole pixels, so that some overlaps meet an IoU threshold exactly.
    """
    rng = np.random.default_rng(seed)
    scores = iter(rng.permutation(np.linspace(0.01, 0.99, images * 30)))
    pairs = []
    for number in range(images):
        source, labelled = ("full", CLASSES) if number % 3 else ("part", CLASSES[:2])
        truths: list[Item] = []
        found: list[Found] = []
        for name in rng.choice(labelled, size=int(rng.integers(0, 4))):
            box = _random_box(rng)
            truths.append((str(name), box))
            for _ in range(int(rng.integers(0, 3))):
                shifted = np.array(box) + np.repeat(rng.integers(-4, 5, 2)[None], 2, axis=0).ravel()
                said = str(name) if rng.random() < 0.8 else str(rng.choice(CLASSES))
                found.append((said, float(next(scores)), tuple(np.clip(shifted, 0, None).tolist())))
        found += [(str(rng.choice(CLASSES)), float(next(scores)), _random_box(rng)) for _ in range(3)]
        if not distinct_scores:
            found = [(name, round(score, 1), box) for name, score, box in found]
        record = image_record(
            number + 1, truths, labelled=labelled, source=source, scanner=str(number % scanners)
        )
        pairs.append((record, findings_of(found)))
    return pairs


def _random_box(rng: np.random.Generator) -> tuple[float, float, float, float]:
    w, h = int(rng.integers(10, 41)), int(rng.integers(10, 41))
    x, y = int(rng.integers(5, 150)), int(rng.integers(5, 55))
    return float(x), float(y), float(x + w), float(y + h)
