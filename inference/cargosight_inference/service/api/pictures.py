"""The pixels of a scan: its picture in tiles, the maps of its inspections, and both drawn into one."""

from typing import Any, Literal

from fastapi import APIRouter, Response

from cargosight_inference.service.api.permissions import ROOT
from cargosight_inference.service.api.recording import recording
from cargosight_inference.service.api.scan_answers import PictureAnswer
from cargosight_inference.service.api.schemas import InspectionPath, LevelPath, TilePath
from cargosight_inference.service.api.sessions import GuardedRoute, TheCaller, TheDesk, TheScan
from cargosight_inference.service.maps import read_map
from cargosight_inference.service.pictures import read_description, read_tile
from cargosight_inference.service.records import audit, inspections
from cargosight_models.errors import NoSuchTile

router = APIRouter(prefix=ROOT, route_class=GuardedRoute, tags=["pictures"])
_BYTES = "application/octet-stream"
_KEPT = {"Cache-Control": "private, max-age=86400, immutable", "Vary": "Cookie"}
"""Pixels never change once they are there; who signs in next at the same browser does not get them from it."""
_OCTETS: dict[int | str, dict[str, Any]] = {
    200: {"content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}}
}
_PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/scans/{scan}/picture", response_model=PictureAnswer)
def describe_picture(row: TheScan, desk: TheDesk) -> dict[str, Any]:
    """Describe a scan's picture: its size, its levels, what its numbers mean."""
    return read_description(desk.picture_folder(row.id))


@router.get("/scans/{scan}/tiles/{level}/{column}/{row}", response_class=Response, responses=_OCTETS)
def give_tile(level: LevelPath, column: TilePath, row: TilePath, scan: TheScan, desk: TheDesk) -> Response:
    """Give one tile: little-endian, (h + 32, w + 32, channels), with 16 pixels around it."""
    tile = read_tile(desk.picture_folder(scan.id), level, column, row)
    return Response(tile, media_type=_BYTES, headers=_KEPT)


@router.get("/scans/{scan}/inspections/{inspection}/maps/{name}", response_class=Response, responses=_OCTETS)
def give_map(
    inspection: InspectionPath, name: Literal["anomaly", "opaque", "material"], row: TheScan, desk: TheDesk
) -> Response:
    """Give one map of an inspection: a byte for each cell, row by row."""
    with desk.database.reading() as connection:
        maps = inspections.maps_of(connection, row.id, inspection)
    if maps is None:
        raise NoSuchTile(f"this scan has no inspection {inspection} with maps")
    return Response(read_map(desk.maps_path(maps), name).tobytes(), media_type=_BYTES, headers=_KEPT)


@router.get("/scans/{scan}/overlay.png", response_class=Response, responses=_PNG)
def give_overlay(row: TheScan, desk: TheDesk, caller: TheCaller) -> Response:
    """Draw the latest inspection over its scan, for a report; that it was taken out is recorded."""
    picture = desk.overlay(row.id)
    with recording(desk) as connection:
        detail = {"what": "overlay"}
        audit.append(
            connection, actor=caller.name, action="export", lane=row.lane, scan=row.id, detail=detail
        )
    return Response(picture, media_type="image/png")
