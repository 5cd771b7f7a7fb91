"""The manifest of a run: what every row of it is made with, and how its inputs are divided into shards."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from cargosight_inference.batch.places import BatchError, Place
from cargosight_models.errors import UsageError

SCHEMA = 1
NAME = "manifest.json"
_ABSENT = object()
_MOST_THRESHOLDS = 3


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Everything that a row of a run depends on beside its input; two runs with the same are one run.

    The one column outside of it is `overlay`: whether pictures are drawn may differ from one process of a run to the
    next, and a scan whose file changed or went after its inspection has none.

    Attributes:
        model: name in the model's contract.
        model_fingerprint: SHA-256 of the model file.
        operating_point: name of the point, or the thresholds given by hand in words.
        thresholds: by class name, in [0, 1].
        precision: of the network's arithmetic.
        provider: what runs the network.
        policy: which findings refer, JSON-ready.
        air_level: counts in air of raw 16-bit scans, None to find it in each.
        polarity: whether air is bright or dark, None to find it out.
        pitch: (x, y) size of a pixel in mm at the load, None where it is not known.
        correct: whether stripes in scans of cargo are mended.
        subject: what the scans are of.
        max_pixels: of a scan that is still read.
        code: version of cargosight.
        rows: version of the schema of the rows.
        declared_column: column of the tables of inputs that says what was declared of a scan, None where nothing was.
        gallery: SHA-256 of the file of reference scans that declarations are compared with, None without one.
    """

    model: str
    model_fingerprint: str
    operating_point: str
    thresholds: Mapping[str, float]
    precision: str
    provider: str
    policy: Mapping[str, Any]
    air_level: float | None
    polarity: str | None
    pitch: tuple[float, float] | None
    correct: bool
    subject: str
    max_pixels: int
    code: str
    rows: int
    declared_column: str | None = None
    gallery: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of it as JSON, 64 hex digits; the order of thresholds and policy does not count."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "thresholds": {name: float(value) for name, value in self.thresholds.items()},
            "policy": dict(self.policy),
            "air_level": None if self.air_level is None else float(self.air_level),
            "pitch": None if self.pitch is None else [float(side) for side in self.pitch],
        }

    @classmethod
    def from_dict(cls, found: object) -> "Fingerprint":
        """Return what `to_dict` gave.

        Raises:
            ValueError: it is something else.
        """
        names = {field.name for field in fields(cls)}
        if not isinstance(found, dict) or set(found) != names:
            raise ValueError(f"expected an object of {', '.join(sorted(names))} under `what`")
        pitch = found["pitch"]
        return cls(**{**found, "pitch": None if pitch is None else (float(pitch[0]), float(pitch[1]))})

    def differences(self, other: "Fingerprint") -> tuple[str, ...]:
        """Return what differs, a phrase each such as `precision (fp32 there, int8 now)`; many thresholds are one.

        Args:
            other: that of now.
        """
        before, after = _flat(self.to_dict()), _flat(other.to_dict())
        told: list[str] = []
        thresholds: list[str] = []
        for name in [*before, *(name for name in after if name not in before)]:
            there, now = before.get(name, _ABSENT), after.get(name, _ABSENT)
            if there != now:
                phrases = thresholds if name.startswith("thresholds.") else told
                phrases.append(f"{name} ({_said(there)} there, {_said(now)} now)")
        if len(thresholds) > _MOST_THRESHOLDS:
            thresholds = [f"thresholds of {len(thresholds)} classes"]
        return (*told, *thresholds)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a run is; written once, when its plan is whole.

    Attributes:
        created_at: time in UTC, ISO 8601.
        what: every row depends on.
        inputs: how many.
        shards: how many, the last of them perhaps smaller.
        shard_size: inputs of a shard.
        extra_columns: of the tables of inputs.
        sources: as given.
        plan: name of the folder of the shards, with the first 16 hex digits of the SHA-256 of what is in it.
    """

    created_at: str
    what: Fingerprint
    inputs: int
    shards: int
    shard_size: int
    extra_columns: tuple[str, ...]
    sources: tuple[str, ...]
    plan: str

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: they contradict each other.
        """
        if self.inputs < 1 or self.shard_size < 1 or self.shards != -(-self.inputs // self.shard_size):
            raise ValueError(
                f"{self.inputs} inputs in {self.shards} shards of {self.shard_size} found; expected every input in one"
            )
        if len(set(self.extra_columns)) != len(self.extra_columns):
            raise ValueError(f"a column comes twice in {', '.join(self.extra_columns)}")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of `what`, 64 hex digits."""
        return self.what.digest

    def numbers(self, shard: int) -> range:
        """Return the numbers of the inputs of a shard.

        Raises:
            ValueError: there is no such shard.
        """
        if not 0 <= shard < self.shards:
            raise ValueError(f"there is no shard {shard}; expected 0 to {self.shards - 1}")
        return range(shard * self.shard_size, min((shard + 1) * self.shard_size, self.inputs))

    def shard_name(self, shard: int) -> str:
        """Return the name of the list of inputs of a shard."""
        return f"{self.plan}/shard-{shard:06d}.parquet"

    def part_name(self, shard: int) -> str:
        """Return the name of the finished rows of a shard."""
        return f"parts/part-{shard:06d}.parquet"

    def to_json(self) -> bytes:
        """Return the file's content."""
        document = {
            "schema": SCHEMA,
            "created_at": self.created_at,
            "fingerprint": self.fingerprint,
            "what": self.what.to_dict(),
            "inputs": self.inputs,
            "shards": self.shards,
            "shard_size": self.shard_size,
            "extra_columns": list(self.extra_columns),
            "sources": list(self.sources),
            "plan": self.plan,
        }
        return (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Manifest":
        """Return what `to_json` gave.

        Raises:
            ValueError: it is something else, of a newer schema, or its fingerprint is not that of its content.
        """
        found = json.loads(content)
        if not isinstance(found, dict) or "schema" not in found:
            raise ValueError("no manifest of a batch run found")
        if found["schema"] != SCHEMA:
            raise ValueError(
                f"schema {found['schema']} found, expected {SCHEMA}: it is of another cargosight"
            )
        try:
            manifest = cls(
                created_at=str(found["created_at"]),
                what=Fingerprint.from_dict(found["what"]),
                inputs=int(found["inputs"]),
                shards=int(found["shards"]),
                shard_size=int(found["shard_size"]),
                extra_columns=tuple(map(str, found["extra_columns"])),
                sources=tuple(map(str, found["sources"])),
                plan=str(found["plan"]),
            )
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{error!r} is missing or of a wrong type") from error
        if manifest.fingerprint != found.get("fingerprint"):
            raise ValueError("its fingerprint is not that of its content: it was edited")
        return manifest


def read_manifest(place: Place) -> Manifest | None:
    """Return the manifest in a place, None where there is none yet.

    Raises:
        BatchError: it cannot be read, or is damaged.
    """
    if not place.exists(NAME):
        return None
    try:
        return Manifest.from_json(place.read(NAME))
    except ValueError as error:
        raise BatchError(
            f"{NAME} in {place.url} cannot be used: {error}; give this run a folder of its own"
        ) from error


def check_same(manifest: Manifest, what: Fingerprint, place: Place) -> None:
    """Refuse to go on with a run that was made with something else.

    Raises:
        UsageError: it differs, and how.
    """
    if manifest.fingerprint != what.digest:
        raise UsageError(
            f"the output {place.url} holds a run with another {'; '.join(manifest.what.differences(what))}. "
            "Give this run an output of its own, or the former settings to go on with that one"
        )


def _flat(found: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{above}{name}.")
        else:
            flat[above + name] = list(value) if isinstance(value, tuple) else value
    return flat


def _said(value: object) -> str:
    if value is _ABSENT or value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 24 else f"{text[:12]}…"
