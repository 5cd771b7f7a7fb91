"""What an ONNX file says of itself, as JSON in its `metadata_props` under `METADATA_KEY`.

The contract is written at export and read without torch or onnx. A file without one, or with one of a newer
schema, is refused: nothing is ever guessed about a model.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from cargosight_models.errors import ContractError, nearest_spelling

SCHEMA = 2
_OLDER = 1
METADATA_KEY = "cargosight.contract"
OUTPUT_NAMES = ("boxes", "scores", "anomaly_map", "embedding", "load_logit")
"""The closed list of outputs: boxes (N, K, 4) float32 xyxy in input pixels, scores (N, K, C) float32 in
[0, 1], anomaly_map (N, 1, h, w), embedding (N, D), load_logit (N, 1)."""
KINDS = ("pseudocolour", "display_grey", "transmission")
CHANNELS = {"rgb": (3,), "transmission": (1, 2), "radiograph": (3,)}
"""Channels by the meaning that they can have."""

ContractSubject = Literal["baggage", "cargo"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]


def _demand(holds: bool, key: str, found: object, expected: str) -> None:
    if not holds:
        raise ContractError(f"the contract's {key} is {found!r}; expected {expected}; export the model again")


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _in_unit_interval(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0


def _are_names(value: object) -> bool:
    """Whether `value` is a tuple of unique non-empty strings."""
    if not isinstance(value, tuple) or not all(isinstance(item, str) and item for item in value):
        return False
    return len(set(value)) == len(value)


@dataclass(frozen=True, kw_only=True)
class InputContract:
    """The one input tensor.

    Attributes:
        name: of the graph's input.
        channels: 3 for `rgb` (grey replicated) and `radiograph`, 1 or 2 for `transmission`.
        value_range: the values that preprocess hands over; normalisation happens in the graph.
        dtype: of the tensor.
        layout: axis order.
        colour: channel meaning, `rgb`, `transmission`, or `radiograph`: transmission (or what a vendor's grey
            shows of it) at the more penetrating energy, at the other one (the same again where there is one),
            and a plane of 1 where there is one energy, 0 where there are two.
        shapes: the (height, width) pairs that the model runs at, each side a multiple of `stride`.
        stride: coarsest stride of the network in input pixels.
        resize: how a scan is brought to a shape; `letterbox` keeps the aspect ratio and pads, `tiles` keeps every
            pixel and covers the scan with windows of one shape.
        overlap: least number of pixels that neighbouring tiles share; 0 for a letterbox.
        pad_value: value of the padding, in `value_range`; 1.0 is air.
    """

    name: str = "image"
    channels: int = 3
    value_range: tuple[float, float] = (0.0, 1.0)
    dtype: str = "float32"
    layout: str = "NCHW"
    colour: str = "rgb"
    shapes: tuple[tuple[int, int], ...]
    stride: int = 32
    resize: str = "letterbox"
    overlap: int = 0
    pad_value: float = 1.0

    def __post_init__(self) -> None:
        _demand(isinstance(self.name, str) and self.name != "", "input.name", self.name, "a non-empty string")
        _demand(self.value_range == (0.0, 1.0), "input.value_range", self.value_range, "(0.0, 1.0)")
        _demand(self.dtype == "float32", "input.dtype", self.dtype, "'float32'")
        _demand(self.layout == "NCHW", "input.layout", self.layout, "'NCHW'")
        _demand(self.colour in CHANNELS, "input.colour", self.colour, f"one of {', '.join(CHANNELS)}")
        counts = CHANNELS[self.colour]
        _demand(
            self.channels in counts,
            "input.channels",
            self.channels,
            f"{' or '.join(map(str, counts))} for {self.colour}",
        )
        _demand(_is_whole(self.stride, 1), "input.stride", self.stride, "a whole number of 1 or more")
        _demand(self.resize in ("letterbox", "tiles"), "input.resize", self.resize, "'letterbox' or 'tiles'")
        _demand(_in_unit_interval(self.pad_value), "input.pad_value", self.pad_value, "a number in [0, 1]")
        _demand(
            isinstance(self.shapes, tuple) and len(self.shapes) > 0,
            "input.shapes",
            self.shapes,
            "at least one shape",
        )
        for shape in self.shapes:
            fits = (
                isinstance(shape, tuple)
                and len(shape) == 2
                and all(_is_whole(side, 1) and side % self.stride == 0 for side in shape)
            )
            _demand(fits, "input.shapes", shape, f"(height, width), each a multiple of {self.stride}")
        most = min(min(shape) for shape in self.shapes) // 2 if self.resize == "tiles" else 0
        tiled = self.colour != "radiograph" or self.resize == "tiles"
        _demand(tiled, "input.resize", self.resize, "'tiles' for radiographs")
        fits = _is_whole(self.overlap, 0) and self.overlap <= most
        _demand(fits, "input.overlap", self.overlap, f"0 to {most} pixels" if most else "0 for a letterbox")

    @property
    def letterboxes(self) -> tuple[tuple[int, int], ...]:
        """The shapes that whole scans are fitted into, for which they need not be decoded larger; none with tiles."""
        return self.shapes if self.resize == "letterbox" else ()


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """How candidates become findings.

    Attributes:
        where: `host` (the decoder suppresses, per class) or `graph` (the graph has done it).
        iou: a candidate is dropped when it overlaps a better one of its class by more than this.
        score_floor: candidates below this never become findings, in [0, 1].
        max_per_class: most findings of each class on one scan, best first, as COCO counts them. A limit over all
            classes would let the findings of one decide whether those of another are seen, and a class's
            score would depend on the thresholds of the others.
        candidates: K, the most locations that the graph returns.
    """

    where: Literal["host", "graph"]
    iou: float
    score_floor: float
    max_per_class: int
    candidates: int

    def __post_init__(self) -> None:
        _demand(self.where in ("host", "graph"), "suppression.where", self.where, "'host' or 'graph'")
        _demand(_in_unit_interval(self.iou), "suppression.iou", self.iou, "a number in [0, 1]")
        floor = self.score_floor
        _demand(_in_unit_interval(floor), "suppression.score_floor", floor, "a number in [0, 1]")
        most = self.max_per_class
        _demand(_is_whole(most, 1), "suppression.max_per_class", most, "a whole number of 1 or more")
        _demand(
            _is_whole(self.candidates, 1),
            "suppression.candidates",
            self.candidates,
            "a whole number of 1 or more",
        )


@dataclass(frozen=True)
class DataTerms:
    """One source of training data and its terms of use.

    Attributes:
        source: name of the source.
        images: how many of its images the model was trained on.
        terms: licence or terms in words, `none stated` where there are none.
        declared_simulated: whether the images were made by a simulator.
    """

    source: str
    images: int
    terms: str
    declared_simulated: bool = False

    def __post_init__(self) -> None:
        _demand(
            isinstance(self.source, str) and self.source != "",
            "training_data.source",
            self.source,
            "a non-empty string",
        )
        _demand(_is_whole(self.images, 0), "training_data.images", self.images, "a whole number of 0 or more")
        _demand(
            isinstance(self.terms, str) and self.terms != "",
            "training_data.terms",
            self.terms,
            "a non-empty string",
        )
        simulated = self.declared_simulated
        _demand(isinstance(simulated, bool), "training_data.declared_simulated", simulated, "true or false")


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Everything that a consumer must know of a model file.

    Attributes:
        name: of the model, such as `baggage`.
        subject: what it inspects.
        kinds: the scan kinds that it was made for, of `KINDS`.
        classes: names by class id.
        outputs: which of `OUTPUT_NAMES` the graph has; boxes and scores come together.
        input: the input tensor.
        suppression: how candidates become findings.
        precision: of the weights and arithmetic in the graph.
        training_data: sources and their terms.
        code_version: version of cargosight that exported it.
        schema: of this contract.
    """

    name: str
    subject: ContractSubject
    kinds: tuple[str, ...]
    classes: tuple[str, ...]
    outputs: tuple[str, ...]
    input: InputContract
    suppression: Suppression
    precision: Precision
    training_data: tuple[DataTerms, ...]
    code_version: str
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        _demand(isinstance(self.name, str) and self.name != "", "name", self.name, "a non-empty string")
        _demand(self.subject in get_args(ContractSubject), "subject", self.subject, "'baggage' or 'cargo'")
        _demand(
            _are_names(self.kinds) and len(self.kinds) > 0, "kinds", self.kinds, "at least one kind of scan"
        )
        _demand(set(self.kinds) <= set(KINDS), "kinds", self.kinds, f"some of {', '.join(KINDS)}")
        _demand(_are_names(self.classes), "classes", self.classes, "unique non-empty names")
        _demand(
            _are_names(self.outputs) and len(self.outputs) > 0, "outputs", self.outputs, "at least one output"
        )
        _demand(
            set(self.outputs) <= set(OUTPUT_NAMES),
            "outputs",
            self.outputs,
            f"some of {', '.join(OUTPUT_NAMES)}",
        )
        _demand(
            ("boxes" in self.outputs) == ("scores" in self.outputs),
            "outputs",
            self.outputs,
            "boxes with scores",
        )
        _demand(
            "boxes" not in self.outputs or len(self.classes) > 0,
            "classes",
            self.classes,
            "a class for each score",
        )
        _demand(isinstance(self.input, InputContract), "input", self.input, "an input contract")
        _demand(
            isinstance(self.suppression, Suppression), "suppression", self.suppression, "suppression settings"
        )
        _demand(
            self.precision in get_args(Precision),
            "precision",
            self.precision,
            f"one of {', '.join(get_args(Precision))}",
        )
        terms = self.training_data
        fits = isinstance(terms, tuple) and all(isinstance(item, DataTerms) for item in terms)
        _demand(fits, "training_data", terms, "a list of sources with their terms")
        tiled_in_graph = self.input.resize == "tiles" and self.suppression.where == "graph"
        _demand(
            not tiled_in_graph, "suppression.where", self.suppression.where, "'host' for a model of tiles"
        )
        version = self.code_version
        _demand(isinstance(version, str) and version != "", "code_version", version, "a non-empty string")
        _demand(self.schema == SCHEMA, "schema", self.schema, str(SCHEMA))

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, no spaces, so that equal contracts give equal bytes."""
        return json.dumps(
            asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )

    @classmethod
    def from_json(cls, text: str) -> "Contract":
        """Read a contract.

        Raises:
            ContractError: no JSON object, a newer schema, or a key that is missing, unknown or has a wrong
                value; the message names it.
        """
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ContractError(f"the contract is no JSON ({error}); export the model again") from error
        if not isinstance(found, dict):
            raise ContractError(f"the contract is a JSON {type(found).__name__}; expected an object")
        schema = found.get("schema")
        if _is_whole(schema, SCHEMA + 1):
            raise ContractError(
                f"the contract's schema is {schema}; this version reads up to {SCHEMA}; upgrade cargosight"
            )
        top = _checked_keys(cls, _upgraded(found), "")
        top["input"] = InputContract(**_checked_keys(InputContract, top["input"], "input."))
        top["suppression"] = Suppression(**_checked_keys(Suppression, top["suppression"], "suppression."))
        terms = top["training_data"]
        _demand(isinstance(terms, tuple), "training_data", terms, "a list")
        top["training_data"] = tuple(
            DataTerms(**_checked_keys(DataTerms, item, "training_data.")) for item in terms
        )
        return cls(**top)


def _upgraded(found: dict[str, Any]) -> dict[str, Any]:
    """Return a contract of the schema before this one as one of this: it knew no tiles."""
    wanted = found.get("input")
    if found.get("schema") != _OLDER or isinstance(found["schema"], bool) or not isinstance(wanted, dict):
        return found
    return {**found, "schema": SCHEMA, "input": {"overlap": 0, **wanted}}


def _checked_keys(kind: type[Any], found: object, prefix: str) -> dict[str, Any]:
    """Return the keyword arguments for dataclass `kind` from a JSON object, lists turned into tuples."""
    if not isinstance(found, dict):
        raise ContractError(f"the contract's {prefix.rstrip('.')} is {found!r}; expected an object")
    known = tuple(field.name for field in fields(kind))
    for key in found:
        if key not in known:
            hint = nearest_spelling(key, known)
            raise ContractError(
                f"the contract has the unknown key {prefix + key!r}{hint}; export the model again"
            )
    for name in known:  # also those with a default: it may change, a file on disk may not
        if name not in found:
            raise ContractError(f"the contract lacks the key {prefix + name!r}; export the model again")
    return {key: _frozen(value) for key, value in found.items()}


def _frozen(value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ContractError(f"the contract holds the number {value}; expected finite numbers")
    return value


def file_fingerprint(path: str | Path) -> str:
    """Return the SHA-256 (64 hex digits) of a file; graph, weights and contract of a model are all in its file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
