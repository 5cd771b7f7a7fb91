"""The summary of a run, made from its parts: counts, rates by day, and how it drifted from a former run.

It holds nothing that differs from one making to the next, so that whoever makes it again makes the same.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cargosight_inference.batch.manifest import Manifest
from cargosight_inference.batch.parts import day_column, open_run, read_parts
from cargosight_inference.batch.places import NoSuchName, Place
from cargosight_inference.batch.summary_text import markdown
from cargosight_inference.glass_delta import glass_delta
from cargosight_inference.inspection import STAGES
from cargosight_models.intervals import wilson

SCHEMA = 1
NAME, TEXT_NAME = "summary.json", "summary.md"
BINS = 20
_COLUMNS = ("path", "version", "decision", "fault", "changed", "score", "air_level", "findings", "timings_ms")
_NS_OF_DAY = 86_400 * 1_000_000_000
_LAST_DAY = date.max.toordinal() - date(1970, 1, 1).toordinal()


@dataclass
class Spread:
    """Values in [0, 1], of which the moments and a histogram are kept.

    Attributes:
        count: of the values.
        total: sum of them.
        squares: sum of their squares.
        histogram: counts in `BINS` bins of equal width.
    """

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    histogram: list[int] = field(default_factory=lambda: [0] * BINS)

    def add(self, values: "np.ndarray[Any, np.dtype[np.float64]]") -> None:
        """Take values (N,) float64."""
        self.count += len(values)
        self.total += float(values.sum())
        self.squares += float((values * values).sum())
        bins = np.clip((values * BINS).astype(np.int64), 0, BINS - 1)
        self.histogram = (np.asarray(self.histogram) + np.bincount(bins, minlength=BINS)).tolist()

    @property
    def mean(self) -> float | None:
        """The mean, None without values."""
        return self.total / self.count if self.count else None

    @property
    def deviation(self) -> float | None:
        """The standard deviation, None of fewer than two values."""
        if self.count < 2:
            return None
        return math.sqrt(max(0.0, self.squares - self.total**2 / self.count) / (self.count - 1))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return asdict(self) | {"mean": self.mean, "deviation": self.deviation}

    def drift_from(self, former: "Spread") -> dict[str, float | None]:
        """Return how far the mean went from a former one, in standard deviations of the former (Glass's delta)."""
        gone = None
        if self.mean is not None and former.mean is not None and former.deviation is not None:
            gone = glass_delta(self.mean, former.mean, former.deviation)
        return {"former_mean": former.mean, "mean": self.mean, "deviations": gone}


@dataclass
class Totals:
    """What is counted over the rows of a run.

    Attributes:
        decisions: of inputs.
        faults: of those that have no decision of the model's.
        changed: inputs that were another file than was planned.
        scans: inputs with a finding of a (label, kind).
        findings: of a (label, kind).
        days: inputs by (day, decision).
        undated: inputs without a day.
        score: highest of each scan that was read, 0 where nothing was found.
        air_level: of each scan that was read.
        milliseconds: sum by stage, over the scans that were read.
    """

    decisions: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    scans: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    days: Counter[tuple[str, str]] = field(default_factory=Counter)
    undated: int = 0
    score: Spread = field(default_factory=Spread)
    air_level: Spread = field(default_factory=Spread)
    milliseconds: Counter[str] = field(default_factory=Counter)

    @property
    def read(self) -> int:
        """Inputs that were read."""
        return self.decisions["clear"] + self.decisions["refer"]


def count_rows(manifest: Manifest, place: Place) -> Totals:
    """Count over the rows of a run, a part held at a time.

    Raises:
        BatchError: a part is not there, or is damaged.
    """
    column = day_column(manifest)
    columns = [*_COLUMNS, *([] if column is None else [column])]
    totals = Totals()
    for table in read_parts(manifest, place, columns):
        _count(totals, table, column)
    return totals


def rate(count: int, of: int) -> dict[str, Any]:
    """Return a share with its counts and its 95 % Wilson interval, JSON-ready; no share of nothing."""
    low, high = wilson(count, of)
    return {
        "count": count,
        "of": of,
        "rate": count / of if of else None,
        "wilson95": [low, high] if of else None,
    }


def summary_of(manifest: Manifest, place: Place, former: Place | None = None) -> dict[str, Any]:
    """Return the summary of a run with all of its parts, JSON-ready.

    Args:
        manifest: of the run.
        place: of the run.
        former: of the run to tell the drift from, None for no such comparison.

    Raises:
        BatchError: a part is not there, or is damaged.
        UsageError: there is no former run.
    """
    totals, what = count_rows(manifest, place), manifest.what
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "fingerprint": manifest.fingerprint,
        "model": what.model,
        "model_fingerprint": what.model_fingerprint,
        "operating_point": what.operating_point,
        "precision": what.precision,
        "code": what.code,
        "inputs": manifest.inputs,
        "decisions": {name: totals.decisions[name] for name in ("clear", "refer", "unreadable")},
        "faults": {name: totals.faults[name] for name in ("file", "worker", "model")},
        "changed": totals.changed,
        "alarm_rate": rate(totals.decisions["refer"], totals.read),
        "unreadable_rate": rate(totals.decisions["unreadable"], manifest.inputs),
        "findings": [
            {"label": label, "kind": kind, "findings": count, "scans": totals.scans[label, kind]}
            for (label, kind), count in sorted(totals.findings.items())
        ],
        "days": _days(manifest, totals),
        "score": totals.score.to_dict(),
        "air_level": totals.air_level.to_dict(),
        "mean_timings_ms": {
            stage: totals.milliseconds[stage] / totals.read
            for stage in STAGES
            if totals.read and stage in totals.milliseconds
        },
        "drift": None,
    }
    if former is not None:
        there = open_run(former)
        found["drift"] = _drift(totals, there, count_rows(there, former), former.url)
    return found


def write_summary(manifest: Manifest, place: Place, former: Place | None = None) -> dict[str, Any]:
    """Make the summary and publish it as `summary.json` and `summary.md`; return it.

    Raises:
        BatchError: as `summary_of`, or the place cannot be written.
        UsageError: there is no former run.
    """
    found = summary_of(manifest, place, former)
    place.publish_again(TEXT_NAME, markdown(found).encode())
    place.publish_again(NAME, (json.dumps(found, indent=2, allow_nan=False) + "\n").encode())
    return found


def count_unreadable(place: Place) -> int:
    """Return how many inputs of a complete run are unreadable: what its summary says, else what its parts say.

    Raises:
        BatchError: there is no summary, and a part is not there or is damaged.
        UsageError: there is no run.
    """
    try:
        return int(json.loads(place.read(NAME))["decisions"]["unreadable"])
    except (NoSuchName, ValueError, KeyError, TypeError):  # removed, or no summary of ours
        return count_rows(open_run(place), place).decisions["unreadable"]


def _count(totals: Totals, table: pa.Table, column: str | None) -> None:
    decisions = table["decision"].to_pylist()
    totals.decisions.update(decisions)
    totals.faults.update(fault for fault in table["fault"].to_pylist() if fault is not None)
    totals.changed += pc.sum(table["changed"]).as_py() or 0
    is_read = np.array([decision != "unreadable" for decision in decisions], dtype=bool)
    score = pc.fill_null(table["score"], 0.0).to_numpy().astype(np.float64)
    totals.score.add(score[is_read])
    totals.air_level.add(table["air_level"].drop_null().to_numpy().astype(np.float64))
    _count_findings(totals, table["findings"])
    times = table["timings_ms"].combine_chunks()
    for stage in STAGES:
        total = pc.sum(pc.struct_field(times, stage)).as_py()
        if total is not None:
            totals.milliseconds[stage] += total
    days = _of_files(table) if column is None else map(_day, table[column].to_pylist())
    for day, decision in zip(days, decisions, strict=True):
        if day is None:
            totals.undated += 1
        else:
            totals.days[day, decision] += 1


def _count_findings(totals: Totals, findings: pa.ChunkedArray) -> None:
    for chunk in findings.chunks:
        scans = pc.list_parent_indices(chunk).to_pylist()
        found = pc.list_flatten(chunk)
        kinds = list(
            zip(
                pc.struct_field(found, "label").to_pylist(),
                pc.struct_field(found, "kind").to_pylist(),
                strict=True,
            )
        )
        totals.findings.update(kinds)
        totals.scans.update(kind for _, kind in set(zip(scans, kinds, strict=True)))


def _day(text: str | None) -> str | None:
    """Return the day that a table's text begins with, as ISO 8601; None where it does not begin with one."""
    try:
        return date.fromisoformat((text or "").strip()[:10]).isoformat()
    except ValueError:
        return None


def _of_files(table: pa.Table) -> Iterator[str | None]:
    """Yield the day in UTC on which each local file was last written; of an object nobody has told it."""
    for path, version in zip(table["path"].to_pylist(), table["version"].to_pylist(), strict=True):
        if version is None or not version.isdecimal() or not path.startswith("/"):
            yield None
            continue
        days = int(version) // _NS_OF_DAY
        yield datetime.fromtimestamp(days * 86_400, UTC).date().isoformat() if days <= _LAST_DAY else None


def _days(manifest: Manifest, totals: Totals) -> dict[str, Any]:
    column = day_column(manifest)
    rows = []
    for day in sorted({day for day, _ in totals.days}):
        clear, refer, unreadable = (totals.days[day, name] for name in ("clear", "refer", "unreadable"))
        inputs = clear + refer + unreadable
        rows.append({"day": day, "inputs": inputs, "unreadable": unreadable} | rate(refer, clear + refer))
    return {
        "by": "file time" if column is None else f"column {column}",
        "undated": totals.undated,
        "rows": rows,
    }


def _drift(now: Totals, former: Manifest, before: Totals, url: str) -> dict[str, Any]:
    rates = [rate(totals.decisions["refer"], totals.read) for totals in (before, now)]
    return {
        "against": url,
        "fingerprint": former.fingerprint,
        "model": former.what.model,
        "score": now.score.drift_from(before.score),
        "air_level": now.air_level.drift_from(before.air_level),
        "alarm_rate": {"former": rates[0], "now": rates[1]} | _difference(rates),
    }


def _difference(rates: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return now less before with Newcombe's 95 % interval (method 10, Statistics in Medicine 17 (1998) 873)."""
    before, now = rates
    if before["rate"] is None or now["rate"] is None:
        return {"difference": None, "newcombe95": None}
    gone = now["rate"] - before["rate"]
    low = gone - math.hypot(now["rate"] - now["wilson95"][0], before["wilson95"][1] - before["rate"])
    high = gone + math.hypot(now["wilson95"][1] - now["rate"], before["rate"] - before["wilson95"][0])
    return {"difference": gone, "newcombe95": [low, high]}
