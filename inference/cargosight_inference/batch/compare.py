"""What a new run says otherwise than a former one: new alarms, lost alarms, other scores."""

import heapq
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from zlib import crc32

import pyarrow as pa

from cargosight_inference.batch.joining import Pair, Row, joined
from cargosight_inference.batch.manifest import Manifest
from cargosight_inference.batch.parts import open_run
from cargosight_inference.batch.places import Place
from cargosight_inference.batch.rows import writing_part
from cargosight_inference.batch.summary import rate

SCHEMA = 1
Change = Literal[
    "new_alarm",
    "lost_alarm",
    "now_unreadable",
    "now_readable",
    "findings",
    "score",
    "same",
    "added",
    "removed",
]
CHANGES: tuple[Change, ...] = get_args(Change)
LISTED = CHANGES[: CHANGES.index("same")]
"""Of which examples are kept, the most telling first."""
LEAST_SCORE = 0.005
"""Below this a score is the same: another precision moves it by thousandths."""
_EXAMPLES = 40

COMPARISON_SCHEMA = pa.schema(
    [
        pa.field("change", pa.string(), nullable=False),
        pa.field("joined_by", pa.string()),
        pa.field("path", pa.string(), nullable=False),
        pa.field("former_path", pa.string()),
        pa.field("number", pa.int64()),
        pa.field("former_number", pa.int64()),
        pa.field("sha256", pa.string()),
        pa.field("other_content", pa.bool_(), nullable=False),
        pa.field("decision", pa.string()),
        pa.field("former_decision", pa.string()),
        pa.field("score", pa.float32()),
        pa.field("former_score", pa.float32()),
        pa.field("score_difference", pa.float32()),
        pa.field("labels", pa.list_(pa.string()), nullable=False),
        pa.field("former_labels", pa.list_(pa.string()), nullable=False),
        pa.field("error", pa.string()),
        pa.field("former_error", pa.string()),
    ],
    metadata={"cargosight.comparison": str(SCHEMA)},
)


@dataclass(frozen=True)
class Example:
    """A pair that is shown.

    Attributes:
        pair: of rows.
        row: of `COMPARISON_SCHEMA`.
    """

    pair: Pair
    row: dict[str, Any]


@dataclass
class Comparison:
    """Two runs compared.

    Attributes:
        now: manifest of the new run.
        before: manifest of the former run.
        former_url: of its place.
        name: of the folder in the new run's place that holds it all.
        changes: inputs by change.
        decisions: inputs of both runs by (former, new) decision.
        other_content: inputs of both whose bytes differ.
        examples: of each change of `LISTED`, the most telling first.
        score_moves: scans that both runs read, by the difference of their scores in tenths, from -10 to 10.
    """

    now: Manifest
    before: Manifest
    former_url: str
    name: str
    changes: Counter[str] = field(default_factory=Counter)
    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    other_content: int = 0
    examples: dict[str, list[Example]] = field(default_factory=dict)
    score_moves: Counter[int] = field(default_factory=Counter)

    @property
    def both(self) -> int:
        """Inputs of both runs."""
        return self.decisions.total()

    @property
    def settings(self) -> list[str]:
        """What the runs were made with otherwise, a phrase each."""
        return list(self.before.what.differences(self.now.what))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values, without the examples."""
        before, now = Counter[str](), Counter[str]()
        for (was, is_now), count in self.decisions.items():
            before[was] += count
            now[is_now] += count
        return {
            "schema": SCHEMA,
            "fingerprint": self.now.fingerprint,
            "former": {"url": self.former_url, "fingerprint": self.before.fingerprint},
            "settings": self.settings,
            "inputs_of_both": self.both,
            "changes": {name: self.changes[name] for name in CHANGES},
            "other_content": self.other_content,
            "decisions": [
                {"former": was, "now": is_now, "inputs": count}
                for (was, is_now), count in sorted(self.decisions.items())
            ],
            "alarm_rate": {"former": _alarm_rate(before), "now": _alarm_rate(now)},
            "score_moves": {str(tenths): self.score_moves[tenths] for tenths in sorted(self.score_moves)},
        }


def _alarm_rate(decisions: Counter[str]) -> dict[str, Any]:
    """Return the share of the scans that were read which were referred, as the summary does."""
    return rate(decisions["refer"], decisions["refer"] + decisions["clear"])


def compare_runs(manifest: Manifest, place: Place, former: Place) -> Comparison:
    """Compare a complete run with a former one; publish the comparison in the place of the new run.

    What is there already of an earlier comparison with the same run is replaced.

    Args:
        manifest: of the new run.
        place: of the new run; gets `compare/<former>/comparison.parquet`, one row for each input of either run, and
            `comparison.json`.
        former: place of the former run.

    Raises:
        UsageError: there is no former run.
        BatchError: a part is missing, or the place cannot be written.
    """
    before = open_run(former)
    name = f"compare/{before.fingerprint[:12]}-{crc32(former.url.encode()):08x}"
    found = Comparison(manifest, before, former.url, name)
    kept: dict[str, _Best] = {change: _Best() for change in LISTED}
    file = place.scratch.path(".parquet")
    try:
        with writing_part(file, COMPARISON_SCHEMA) as part:
            for pair in joined((manifest, place), (before, former), place.scratch):
                row = _row(pair)
                _count(found, pair, row)
                if row["change"] in kept:
                    kept[row["change"]].add(Example(pair, row))
                part.add(row)
        found.examples = {change: best.examples() for change, best in kept.items()}
        place.publish_again(f"{name}/comparison.parquet", file)
    finally:
        file.unlink(missing_ok=True)
    content = json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n"
    place.publish_again(f"{name}/comparison.json", content.encode())
    return found


def change_of(now: Row | None, before: Row | None) -> Change:
    """Return how an input differs between two runs; see `docs/batch.md`."""
    if now is None or before is None:
        return "removed" if now is None else "added"
    was, is_now = before["decision"], now["decision"]
    if (was == "refer") != (is_now == "refer"):
        return "new_alarm" if is_now == "refer" else "lost_alarm"
    if was != is_now:
        return "now_unreadable" if is_now == "unreadable" else "now_readable"
    if _labels(now) != _labels(before):
        return "findings"
    return "score" if abs(_score(now) - _score(before)) >= LEAST_SCORE else "same"


def _row(pair: Pair) -> dict[str, Any]:
    now, before = pair.now or {}, pair.before or {}
    are_read = all(row.get("decision") in ("clear", "refer") for row in (now, before))
    sums = {row.get("sha256") for row in (now, before)} - {None}
    return {
        "change": change_of(pair.now, pair.before),
        "joined_by": pair.by,
        "path": now.get("path") or before.get("path"),
        "former_path": before.get("path"),
        "number": now.get("number"),
        "former_number": before.get("number"),
        "sha256": now.get("sha256") or before.get("sha256"),
        "other_content": pair.by is not None and len(sums) > 1,
        "decision": now.get("decision"),
        "former_decision": before.get("decision"),
        "score": now.get("score"),
        "former_score": before.get("score"),
        "score_difference": _score(now) - _score(before) if are_read else None,
        "labels": _labels(now),
        "former_labels": _labels(before),
        "error": now.get("error"),
        "former_error": before.get("error"),
    }


def _count(found: Comparison, pair: Pair, row: dict[str, Any]) -> None:
    found.changes[row["change"]] += 1
    found.other_content += row["other_content"]
    if pair.by is not None:
        found.decisions[row["former_decision"], row["decision"]] += 1
    if row["score_difference"] is not None:
        found.score_moves[round(10 * row["score_difference"])] += 1


def _score(row: Row) -> float:
    """Return the highest score of a row, 0 where nothing was found."""
    return float(row.get("score") or 0.0)


def _labels(row: Row) -> list[str]:
    return sorted(found["label"] for found in row.get("findings") or ())


class _Best:
    """The examples whose scores moved farthest."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str, int, Example]] = []
        self._count = 0

    def add(self, example: Example) -> None:
        """Take one."""
        row = example.row
        moved = abs((row["score"] or 0.0) - (row["former_score"] or 0.0))
        self._count += 1
        # Among equals the path decides, and not in which bucket they were.
        entry = (moved, row["path"], -self._count, example)
        if len(self._heap) < _EXAMPLES:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def examples(self) -> list[Example]:
        """Return them, the farthest first."""
        return [example for *_, example in sorted(self._heap, key=lambda entry: (-entry[0], entry[1]))]
