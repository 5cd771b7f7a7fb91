"""Clean scans into which nothing is projected, or a decoy, by the very code that projects items for training.

Two nulls. *Nothing*: a piece of empty air, cut out, turned, resized, placed and multiplied in as an item would
be; its areal density is zero, its factor 1, so the picture must come out unchanged, bit for bit and in its own
type. *Decoy*: a piece of another bag of the same source that holds no annotated item. A decoy leaves behind what
any projection leaves behind (doubled texture, a soft edge); a model that learnt those instead of items alarms.

Pieces are projected at full size. A JPEG of twice the network's size or more, which an inspection decodes at reduced
scale, is halved afterwards here, and its scores may differ for that alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from cargosight_inference.scans.scan import Scan, Subject
from cargosight_models.geometry import BoolArray, IndexArray
from cargosight_training.augmentation.projection import ItemProjection
from cargosight_training.augmentation.sample import Picture, Sample, whole
from cargosight_training.datasets.cache import read_record
from cargosight_training.datasets.records import ImageRecord

PIECES = 2
"""Pieces that are projected into each scan, as many as training projects at most; fewer where none fits."""
TRIES = 40
"""Pieces that are tried before a scan is given up: some overlap an item, some lie too dark to be cut out."""
_READ_AHEAD = 16


@dataclass(frozen=True, eq=False)
class NullPair:
    """One clean scan with nothing and with a decoy projected into it.

    Attributes:
        row: Position of the scan among the images.
        nothing: The scan after projection of zero areal density.
        decoy: The scan after projection of decoys.
        identical: `nothing` equals the scan in every pixel, in shape and in type.
        changed: Share of the pixels that the decoys changed, in [0, 1].
    """

    row: int
    nothing: Scan
    decoy: Scan
    identical: bool
    changed: float


def null_pairs(
    images: Sequence[ImageRecord], rows: IndexArray, *, subject: Subject, seed: int
) -> Iterator[NullPair]:
    """Project nothing and decoys into scans.

    A scan in which no place is found for a piece, or whose source has no other scan to take one from, is passed
    over.

    Args:
        images: All images; those of the same source give the decoys.
        rows: Positions of the clean scans among them.
        subject: What was scanned.
        seed: The same seed projects the same pieces to the same places.

    Raises:
        DataSetError: A scan cannot be read, or has not the size that its annotations say.
    """
    donors = _Donors(images)

    @lru_cache(maxsize=_READ_AHEAD)
    def read(position: int) -> Scan:
        return read_record(images[position], subject)

    def picture(position: int) -> Picture:
        return as_picture(read(position))

    boxes = [image.annotations.boxes for image in images]
    classes = len(images[0].labelled)
    decoys = ItemProjection([], picture, boxes, donors.of, classes=classes)
    nothing = ItemProjection([], lambda position: _air(picture(position)), boxes, donors.of, classes=classes)
    for row in rows.tolist():
        if not len(donors.of(row)):
            continue
        scan = read(row)
        before = as_picture(scan)
        image = images[row]
        sample = whole(before, image.annotations.boxes, image.annotations.class_ids, image.labelled)
        with_nothing = _add_pieces(nothing, sample, row, np.random.default_rng((seed, row, 0)))
        with_decoys = _add_pieces(decoys, sample, row, np.random.default_rng((seed, row, 1)))
        if with_nothing is None or with_decoys is None:
            continue
        unchanged = with_picture(scan, with_nothing.picture, "nothing was projected into this scan")
        yield NullPair(
            row,
            unchanged,
            with_picture(scan, with_decoys.picture, "decoys were projected into this scan"),
            unchanged.pixels.dtype == scan.pixels.dtype and np.array_equal(unchanged.pixels, scan.pixels),
            float((with_decoys.picture != before).any(axis=2).mean()),
        )


class _Donors:
    """Which images may give a piece: the others of the same scanner, else the others of the same source."""

    def __init__(self, images: Sequence[ImageRecord]) -> None:
        self._images = images
        self._groups = np.array([image.group for image in images])
        self._sources = np.array([image.source for image in images])

    def of(self, position: int) -> IndexArray:
        """Positions of the donors of the image at `position`."""
        image = self._images[position]
        for names, name in ((self._groups, image.group), (self._sources, image.source)):
            same: BoolArray = names == name
            same[position] = False
            if same.any():
                break
        return np.flatnonzero(same)


def _add_pieces(
    projection: ItemProjection, sample: Sample, position: int, rng: np.random.Generator
) -> Sample | None:
    """The sample with up to PIECES pieces projected into it; None where not even one finds a place."""
    placed = 0
    for _ in range(TRIES):
        added = projection.add_decoy(sample, position, rng)
        placed += added is not sample
        sample = added
        if placed == PIECES:
            break
    return sample if placed else None


def _air(picture: Picture) -> Picture:
    """A picture of the same shape and type that shows nothing but air."""
    return np.full_like(picture, 1.0 if picture.dtype == np.float32 else 255)


def as_picture(scan: Scan) -> Picture:
    """The scan as projection takes it: (H, W, 3), uint8 or float32 in [0, 1], air bright."""
    pixels = scan.pixels
    if scan.kind == "pseudocolour":
        return pixels
    if scan.kind == "display_grey":
        grey = np.invert(pixels) if scan.polarity == "air_dark" else pixels
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    last = pixels.shape[2] - 1
    return pixels[:, :, [0, last, last]]


def with_picture(scan: Scan, picture: Picture, note: str) -> Scan:
    """The scan with the picture in place of its pixels, in its own shape and type.

    A piece of a coloured scan darkens the three channels of a grey one unequally; grey is then their mean.
    """
    if scan.kind == "pseudocolour":
        pixels = picture
    elif scan.kind == "display_grey":
        grey = np.rint(picture.mean(axis=2)).astype(np.uint8)
        pixels = np.invert(grey) if scan.polarity == "air_dark" else grey
    else:
        pixels = picture[:, :, : scan.pixels.shape[2]]
    return replace(scan, pixels=pixels, assumptions=(*scan.assumptions, note))
