"""Operating points: the thresholds that reach a wanted false-alarm rate, kept beside the model file.

The sidecar `<model>.points.json` is bound to one model file by its fingerprint. Thresholds chosen for one
file mean nothing for another, not even for the same network exported again.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cargosight_models.errors import CatalogError, nearest_spelling

SCHEMA = 1


def sidecar_path(model_path: str | Path) -> Path:
    """Return where the sidecar of `model_path` lies: `bag.onnx` has `bag.points.json` beside it."""
    return Path(model_path).with_suffix(".points.json")


@dataclass(frozen=True)
class OperatingPoint:
    """One choice of thresholds.

    Attributes:
        name: such as `pfa=0.05`; a point with a wanted rate is always named so.
        wanted_pfa: the false-alarm rate that the thresholds were chosen for, in (0, 1); None if hand-made.
        thresholds: by class name, each in [0, 1]; a finding alarms at or above its class's threshold.
        measured: what was measured with these thresholds (rates, counts, Wilson intervals), as free JSON.
        data: on which data they were measured.
    """

    name: str
    wanted_pfa: float | None
    thresholds: Mapping[str, float]
    measured: Mapping[str, Any]
    data: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise CatalogError(
                f"an operating point is named {self.name!r}; expected a name such as 'pfa=0.05'"
            )
        if self.wanted_pfa is not None:
            if not _is_number(self.wanted_pfa) or not 0.0 < self.wanted_pfa < 1.0:
                raise CatalogError(
                    f"the point {self.name!r} wants a PFA of {self.wanted_pfa!r}; expected one in (0, 1)"
                )
            if self.name != f"pfa={self.wanted_pfa:g}":
                raise CatalogError(
                    f"the point for a PFA of {self.wanted_pfa:g} is named {self.name!r}; expected "
                    f"'pfa={self.wanted_pfa:g}'"
                )
        if not isinstance(self.thresholds, Mapping) or not self.thresholds:
            raise CatalogError(f"the point {self.name!r} has no thresholds; expected one for each class")
        for label, value in self.thresholds.items():
            if not _is_number(value) or not 0.0 <= value <= 1.0:
                raise CatalogError(
                    f"the threshold of {label!r} at {self.name!r} is {value!r}; expected one in [0, 1]"
                )
        if not isinstance(self.measured, Mapping) or not isinstance(self.data, str):
            raise CatalogError(
                f"the point {self.name!r} needs `measured` as an object and `data` as a string"
            )
        object.__setattr__(self, "thresholds", dict(self.thresholds))
        object.__setattr__(self, "measured", dict(self.measured))


@dataclass(frozen=True)
class Sidecar:
    """The operating points of one model file.

    Attributes:
        fingerprint: SHA-256 of the model file that the points belong to.
        operating_points: at least one, with unique names.
        default: name of the point that is used when none is asked for.
        schema: of the sidecar file.
    """

    fingerprint: str
    operating_points: tuple[OperatingPoint, ...]
    default: str
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        object.__setattr__(self, "operating_points", tuple(self.operating_points))
        if not isinstance(self.fingerprint, str) or len(self.fingerprint) != 64:
            raise CatalogError(f"a sidecar's fingerprint is {self.fingerprint!r}; expected 64 hex digits")
        if self.schema != SCHEMA:
            raise CatalogError(
                f"the sidecar's schema is {self.schema!r}; this version reads {SCHEMA}; upgrade "
                "cargosight or choose the operating points again"
            )
        names = [point.name for point in self.operating_points]
        if not names or len(set(names)) != len(names):
            raise CatalogError(f"a sidecar has the points {names}; expected at least one, each name once")
        if not isinstance(self.default, str):
            raise CatalogError(
                f"a sidecar's default is {self.default!r}; expected the name of one of its points"
            )
        self.point(self.default)

    def point(self, name: str) -> OperatingPoint:
        """Return the operating point called `name`.

        Raises:
            CatalogError: there is none; the message lists those that exist.
        """
        for point in self.operating_points:
            if point.name == name:
                return point
        names = [point.name for point in self.operating_points]
        hint = nearest_spelling(name, names)
        raise CatalogError(f"there is no operating point {name!r}{hint}; the model has {', '.join(names)}")

    @classmethod
    def read(cls, path: str | Path) -> "Sidecar":
        """Read a sidecar file.

        Raises:
            CatalogError: not readable, no JSON, or a key is missing, unknown or wrong.
        """
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CatalogError(f"the sidecar {path} cannot be read: {error}") from error
        top = _checked_keys(
            found, ("fingerprint", "operating_points", "default", "schema"), f"the sidecar {path}"
        )
        if not isinstance(top["operating_points"], list):
            raise CatalogError(f"operating_points in {path} is no list; choose the operating points again")
        keys = ("name", "wanted_pfa", "thresholds", "measured", "data")
        points = [
            _checked_keys(item, keys, f"an operating point in {path}") for item in top["operating_points"]
        ]
        try:
            top["operating_points"] = tuple(OperatingPoint(**point) for point in points)
            return cls(**top)
        except CatalogError as error:
            raise CatalogError(f"the sidecar {path} is wrong: {error}") from error

    def write(self, path: str | Path) -> None:
        """Write the sidecar as indented JSON; the file appears whole or not at all."""
        target = Path(path)
        text = json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(target)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _checked_keys(found: object, keys: tuple[str, ...], what: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise CatalogError(f"{what} is {type(found).__name__}; expected a JSON object")
    for key in found:
        if key not in keys:
            raise CatalogError(f"{what} has the unknown key {key!r}{nearest_spelling(key, keys)}")
    for key in keys:
        if key not in found:
            raise CatalogError(f"{what} lacks the key {key!r}; choose the operating points again")
    return dict(found)
