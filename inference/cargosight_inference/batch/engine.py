"""What scores the shards of a run: local processes, or tasks on a cluster, behind one interface."""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cargosight_inference.batch.scoring import Scoring


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every worker of a run is told.

    Attributes:
        url: of the place, which holds the manifest.
        scoring: how inputs are inspected.
        fingerprint: of the manifest; what the worker's model comes to has to have it.
        overlays: whether referred scans are drawn.
    """

    url: str
    scoring: Scoring
    fingerprint: str
    overlays: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return {
            "url": self.url,
            "scoring": self.scoring.to_dict(),
            "fingerprint": self.fingerprint,
            "overlays": self.overlays,
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Job":
        """Return what `to_dict` gave."""
        return cls(**{**found, "scoring": Scoring.from_dict(found["scoring"])})


@dataclass(frozen=True)
class ShardDone:
    """A shard's part is published.

    Attributes:
        shard: its number.
        counts: of them, see `shard.Scored`, with `fault_worker` beside.
        ours: whether this run wrote the part; another writer was first where not.
    """

    shard: int
    counts: Mapping[str, int]
    ours: bool = True


@dataclass(frozen=True)
class Beat:
    """The engine is alive.

    Attributes:
        open_rows: inputs that are done in shards that are not.
        workers: what each of them does, JSON-ready.
    """

    open_rows: int
    workers: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Notice:
    """Something a person should know; the run goes on.

    Attributes:
        sentence: what.
    """

    sentence: str


Event = ShardDone | Beat | Notice


class Engine(Protocol):
    """Scores shards and publishes their parts."""

    name: str

    def score(
        self, job: Job, shards: Iterator[int], stop: Callable[[], bool]
    ) -> Generator[Event, None, None]:
        """Score shards; yield what happens, with a `Beat` every second or so.

        It ends when all shards are done, or soon after `stop` says so. Closing the iterator ends all workers.

        Args:
            job: of every worker.
            shards: numbers of those to be scored, drawn as workers become free.
            stop: whether to end.

        Raises:
            BatchError: it cannot go on.
        """
        ...
