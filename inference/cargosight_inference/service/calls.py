"""What a worker's process does for its caller: the calls of `WorkerProcess`, on the other side of the pipe."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_inference.scans.scan import Scan
from cargosight_inference.service.engines import Engine, facts_of, known_paths, open_inspector
from cargosight_inference.service.sentences import without_folders
from cargosight_models.errors import (
    CargosightError,
    ContractError,
    EngineError,
    ScanError,
    UnreadablePicture,
)

if TYPE_CHECKING:
    from cargosight_inference.inspector import Inspector

Answer = tuple[Mapping[str, Any], bytes]
_NO_MEMORY = ("Failed to allocate memory", "bad_alloc")
"""How ONNX Runtime says that there is none left, which is no fault of the model's."""


class Worker:
    """The engines of this process, and the calls that it answers: methods of `WorkerProcess` under the same names."""

    def __init__(self) -> None:
        self._inspectors: dict[Engine, Inspector] = {}
        self._calls: Mapping[str, Callable[[Mapping[str, Any]], Answer]] = {
            "load": self._load,
            "load_again": self._load_again,
            "drop": self._drop,
            "inspect": self._inspect,
            "picture": self._picture,
            "overlay": self._overlay,
        }

    def answer(self, request: Mapping[str, Any]) -> Answer:
        """Return head and bytes of the answer to a request."""
        try:
            value, body = self._calls[request["call"]](request)
        except CargosightError as error:
            return {"error": type(error).__name__, "sentence": str(error)}, b""
        except MemoryError:
            sentence = (
                f"there is not enough memory for {request['call']}; give workers more, or fewer of them"
            )
            kind = EngineError if "engine" in request else UnreadablePicture
            return {"error": kind.__name__, "sentence": sentence}, b""
        except OSError as error:
            sentence = error.strerror or type(error).__name__
            return {"error": "OSError", "number": error.errno, "sentence": sentence}, b""
        return {"value": value}, body

    def _load(self, request: Mapping[str, Any]) -> Answer:
        from cargosight_inference.service.golden import check_golden

        engine = Engine.from_json(request["engine"])
        golden = None if request["golden"] is None else Path(request["golden"])
        inspector = open_inspector(engine)
        facts = facts_of(inspector, check_golden(inspector, golden, request["expect"]))
        self._inspectors[engine] = inspector
        return facts.to_dict(), b""

    def _load_again(self, request: Mapping[str, Any]) -> Answer:
        engine = Engine.from_json(request["engine"])
        self._inspectors[engine] = inspector = open_inspector(engine)
        return facts_of(inspector, {}).to_dict(), b""

    def _drop(self, request: Mapping[str, Any]) -> Answer:
        self._inspectors.pop(Engine.from_json(request["engine"]), None)
        return {}, b""

    def _inspect(self, request: Mapping[str, Any]) -> Answer:
        from cargosight_inference.service.maps import maps_of, sizes, write_maps

        engine = Engine.from_json(request["engine"])
        path, declared = request["path"], request["declared"]
        inspector = self._inspectors[engine]
        prepared = inspector.prepare(path)
        try:
            inspection = inspector.finish(prepared, declared=declared if engine.subject == "cargo" else None)
        except ContractError as error:
            sentence = without_folders(str(error), *known_paths(engine), inspector.model.path, path)
            if any(sign in sentence for sign in _NO_MEMORY):
                raise MemoryError(sentence) from error
            raise EngineError(sentence) from error
        inspection = replace(inspection, path=request["name"])
        if inspection.error is not None:
            sentence = without_folders(inspection.error, path)
            inspection = replace(inspection, error=sentence, reasons=(sentence,))
        found: dict[str, Any] = {**inspection.to_dict(), "maps": {}}
        if request["maps_to"] is not None:
            maps = maps_of(inspection)
            write_maps(Path(request["maps_to"]), maps)
            found["maps"] = sizes(maps, inspection.height)
        return found, b""

    def _picture(self, request: Mapping[str, Any]) -> Answer:
        from cargosight_inference.service.pictures import write_picture

        options = dict(request["options"])
        pitch = options["pixel_pitch_mm"]
        options["pixel_pitch_mm"] = None if pitch is None else tuple(pitch)
        scan = _read(request["path"], ReadOptions(**options))
        return write_picture(scan, Path(request["folder"])), b""

    def _overlay(self, request: Mapping[str, Any]) -> Answer:
        from cargosight_inference.service.overlays import overlay_png

        scan = _read(request["path"], Engine.from_json(request["engine"]).read_options)
        maps = None if request["maps"] is None else Path(request["maps"])
        return {}, overlay_png(scan, request["inspection"], maps)


def _read(path: str, options: ReadOptions) -> Scan:
    try:
        return read_scan(path, options)
    except ScanError as error:
        raise UnreadablePicture(without_folders(str(error), path)) from error
