"""The picture of an inspection that was recorded, drawn from the record: no model takes part in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cargosight_inference.findings import KINDS, LABELS, Findings
from cargosight_inference.inspection import SCHEMA, Inspection
from cargosight_inference.overlay import draw_overlay
from cargosight_inference.scans.scan import Scan
from cargosight_inference.service.maps import read_map
from cargosight_models.errors import NoSuchTile, UnreadablePicture, UsageError

_PNG_EFFORT = 3
"""Of 0 to 9."""


def overlay_png(scan: Scan, document: Mapping[str, Any], maps: Path | None) -> bytes:
    """Draw a recorded inspection over its scan.

    Args:
        scan: that was inspected, read in the same way.
        document: of `Inspection.to_dict`.
        maps: file of the inspection's maps, None where it has none.

    Returns:
        A PNG.

    Raises:
        UnreadablePicture: the scan was unreadable then, or is of another size now.
        UsageError: the record is of another version.
    """
    inspection = recorded_inspection(document, maps)
    if inspection.error is not None:
        raise UnreadablePicture(f"the scan was unreadable: {inspection.error}")
    if (inspection.width, inspection.height) != (scan.width, scan.height):
        raise UnreadablePicture(
            f"the inspection is of {inspection.width} x {inspection.height} pixels, the scan has {scan.width} x "
            f"{scan.height}; expected the scan that was inspected"
        )
    picture = draw_overlay(scan, inspection)
    cv2.cvtColor(picture, cv2.COLOR_RGB2BGR, dst=picture)
    _, encoded = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT])
    return encoded.tobytes()


def recorded_inspection(document: Mapping[str, Any], maps: Path | None) -> Inspection:
    """Return an inspection from its record, without embedding, declaration and materials, which no overlay shows.

    Args:
        document: of `Inspection.to_dict`; further keys are passed over.
        maps: file of its maps, None where it has none.

    Raises:
        UsageError: the record is of another version.
    """
    if document["schema"] != SCHEMA:
        raise UsageError(
            f"the inspection was recorded with schema {document['schema']}; this version draws {SCHEMA}; inspect the "
            "scan again"
        )
    anomaly = None if maps is None else _map(maps, "anomaly")
    opaque = None if maps is None else _map(maps, "opaque")
    box = document["cargo_box"]
    return Inspection(
        path=document["path"],
        sha256=document["sha256"],
        width=document["width"],
        height=document["height"],
        kind=document["kind"],
        subject=document["subject"],
        decision=document["decision"],
        reasons=tuple(document["reasons"]),
        findings=_findings(document["findings"], tuple(document["thresholds"])),
        timings_ms=document["timings_ms"],
        model=document["model"],
        fingerprint=document["fingerprint"],
        operating_point=document["operating_point"],
        thresholds=document["thresholds"],
        precision=document["precision"],
        assumptions=tuple(document["assumptions"]),
        error=document["error"],
        anomaly_map=None if anomaly is None else anomaly.astype(np.float32) / np.float32(255.0),
        opaque_fraction=document["opaque_fraction"],
        load_state=document["load_state"],
        load_chance=document["load_chance"],
        cargo_box=None if box is None else (box[0], box[1], box[2], box[3]),
        container_length_m=document["container_length_m"],
        opaque_regions=tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in document["opaque_regions"]),
        opaque_cells=None if opaque is None else opaque.astype(np.bool_),
    )


def _map(path: Path, name: str) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
    try:
        return read_map(path, name)
    except NoSuchTile:
        return None


def _findings(rows: list[dict[str, Any]], names: tuple[str, ...]) -> Findings:
    """Return findings from their rows.

    Args:
        rows: of `Inspection.to_dict`.
        names: that have thresholds, in the order of the model's classes, from which items have their colours.
    """
    items = [row["label"] for row in rows if row["kind"] == "item"]
    classes = tuple(dict.fromkeys([*names, *items]))
    kinds = [KINDS.index(row["kind"]) for row in rows]
    labels = {kind: LABELS.get(kind, classes) for kind in KINDS}
    return Findings(
        np.array([row["box"] for row in rows], dtype=np.float32).reshape(-1, 4),
        np.array([row["score"] for row in rows], dtype=np.float32),
        np.array([labels[row["kind"]].index(row["label"]) for row in rows], dtype=np.int32),
        np.array(kinds, dtype=np.int8),
        classes,
    )
