"""Where a run stands, told from what lies in its place: also of one in the background, or on other machines."""

import os
import socket
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cargosight_inference.batch.manifest import Manifest, read_manifest
from cargosight_inference.batch.places import BatchError, Place
from cargosight_inference.batch.running import SUCCESS, finished_numbers, read_reports
from cargosight_inference.progress import clock
from cargosight_models.errors import UsageError

_SILENT_SECONDS = 60.0
"""After which a process that said nothing is taken for dead: they write every two seconds."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a run stands.

    Attributes:
        url: of its place.
        manifest: of it.
        complete: whether its success marker is there.
        parts: that are there.
        done_inputs: in them.
        open_inputs: done in shards whose part is not there yet, as the processes say that are at work; of a shard that
            several are at, what the one says that is farthest.
        rate: inputs per second of all of them.
        silent: that said something once and have not for a minute, or are gone from this machine, without having ended
            properly.
        reports: of the processes at work.
    """

    url: str
    manifest: Manifest
    complete: bool
    parts: int
    done_inputs: int
    open_inputs: int
    rate: float
    silent: int
    reports: tuple[dict[str, Any], ...]

    @property
    def left_seconds(self) -> float | None:
        """Time to the end at this rate, None where that is not known."""
        left = self.manifest.inputs - self.done_inputs - self.open_inputs
        return max(0, left) / self.rate if self.rate > 0.0 and not self.complete else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return {
            "schema": 1,
            "url": self.url,
            "state": self.state,
            "inputs": self.manifest.inputs,
            "shards": self.manifest.shards,
            "parts": self.parts,
            "done_inputs": self.done_inputs,
            "open_inputs": self.open_inputs,
            "rate": round(self.rate, 3),
            "left_seconds": None if self.left_seconds is None else round(self.left_seconds, 1),
            "silent": self.silent,
            "fingerprint": self.manifest.fingerprint,
            "processes": list(self.reports),
        }

    @property
    def state(self) -> str:
        """`complete`, `running` or `stopped`."""
        return "complete" if self.complete else "running" if self.reports else "stopped"

    def describe(self) -> str:
        """Return it in some lines for a person."""
        manifest, what = self.manifest, self.manifest.what
        done = self.done_inputs + self.open_inputs
        lines = [
            f"{self.url}: {self.state}",
            f"  {done:,} of {manifest.inputs:,} inputs ({done / manifest.inputs:.1%}), "
            f"{self.parts:,} of {manifest.shards:,} parts",
            f"  model {what.model}, {what.operating_point}, {what.precision}; begun {manifest.created_at}",
        ]
        if self.reports:
            left = "" if self.left_seconds is None else f", {clock(self.left_seconds)} left"
            workers = sum(len(report.get("workers", ())) for report in self.reports)
            lines.append(f"  {self.rate:.1f} scans/s by {workers} workers{left}")
        if self.silent and not self.complete:
            what_is = "1 process has" if self.silent == 1 else f"{self.silent} processes have"
            lines.append(f"  {what_is} ended without a word; what they had not published is done again")
        if self.state == "stopped":
            lines.append("  nobody works on it; the command that began it goes on from there")
        return "\n".join(lines)


def read_status(place: Place, *, now: datetime | None = None) -> Status:
    """Return where the run in a place stands.

    Args:
        place: of the run.
        now: the present when None.

    Raises:
        UsageError: there is no run.
        BatchError: the place cannot be read.
    """
    manifest = read_manifest(place)
    if manifest is None:
        raise UsageError(f"there is no batch run in {place.url}, or it is still being planned")
    finished: set[int] = set()
    for shard in finished_numbers(place):
        if shard >= manifest.shards:
            raise BatchError(f"part {shard} in {place.url} is none of this run, which has {manifest.shards}")
        finished.add(shard)
    done = sum(len(manifest.numbers(shard)) for shard in finished)
    now = now or datetime.now(UTC)
    reports = read_reports(place)
    heard = [one for one in reports if _age(one, now) <= _SILENT_SECONDS and not _is_gone(one)]
    return Status(
        url=place.url,
        manifest=manifest,
        complete=place.exists(SUCCESS),
        parts=len(finished),
        done_inputs=done,
        open_inputs=min(_open_inputs(heard, finished), manifest.inputs - done),
        rate=sum(float(one["rate"]) for one in heard),
        silent=len(reports) - len(heard),
        reports=tuple(heard),
    )


def _age(report: dict[str, Any], now: datetime) -> float:
    return (now - datetime.fromisoformat(report["at"])).total_seconds()


def _is_gone(report: dict[str, Any]) -> bool:
    """Whether a report is of a process of this very host that does not exist any more."""
    pid = report.get("pid")
    # Elsewhere than on POSIX systems the same call ends what it asks about.
    if os.name != "posix" or report.get("host") != socket.gethostname() or not isinstance(pid, int):
        return False
    try:
        with suppress(PermissionError):  # it is there, and somebody else's
            os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _open_inputs(reports: Iterable[dict[str, Any]], finished: set[int]) -> int:
    """Return how many inputs are done in shards that have no part yet, each shard counted once."""
    farthest: Counter[int] = Counter()
    for report in reports:
        done: Counter[int] = Counter()  # several workers of a process may be at pieces of one shard
        for worker in report.get("workers", ()):
            done[worker["shard"]] += worker["done"]
        farthest |= done
    return sum(count for shard, count in farthest.items() if shard not in finished)
