"""Overlays: a scan with its findings and decision drawn for a person to judge.

Legible on white, dark and busy scans: every outline is a colour between a white and a black line, labels
stand beside the items on a ground of their own, sizes follow the scan, and the decision stands in a banner
outside of the picture. The colours are those of Okabe and Ito (Color Universal Design, 2008), which people
with any colour vision tell apart; names are always written out as well.
"""

from pathlib import PurePath
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.findings import FindingKind, Findings
from cargosight_inference.inspection import Decision, Inspection
from cargosight_inference.label_layout import Label, place_labels
from cargosight_inference.scans.blocks import expanded
from cargosight_inference.scans.pseudocolour import pseudocolour
from cargosight_inference.scans.scan import Scan
from cargosight_inference.spelling import spelled_out
from cargosight_inference.tiles import CELL

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
GROUND: Colour = (38, 38, 38)
PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (240, 228, 66),  # yellow
    (0, 114, 178),  # blue
    (213, 94, 0),  # vermillion
    (204, 121, 167),  # reddish purple
)
_DECISION_COLOURS: dict[Decision, Colour] = {
    "refer": (213, 94, 0),
    "clear": (0, 158, 115),
    "unreadable": (120, 120, 120),
}
_KIND_COLOURS: dict[FindingKind, Colour] = {
    "anomaly": WHITE,
    "dense": (165, 165, 165),
    "declared": WHITE,
}

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BANNER = 50
"""Height of the banner in units."""
_REFERENCE_SIDE = 640
"""A picture of this long side is drawn at unit size: lines of 2 pixels, letters of about 12."""
_LEAST_BANNER = 440
"""Least width of the banner in units, so that a narrow scan's decision can be read."""
_HEAT: Colour = (204, 121, 167)  # reddish purple
_COLD = 0.1
_HATCH: Colour = (213, 94, 0)  # vermillion
_MOST_LABELS = 40
"""Findings that are named, the best; others are outlined: hundreds of names make a margin of twenty thousand pixels."""
_STRIPE = 64  # rows that are tinted at a time
_DARKEST = 1e-3
"""Transmission shown as black: three decades below air, about where raw counts drown in noise."""


def draw_overlay(scan: Scan, inspection: Inspection) -> Picture:
    """Draw an inspection over its scan.

    A small scan is enlarged by a whole factor. The banner lies above the picture; labels that find no free
    place beside their item lie to the right of it, and only the best forty findings have one.

    Args:
        scan: any kind; shown as `display_pixels` gives it.
        inspection: of this scan.

    Returns:
        uint8 (H, W, 3) RGB, larger than the scan.

    Raises:
        ValueError: the inspection is of another scan.
    """
    if (inspection.width, inspection.height) != (scan.width, scan.height):
        raise ValueError(
            f"the inspection is of {inspection.width} x {inspection.height}, the scan is {scan.width} x "
            f"{scan.height}; expected the scan that was inspected"
        )
    picture = display_pixels(scan)
    if inspection.opaque_cells is not None and inspection.opaque_regions:
        _hatch(picture, inspection.opaque_cells, inspection.cargo_box)
    if inspection.anomaly_map is not None:
        _heat(picture, inspection.anomaly_map)
    factor = max(1, round(_REFERENCE_SIDE / max(scan.width, scan.height)))
    if factor > 1:
        size = (scan.width * factor, scan.height * factor)
        picture = cast(Picture, cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC))
    unit = _unit(picture.shape[1], picture.shape[0])

    items = inspection.findings.boxes * np.float32(factor)
    texts = [
        f"{label} {score:.2f}"
        for label, score in zip(inspection.findings.labels, inspection.findings.scores.tolist(), strict=True)
    ]
    outlined = _grow(items, 5 * unit)
    size_of_picture = (float(picture.shape[1]), float(picture.shape[0]))
    texts = texts[:_MOST_LABELS]
    labels = place_labels(
        outlined[: len(texts)], [_label_size(text, unit) for text in texts], size_of_picture, 2 * unit
    )

    banner = round(_BANNER * unit)
    canvas = _canvas(picture, labels, banner, unit)
    view = canvas[banner:]
    colours = _colours(inspection.findings)
    for item, colour in reversed(list(zip(items, colours, strict=True))):
        _draw_outline(view[: picture.shape[0], : picture.shape[1]], item, colour, unit)
    for item, label, colour in zip(outlined, labels, colours, strict=False):
        if label.detached:
            _draw_leader(view, item, label, colour, unit)
    for text, label, colour in zip(texts, labels, colours, strict=False):
        _draw_label(view, text, label, colour, unit)
    _draw_banner(canvas[:banner], inspection, unit)
    return canvas


def _unit(width: int, height: int) -> float:
    """Return the pixels of a unit of drawing: it grows with the picture, but never makes banner or margin dwarf it."""
    widest, highest = 4.0 * width / _LEAST_BANNER, 4.0 * height / _BANNER
    return max(1.0, min(max(width, height) / _REFERENCE_SIDE, widest, highest))


def display_pixels(scan: Scan) -> Picture:
    """Return a scan as a person looks at it: uint8 (H, W, 3) RGB.

    Two energies of a bag are rendered in pseudo-colour. Other transmission, and the more penetrating energy
    of cargo, where a single pixel names no material, is shown by its logarithm over three decades, so that
    thick loads keep their detail; the curve is fixed, and equal transmission looks equal in every scan.
    """
    pixels: npt.NDArray[Any] = scan.pixels
    if scan.kind == "pseudocolour":
        return cast(Picture, pixels.copy())
    if scan.kind == "transmission":
        if pixels.shape[2] == 2 and scan.subject != "cargo":
            return _to_bytes(pseudocolour(pixels))
        logarithm = np.log10(np.maximum(pixels[:, :, 0], np.float32(_DARKEST)))
        pixels = _to_bytes(1.0 + logarithm / np.float32(-np.log10(_DARKEST)))
    return np.repeat(pixels[:, :, np.newaxis], 3, axis=2)


def _hatch(
    picture: Picture, opaque: npt.NDArray[np.bool_], box: tuple[float, float, float, float] | None
) -> None:
    """Hatch what could not be penetrated, in the cargo box where there is one.

    Args:
        picture: (H, W, 3), drawn on.
        opaque: (h, w), blocks of H // h pixels.
        box: x1, y1, x2, y2 in pixels.
    """
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (0, 0, width, height) if box is None else (round(edge) for edge in box)
    apart = max(6, min(height, width) // 60)
    thick = max(1, apart // 6)
    mask = expanded(opaque.astype(np.uint8), height, width).view(np.bool_)
    for row in range(max(0, y1), min(y2, height)):
        columns = np.arange(x1 + (-x1 - row) % apart, x2)
        columns = columns[(columns + row) % apart < thick]
        picture[row, columns[mask[row, columns]]] = _HATCH


def _heat(picture: Picture, cells: npt.NDArray[np.float32]) -> None:
    """Tint what is unlike normal cargo, up to half at 1; the load stays to be seen below.

    Args:
        picture: (H, W, 3), drawn on.
        cells: (ceil(H / 8), ceil(W / 8)) in [0, 1], each of 8 x 8 pixels; below `_COLD` nothing is tinted.
    """
    height, width = picture.shape[:2]
    shares = 0.5 * np.clip((cells - np.float32(_COLD)) / np.float32(1.0 - _COLD), 0.0, 1.0)
    whole = cv2.resize(shares, (cells.shape[1] * CELL, cells.shape[0] * CELL), interpolation=cv2.INTER_LINEAR)
    colour = np.array(_HEAT, dtype=np.float32)
    # A large scan takes 60 MB as floats, and as a whole several times that.
    for top in range(0, height, _STRIPE):
        part = picture[top : top + _STRIPE]
        share = whole[top : top + len(part), :width, None]
        part[:] = np.rint(part + (colour - part) * share)


def _to_bytes(values: npt.NDArray[np.float32]) -> Picture:
    scaled: npt.NDArray[np.float32] = np.clip(values, 0.0, 1.0) * np.float32(255.0)
    return np.rint(scaled).astype(np.uint8)


def _colours(findings: Findings) -> list[Colour]:
    """Return a colour for each finding: of an item by class, of any other by kind."""
    return [
        _KIND_COLOURS.get(kind) or PALETTE[class_id % len(PALETTE)]
        for kind, class_id in zip(findings.kind_names, findings.class_ids.tolist(), strict=True)
    ]


def _grow(boxes: npt.NDArray[np.float32], margin: float) -> npt.NDArray[np.float32]:
    return boxes + np.array([-margin, -margin, margin, margin], dtype=np.float32)


def _canvas(picture: Picture, labels: list[Label], banner: int, unit: float) -> Picture:
    """Return the picture with room for the banner above and for labels to its right."""
    height, width = picture.shape[:2]
    in_margin = [label.rectangle for label in labels if label.in_margin]
    right = max([width, *(int(rectangle[2] + 4 * unit) for rectangle in in_margin)])
    bottom = max([height, *(int(rectangle[3] + 4 * unit) for rectangle in in_margin)])
    right = max(right, round(_LEAST_BANNER * unit))
    canvas = np.empty((banner + bottom, right, 3), dtype=np.uint8)
    canvas[:] = GROUND
    canvas[banner : banner + height, :width] = picture
    return canvas


def _thickness(unit: float, units: float) -> int:
    return max(1, round(units * unit))


def _draw_outline(view: Picture, item: npt.NDArray[np.float32], colour: Colour, unit: float) -> None:
    """Draw four lines around an item: black, colour, white, black from the inside.

    They lie outside of the item, but for an item at the picture's border, where the colour is drawn last
    and stays visible.
    """
    height, width = view.shape[:2]
    thin, line = _thickness(unit, 1), _thickness(unit, 2)
    lines = (
        (2 * thin + line, BLACK, thin),
        (thin + line, WHITE, thin),
        (0, BLACK, thin),
        (thin, colour, line),
    )
    for distance, tone, thickness in lines:
        x1, y1, x2, y2 = _grow(item[np.newaxis], distance + thickness / 2)[0].tolist()
        # A line's centre is a pixel's centre, half a pixel inside the pixel-edge coordinates.
        inset = thickness // 2
        left, top = max(inset, round(x1 - 0.5)), max(inset, round(y1 - 0.5))
        right, bottom = min(width - 1 - inset, round(x2 - 0.5)), min(height - 1 - inset, round(y2 - 0.5))
        cv2.rectangle(view, (left, top), (right, bottom), tone, thickness)


def _draw_leader(
    view: Picture, item: npt.NDArray[np.float32], label: Label, colour: Colour, unit: float
) -> None:
    """Draw a line from an item's outline to the nearest edge of its label."""
    x1, y1, x2, y2 = label.rectangle
    left, top, right, bottom = item.tolist()
    middle = ((left + right) / 2, (top + bottom) / 2)
    start = (round(min(max(middle[0], x1), x2)), round(min(max(middle[1], y1), y2)))
    end = (round(min(max(start[0], left), right)), round(min(max(start[1], top), bottom)))
    for tone, units in ((WHITE, 4), (BLACK, 2.5), (colour, 1)):
        cv2.line(view, start, end, tone, _thickness(unit, units), cv2.LINE_AA)


def _text_size(text: str, unit: float, scale: float = 0.45) -> tuple[int, int]:
    (width, height), below = cv2.getTextSize(text, _FONT, scale * unit, _thickness(unit, 1))
    return width, height + below


def _label_size(text: str, unit: float) -> tuple[float, float]:
    width, height = _text_size(text, unit)
    return width + 8 * unit, height + 4 * unit


def _draw_label(view: Picture, text: str, label: Label, colour: Colour, unit: float) -> None:
    x1, y1, x2, y2 = (round(edge) for edge in label.rectangle)
    line = _thickness(unit, 1)
    cv2.rectangle(view, (x1, y1), (x2 - 1, y2 - 1), colour, cv2.FILLED)
    cv2.rectangle(view, (x1, y1), (x2 - 1, y2 - 1), WHITE, line)
    cv2.rectangle(view, (x1 + line, y1 + line), (x2 - 1 - line, y2 - 1 - line), BLACK, line)
    _write(view, text, (x1 + 4 * unit, (y1 + y2) / 2), unit, ink=_ink_on(colour))


def _ink_on(ground: Colour) -> Colour:
    """Return black or white, whichever has more contrast (relative luminance by Rec. 709, without gamma)."""
    luminance = 0.2126 * ground[0] + 0.7152 * ground[1] + 0.0722 * ground[2]
    return BLACK if luminance > 105 else WHITE


def _write(
    view: Picture, text: str, at: tuple[float, float], unit: float, *, ink: Colour, scale: float = 0.45
) -> None:
    """Write `text` from a left edge, centred on a height."""
    (_, height), below = cv2.getTextSize(text, _FONT, scale * unit, _thickness(unit, 1))
    origin = (round(at[0]), round(at[1] + (height + below) / 2 - below))
    cv2.putText(view, text, origin, _FONT, scale * unit, ink, _thickness(unit, 1), cv2.LINE_AA)


def _draw_banner(banner: Picture, inspection: Inspection, unit: float) -> None:
    """Write the decision with its reasons, and below them which file, model and operating point it was."""
    height, width = banner.shape[:2]
    upper, lower = height * 0.30, height * 0.76
    decision = inspection.decision.upper()
    colour = _DECISION_COLOURS[inspection.decision]
    chip = _text_size(decision, unit, 0.6)[0] + 16 * unit
    cv2.rectangle(banner, (0, 0), (round(chip), round(height * 0.58)), colour, cv2.FILLED)
    _write(banner, decision, (8 * unit, upper), unit, ink=_ink_on(colour), scale=0.6)
    room = width - chip - 16 * unit
    found = len(inspection.findings)
    quiet = f"{found} found, none of them refers" if found else "nothing found at this operating point"
    reasons = ", ".join(inspection.reasons) or quiet
    _write(banner, _shorten(reasons, room, unit), (chip + 8 * unit, upper), unit, ink=WHITE)
    origin = f"{inspection.model}, {inspection.operating_point}, {inspection.precision}"
    if inspection.path is not None:
        origin = f"{spelled_out(PurePath(inspection.path).name)} | {origin}"
    small = _shorten(origin, width - 16 * unit, unit, 0.4)
    _write(banner, small, (8 * unit, lower), unit, ink=(200, 200, 200), scale=0.4)


def _shorten(text: str, room: float, unit: float, scale: float = 0.45) -> str:
    """Cut `text` to a width in pixels; the cut is marked with dots."""
    if _text_size(text, unit, scale)[0] <= room:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if _text_size(text[:middle].rstrip() + "...", unit, scale)[0] <= room:
            fits = middle
        else:
            too_long = middle
    return text[:fits].rstrip() + "..."
