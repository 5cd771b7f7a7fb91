"""The one road on which scans are accepted, from an upload and from a watched folder alike.

The order makes sure that a kill at any moment loses nothing that was accepted and records nothing twice: the bytes are
received and hashed, brought to the disk, renamed to their place, and only then recorded; whoever sent them is answered
last. A sender that got no answer sends again, and gets the id of the scan that is there.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol

from cargosight_inference.scans.sniff import SUPPORTED, identify
from cargosight_inference.service.database.errors import DatabaseError, DatabaseFullError
from cargosight_inference.service.details import Arrival, checked_number, clean_name
from cargosight_inference.service.refusals import (
    DatabaseBusy,
    DiskFull,
    EmptyUpload,
    LaneFull,
    NotAScan,
    Refused,
    StorageFailed,
    Temporary,
    TooLarge,
    WrongValue,
)
from cargosight_inference.service.register import NewScan, ScanRegister, Told
from cargosight_inference.service.storage import HEAD_BYTES, Incoming, Storage
from cargosight_models.errors import ScanError

__all__ = [
    "Accepted",
    "Arrival",
    "DatabaseBusy",
    "DiskFull",
    "EmptyUpload",
    "LaneFull",
    "LaneLimits",
    "NewScan",
    "NotAScan",
    "Receiving",
    "Reception",
    "Refused",
    "ScanRegister",
    "StorageFailed",
    "Tally",
    "Temporary",
    "Told",
    "TooLarge",
    "WrongValue",
    "checked_number",
    "clean_name",
]


@dataclass(frozen=True, kw_only=True)
class LaneLimits:
    """What a lane takes.

    Attributes:
        most_bytes: of one scan.
        most_waiting: scans that may wait for their inspection.
        retry_after: seconds after which a sender may try again when they do.
    """

    most_bytes: int
    most_waiting: int
    retry_after: int = 5


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The answer to whoever sent a scan.

    Attributes:
        id: of the scan.
        lane: its name.
        sha256: of the bytes.
        size: in bytes.
        duplicate: whether the lane had these bytes already; then number and heading stay those that came first.
        kept_number: that a duplicate has since it came first.
        note: of a duplicate that came with another number or heading: a sentence, None of any other.
    """

    id: int
    lane: str
    sha256: str
    size: int
    duplicate: bool
    kept_number: str | None = None
    note: str | None = None


class Tally(Protocol):
    """Who counts what was accepted and refused."""

    def accepted(self, lane: str, *, duplicate: bool) -> None:
        """Count a scan that was accepted."""
        ...

    def refused(self, lane: str, code: str) -> None:
        """Count one that was not."""
        ...


def _now() -> datetime:
    return datetime.now(UTC)


class Reception:
    """Accepts scans into storage and register. Threads may share it."""

    def __init__(
        self,
        storage: Storage,
        register: ScanRegister,
        *,
        tally: Tally | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._storage = storage
        self._register = register
        self._tally = tally
        self._now = now
        self._guard = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}

    def begin(self, arrival: Arrival, limits: LaneLimits, *, size: int | None = None) -> "Receiving":
        """Check what can be checked before a byte is read, and open the way in.

        Args:
            arrival: what is told of the scan.
            limits: of the lane.
            size: in bytes, where it was announced.

        Raises:
            WrongValue: number or heading are none.
            EmptyUpload: no bytes were announced.
            TooLarge: too many were.
            LaneFull: too many scans of the lane wait.
            DiskFull: there is no room.
            StorageFailed: the disk gives another error.
            DatabaseBusy: the database does not answer.
            UsageError: the lane's name is none.
        """
        with _counted(self._tally, arrival.lane):
            checked = arrival.checked()
            if size == 0:
                raise EmptyUpload(_about_nothing())
            self._demand_place(checked.lane, limits)
            incoming = self._storage.open(most_bytes=limits.most_bytes, expected=size)
        return Receiving(incoming=incoming, arrival=checked, limits=limits, tally=self._tally)

    def accept(self, receiving: "Receiving") -> Accepted:
        """Keep and record a scan that was received whole; it will not be lost once this returns.

        Bytes that the lane has already give the id of that scan, also when the lane is full.

        Raises:
            EmptyUpload: no bytes came.
            NotAScan: they begin like no format that is read.
            LaneFull: too many scans of the lane wait.
            DiskFull: there is no room.
            StorageFailed: the disk gives another error.
            DatabaseBusy: the database did not take it; nothing is told of it, and the same may be sent again.
        """
        arrival = receiving.arrival
        with _counted(self._tally, arrival.lane):
            receiving.check_format()
            sha256 = receiving.incoming.finish()
            # One at a time in a lane: else two could both see its last free place.
            with self._turn(arrival.lane):
                accepted = self._record(receiving, sha256)
        if self._tally is not None:
            self._tally.accepted(accepted.lane, duplicate=accepted.duplicate)
        return accepted

    def refuse(self, lane: str, refusal: Refused) -> None:
        """Count a scan that was refused before it came here."""
        if self._tally is not None:
            self._tally.refused(lane, refusal.code)

    def _record(self, receiving: "Receiving", sha256: str) -> Accepted:
        arrival, incoming = receiving.arrival, receiving.incoming
        with _database():
            known = self._register.find(arrival.lane, sha256)
        if known is None:
            self._demand_place(arrival.lane, receiving.limits)
        # Bytes come back to a scan that has lost them, as after the folder was put back from an older copy.
        stored = incoming.keep(arrival.lane)
        duplicate = known is not None
        if known is None:
            new = NewScan(
                lane=arrival.lane,
                sha256=sha256,
                size=incoming.size,
                name=arrival.name,
                number=arrival.number,
                heading=arrival.heading,
                stored=stored,
                source=arrival.source,
                by=arrival.by,
                received_at=self._now(),
            )
            try:
                with _database():
                    known, added = self._register.add(new)
            except DiskFull:
                self._make_room(new)
                raise
            duplicate = not added
        accepted = Accepted(
            id=known, lane=arrival.lane, sha256=sha256, size=incoming.size, duplicate=duplicate
        )
        return self._again(accepted, arrival) if duplicate else accepted

    def _again(self, accepted: Accepted, arrival: Arrival) -> Accepted:
        """Say what a scan keeps that came again; what came with it now is recorded and does not take its place."""
        told = Told(number=arrival.number, heading=arrival.heading)
        with _database():
            kept = self._register.again(accepted.id, told, by=arrival.by)
        other = [
            f"the {name} {mine if mine is not None else '(none)'} and not {given}"
            for name, given, mine in (
                ("number", told.number, kept.number),
                ("heading", told.heading, kept.heading),
            )
            if given not in (None, mine)
        ]
        note = f"the lane has this scan already, and it keeps {', and '.join(other)}; this was recorded"
        return replace(accepted, kept_number=kept.number, note=note if other else None)

    def _make_room(self, new: NewScan) -> None:
        """Remove the bytes of a scan that the database had no room for, once it says that it has no such scan.

        After any other error they stay: for the next try, or to be found without a row at the next start.
        """
        with suppress(DatabaseError):
            if self._register.find(new.lane, new.sha256) is None:
                self._storage.remove(new.stored)

    def _demand_place(self, lane: str, limits: LaneLimits) -> None:
        with _database():
            waiting = self._register.waiting(lane)
        if waiting >= limits.most_waiting:
            raise LaneFull(
                f"{waiting:,} scans of lane {lane} wait for their inspection, the most that may; send the scan again "
                f"in {limits.retry_after} s",
                limits.retry_after,
            )

    def _turn(self, lane: str) -> threading.Lock:
        with self._guard:
            return self._turns.setdefault(lane, threading.Lock())


@dataclass(kw_only=True)
class Receiving:
    """A scan on its way in; gone when the block ends unless it was accepted. One thread at a time.

    Attributes:
        incoming: its bytes.
        arrival: what was told of it, checked.
        limits: of the lane.
        tally: counts refusals, None for nobody.
    """

    incoming: Incoming
    arrival: Arrival
    limits: LaneLimits
    tally: Tally | None = field(default=None, repr=False)
    _known: bool = field(default=False, init=False)

    def write(self, chunk: bytes) -> None:
        """Take bytes; the first ones say whether it is a scan, and no more is read of what is none.

        Raises:
            NotAScan: they begin like no format that is read.
            TooLarge: they are more than a scan may have.
            DiskFull: there is no room for them.
            StorageFailed: the disk gives another error.
        """
        with _counted(self.tally, self.arrival.lane):
            self.incoming.write(chunk)
            if not self._known and self.incoming.size >= HEAD_BYTES:
                self.check_format()

    def check_format(self) -> None:
        """Check that what came begins like a scan.

        Raises:
            EmptyUpload: nothing came.
            NotAScan: it does not; the message lists what is read.
        """
        if not self.incoming.size:
            raise EmptyUpload(_about_nothing())
        if not self._known:
            try:
                identify(self.incoming.head)
            except ScanError as error:
                raise NotAScan(str(error)) from error
            self._known = True

    def __enter__(self) -> "Receiving":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove what was not accepted."""
        self.incoming.__exit__(kind, error, traceback)


def _about_nothing() -> str:
    return f"the file is empty; expected {SUPPORTED}; send it again"


@contextmanager
def _database() -> Iterator[None]:
    """Turn errors of the database into refusals."""
    try:
        yield
    except DatabaseFullError as error:
        raise DiskFull(f"the scan was not accepted: {error}") from error
    except DatabaseError as error:
        raise DatabaseBusy(f"the scan was not accepted: {error}") from error


@contextmanager
def _counted(tally: Tally | None, lane: str) -> Iterator[None]:
    try:
        yield
    except Refused as refusal:
        if tally is not None:
            tally.refused(lane, refusal.code)
        raise
