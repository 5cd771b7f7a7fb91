"""What a vendor's console or an officer burnt into a grey scan: coloured lines, and the captions that hang on them.

A marked cargo scan is a grey image in which a few pixels in a hundred are coloured, all of them in thin lines; in a
pseudo-coloured one most pixels are coloured and lie in broad areas. Codecs that store colour at half the resolution
smear a line of three pixels over about nine.
"""

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_COLOURED, _SMEARED = 48, 10  # spread of the channels in a line itself, and in what a codec smears around it
_MOST_COLOURED = 0.08
_WIDEST_LINE = 15  # pixels, smear included
_BROAD_SHARE = 0.10
_LEAST_COLOURED = 24  # pixels; fewer are specks of a codec
_PAPER = 225  # grey of a caption's ground
_CAPTION_HEIGHTS = (8, 48)
_CAPTION_FILL = (0.45, 0.97)  # ground over bounding box: letters take the rest, and never nothing
_CAPTION_NEAR = 12  # pixels between a caption and its line


def burnt_in_lines(rgb: Bytes) -> Mask | None:
    """Return the pixels of coloured lines and their captions, or None where the colour is no few thin lines.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (H, W) bool, smear included; None for a pseudo-coloured image.
    """
    red, green, blue = cv2.split(rgb)
    spread = cv2.subtract(cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue))
    smeared = (spread > _SMEARED).astype(np.uint8)
    if np.count_nonzero(smeared) > _MOST_COLOURED * smeared.size:
        return None
    _, labels = cv2.connectedComponents(smeared, connectivity=8)
    strong = spread > _COLOURED
    if np.count_nonzero(strong) < _LEAST_COLOURED:
        return None
    kept = np.isin(labels, np.unique(labels[strong])) & (smeared > 0)
    broad = cv2.morphologyEx(
        kept.astype(np.uint8), cv2.MORPH_OPEN, np.ones((_WIDEST_LINE, _WIDEST_LINE), np.uint8)
    )
    if np.count_nonzero(broad) > _BROAD_SHARE * np.count_nonzero(kept):
        return None
    lines = np.asarray(cv2.dilate(kept.astype(np.uint8), np.ones((3, 3), np.uint8))).astype(np.bool_)
    return lines | _captions(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8), lines)


def _captions(grey: Bytes, lines: Mask) -> Mask:
    """Return the boxes of text that touch a line: a light ground of letter height, framed dark, letters in it."""
    found = np.zeros(grey.shape, dtype=np.bool_)
    ground = ((grey >= _PAPER) & ~lines).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(ground, connectivity=4)
    reach = np.ones((2 * _CAPTION_NEAR + 1, 3), np.uint8)
    near = np.asarray(cv2.dilate(lines.astype(np.uint8), reach))
    low, high = _CAPTION_HEIGHTS
    for left, top, width, height, area in stats[1:count].tolist():
        fills = _CAPTION_FILL[0] <= area / (width * height) <= _CAPTION_FILL[1]
        if not (low <= height <= high and width >= 3 * height and fills):
            continue
        rows, columns = slice(top, top + height), slice(left, left + width)
        if near[rows, columns].any() and _framed(grey, left, top, width, height):
            found[max(0, top - 3) : top + height + 3, max(0, left - 3) : left + width + 3] = True
    return found


def _framed(grey: Bytes, left: int, top: int, width: int, height: int) -> bool:
    """Return whether a dark row lies within four above a caption's ground, and another within four below it."""
    columns = slice(left, left + width)
    above, below = (
        grey[max(0, top - 4) : max(1, top), columns],
        grey[top + height : top + height + 4, columns],
    )
    return all(side.size > 0 and float(np.median(side.min(axis=0))) < _PAPER for side in (above, below))


def inpainted(plane: npt.NDArray[np.float32], mask: Mask) -> npt.NDArray[np.float32]:
    """Return (H, W, C) in which the pixels of a mask come from around it (Telea, J. Graphics Tools 9 (2004) 23).

    OpenCV inpaints bytes and single 16-bit planes: 16 bits are used, a step of 1.5e-5 of transmission.
    """
    if not mask.any():
        return plane
    filled = plane.copy()
    for channel in range(plane.shape[2]):
        coded = np.rint(plane[:, :, channel] * np.float32(65535.0)).astype(np.uint16)
        healed = cv2.inpaint(coded, mask.astype(np.uint8), 3.0, cv2.INPAINT_TELEA)
        filled[:, :, channel][mask] = healed[mask].astype(np.float32) / np.float32(65535.0)
    return filled
