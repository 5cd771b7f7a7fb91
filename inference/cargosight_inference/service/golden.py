"""The golden scan: a known scan that a model must inspect, and inspect twice alike, before a lane relies on it."""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from cargosight_inference.scans.scan import Subject
from cargosight_inference.service.sentences import without_folders
from cargosight_models.errors import ContractError, EngineError, UsageError

if TYPE_CHECKING:
    from cargosight_inference.inspection import Inspection
    from cargosight_inference.inspector import Inspector

SAMPLES = Path(__file__).parents[1] / "samples"
EXPECTED = ("clear", "refer")

_DEFAULTS: Mapping[Subject, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "baggage": (
            ("pseudocolour", "suitcase-powerbank-batteries.jpg"),
            ("display_grey", "suitcase-tools-grey.png"),
            ("transmission", "case-handcuffs-dual-energy.tif"),
        ),
        "cargo": (
            ("display_grey", "chassis-shielded-source.jpg"),
            ("transmission", "uld-motorcycle-dual-energy.tif"),
        ),
    }
)
"""Kind and name of shipped samples, the first of a kind that a model was made for is taken. The bundled models refer
all of them at each of their operating points but for the last, which `container` clears at pfa=0.01."""


def default_golden(subject: Subject, kinds: tuple[str, ...]) -> Path:
    """Return the sample that a model is checked on where none is named.

    Args:
        subject: of the model, `baggage` or `cargo`.
        kinds: of scan that the model was made for.
    """
    samples = _DEFAULTS[subject]
    name = next((name for kind, name in samples if kind in kinds), samples[0][1])
    return SAMPLES / subject / name


def check_golden(inspector: "Inspector", golden: Path | None, expect: str | None) -> dict[str, Any]:
    """Warm a model up on the golden scan, then inspect that twice.

    Args:
        inspector: just loaded.
        golden: the scan, None for a shipped sample.
        expect: `clear` or `refer`, None for either of them.

    Returns:
        `scan` (its name), `decision`, `findings` (how many) and `ms` (of the last of three inspections).

    Raises:
        UsageError: something else is expected.
        EngineError: the scan cannot be read, the model fails on it, gives two answers, or not the expected one; the
            sentence says which, and what was found.
    """
    if expect is not None and expect not in EXPECTED:
        raise UsageError(f"{expect!r} is expected of the golden scan; expected {' or '.join(EXPECTED)}")
    path = default_golden(inspector.subject, inspector.contract.kinds) if golden is None else golden
    who = f"the model {inspector.contract.name} did not pass its golden scan {path.name}"
    try:
        inspector.inspect(path)  # memory is laid out and caches are filled; the first run is slower
        first = inspector.inspect(path)
        started = perf_counter()
        second = inspector.inspect(path)
        elapsed = (perf_counter() - started) * 1e3
    except ContractError as error:
        raise EngineError(f"{who}: {without_folders(str(error), inspector.model.path, path)}") from error
    if first.error is not None:
        raise EngineError(f"{who}: it is unreadable, {without_folders(first.error, path)}")
    difference = _difference(first, second)
    if difference is not None:
        raise EngineError(
            f"{who}: inspected twice it gave two answers, {difference}; expected the same one each time: check the "
            "machine and the model file"
        )
    if expect is not None and first.decision != expect:
        raise EngineError(
            f"{who}: the decision is {first.decision} ({_in_words(first)}), expected {expect}; choose another model or "
            "operating point, or correct what is expected"
        )
    return {
        "scan": path.name,
        "decision": first.decision,
        "findings": len(first.findings),
        "ms": round(elapsed, 1),
    }


def _difference(first: "Inspection", second: "Inspection") -> str | None:
    """Return in what two inspections of one scan differ, but for their times; None where they are the same."""
    before, after = first.to_dict(), second.to_dict()
    for name in before:
        if name != "timings_ms" and before[name] != after[name]:
            return f"{name} {before[name]} and {after[name]}"
    for name in ("anomaly_map", "opaque_cells", "material_map"):
        if not np.array_equal(getattr(first, name), getattr(second, name)):
            return f"two maps: {name}"
    return None


def _in_words(inspection: "Inspection") -> str:
    return ", ".join(inspection.reasons) or f"{len(inspection.findings)} found, none of them refers"
