"""Watched folders: a scanner copies its scans there, and the service takes them.

A file is whole once its size and time have not changed for a while by this machine's own clock; the clock of a share is
not asked. It is read into the storage and accepted like an upload, and then moved to the folder of processed scans, or
to that of failed ones with `<name>.error.txt` beside it. A kill in between leaves it where it is: it is read again, and
found to be accepted already. A sidecar with `{"number": ..., "heading": ...}` goes with it, see `sidecars`; nothing
waits for one that is not there, so the scanner writes it first. The folder is polled: shares tell nobody of new files.

Left alone are hidden files, `*.part`, `*.tmp`, folders, links, pipes and devices. Stray JSON files are told of.
"""

import heapq
import io
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cargosight_inference.inputs import natural_key
from cargosight_inference.service.accepting import Accepted, LaneLimits, Receiving, Reception
from cargosight_inference.service.details import Arrival, clean_name, read_sidecar
from cargosight_inference.service.moving import Seen, open_regular, put_away
from cargosight_inference.service.refusals import Refused, Temporary, WrongValue
from cargosight_inference.service.settling import Track, look
from cargosight_inference.service.sidecars import Sidecars, is_scan
from cargosight_inference.service.storage import checked_lane
from cargosight_models.errors import UsageError

_LOG = logging.getLogger(__name__)
_CHUNK = 1 << 20
_MOST_TRACKED = 256
"""Files of a folder that are looked at, the first by natural order of their names; the others have their turn later."""
_MOST_ASIDE = 10_000
"""Files that could not be moved away and are remembered; of more, the ones first remembered are tried again early."""
_LISTING_SHARE = 4
"""A folder is listed for a quarter of the time at most, however many files lie there."""


@dataclass(frozen=True, kw_only=True)
class WatchedFolder:
    """A lane's folder and how it is watched.

    Attributes:
        lane: its name.
        inbox: where scans appear; not made, since it may be a share that is not there yet.
        processed: where accepted ones go; made in a folder that exists. No other lane's.
        failed: where others go, likewise.
        limits: of the lane.
        poll_seconds: between two looks.
        settle_seconds: for which a file must not have changed.
        retry_seconds: after which a file that could not be read or moved is tried again.
        most_per_poll: files taken at one look.
        stray_seconds: after which a JSON file without a scan is told of.
    """

    lane: str
    inbox: Path
    processed: Path
    failed: Path
    limits: LaneLimits
    poll_seconds: float = 1.0
    settle_seconds: float = 2.0
    retry_seconds: float = 60.0
    most_per_poll: int = 32
    stray_seconds: float = 60.0

    def __post_init__(self) -> None:
        checked_lane(self.lane)
        if len({self.inbox.absolute(), self.processed.absolute(), self.failed.absolute()}) < 3:
            raise UsageError(
                f"the folders of lane {self.lane} are {self.inbox}, {self.processed} and {self.failed}; expected "
                "three different ones"
            )


@dataclass(frozen=True)
class _Outcome:
    """Where a file belongs and its sidecar, the sentence where it failed, whether another try would end otherwise."""

    folder: Path
    sentence: str | None = None
    final: bool = True
    sidecar: str | None = None


@dataclass
class _Aside:
    """A file that has to stay for now; with an outcome only the move is left to do."""

    seen: Seen
    outcome: _Outcome | None
    again_at: float
    sentence: str
    listed: int


@dataclass
class _Files:
    """What is remembered of a folder's files; bounded."""

    tracks: dict[str, Track] = field(default_factory=dict)
    aside: dict[str, _Aside] = field(default_factory=dict)
    listing: int = 0


class FolderWatch:
    """Watches the folder of one lane in a thread of its own: a share that hangs holds up no other lane."""

    def __init__(
        self, folder: WatchedFolder, reception: Reception, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare it; nothing is looked at before `start` or `poll`.

        Args:
            folder: to watch.
            reception: that accepts the scans.
            clock: seconds that never go back.
        """
        self._folder = folder
        self._reception = reception
        self._clock = clock
        self._files = _Files()
        self._sidecars = Sidecars(
            folder.lane,
            folder.inbox,
            folder.failed,
            settle_seconds=folder.settle_seconds,
            stray_seconds=folder.stray_seconds,
        )
        self._paused_until = -float("inf")
        self._problems: dict[str, str] = {}
        self._listing_took = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def lane(self) -> str:
        """Name of the lane."""
        return self._folder.lane

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def problem(self) -> str | None:
        """Why no scans are taken at present, None while they are."""
        return next(iter(list(self._problems.values())), None)

    @property
    def notice(self) -> str | None:
        """What somebody should see to although scans are taken, None where there is nothing."""
        return self._sidecars.notice

    def start(self) -> None:
        """Start the thread; it is a daemon, since a share that hangs cannot be waited for."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name=f"folder-{self.lane}", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> bool:
        """Stop after the piece of a file that is being read, and return whether the thread ended in time.

        A scan that is half read stays in the folder.
        """
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)
        return not self.alive

    def poll(self) -> int:
        """Look once, and take what is whole; return how many scans were accepted. The thread does this all the time."""
        now = self._clock()
        if now < self._paused_until:
            return 0
        names = self._list(now)
        for name in names:
            look(self._files.tracks, self._folder.inbox, name, now)
            self._sidecars.look(name, now)
        accepted = tried = 0
        for name in names:
            if self._stop.is_set() or tried == self._folder.most_per_poll or now < self._paused_until:
                break
            if self._only_moves(name):
                tried += 1
            elif self._is_whole(name, now):
                tried += 1
                accepted += self._take(name)
        return accepted

    def _run(self) -> None:
        while not self._stop.is_set():
            self.poll()
            self._stop.wait(max(self._folder.poll_seconds, _LISTING_SHARE * self._listing_took))

    def _list(self, now: float) -> list[str]:
        """Return the names to look at; the folder streams through, and only these are kept."""
        files = self._files
        files.listing += 1
        began = self._clock()
        try:
            with os.scandir(self._folder.inbox) as entries:
                names = heapq.nsmallest(_MOST_TRACKED, self._candidates(entries, now), key=natural_key)
            self._sidecars.find_stray(now)
        except OSError as error:
            files.tracks.clear()
            self._report(
                "folder",
                f"the watched folder of lane {self.lane} cannot be listed ({error.strerror}); it is tried again until "
                "it can be",
            )
            return []
        finally:
            self._listing_took = self._clock() - began
        self._well("folder")
        self._sidecars.keep(names)
        for name in [name for name, aside in files.aside.items() if aside.listed != files.listing]:
            del files.aside[name]
        files.tracks = {name: files.tracks[name] for name in names if name in files.tracks}
        return names

    def _candidates(self, entries: "Iterator[os.DirEntry[str]]", now: float) -> Iterator[str]:
        for entry in entries:
            name = entry.name
            if not is_scan(entry):
                continue
            aside = self._files.aside.get(name)
            if aside is not None:
                aside.listed = self._files.listing
                if now < aside.again_at:
                    continue
            yield name

    def _is_whole(self, name: str, now: float) -> bool:
        track = self._files.tracks.get(name)
        if track is None or not track.is_whole(now, self._folder.settle_seconds):
            return False
        return self._sidecars.is_whole(name, now)

    def _only_moves(self, name: str) -> bool:
        """Move a file that was accepted or refused and could not be moved; return whether it is such a one."""
        aside, track = self._files.aside.get(name), self._files.tracks.get(name)
        if aside is None or aside.outcome is None or track is None or track.seen != aside.seen:
            return False
        self._put_away(name, aside.seen, aside.outcome)
        return True

    def _take(self, name: str) -> bool:
        """Accept a file, and put it away; return whether it was accepted."""
        seen = self._files.tracks.pop(name).seen
        try:
            outcome = self._receive(name, seen)
        except Temporary as refusal:
            self._paused_until = self._clock() + (refusal.retry_after or 0)
            self._report("refused", f"no scans are taken from the folder of lane {self.lane}: {refusal}")
            return False
        except WrongValue as refusal:
            self._reception.refuse(self.lane, refusal)
            outcome = self._failed(name, str(refusal), refusal.code)
        except OSError as error:
            self._set_aside(name, seen, None, f"the file cannot be read ({error.strerror})")
            return False
        if outcome is None:
            return False
        self._put_away(name, seen, outcome)
        return outcome.sentence is None

    def _receive(self, name: str, seen: Seen) -> _Outcome | None:
        """Read a file and have it accepted; None where it is not whole after all, gone, or no file.

        Raises:
            Temporary: it may be accepted later.
            WrongValue: its sidecar could be another's, too.
            OSError: it cannot be read.
        """
        folder = self._folder
        sidecar = self._sidecars.of(name)
        try:
            file = open_regular(folder.inbox / name)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            sentence = (
                f"the file cannot be opened ({error.strerror}); give the service's account the right to read it, and "
                "put it into the inbox again"
            )
            return self._failed(name, sentence, "not_readable", sidecar, final=False)
        if file is None:
            return None
        with file:
            try:
                arrival = self._arrival(name, sidecar)
                with self._reception.begin(arrival, folder.limits, size=seen.size) as receiving:
                    if not self._pour(file, receiving, seen):
                        return None
                    accepted = self._reception.accept(receiving)
            except Temporary:
                raise
            except Refused as refusal:
                return self._failed(name, str(refusal), refusal.code, sidecar)
        self._well("refused")
        _tell_accepted(name, accepted)
        return _Outcome(folder.processed, sidecar=sidecar)

    def _pour(self, file: io.BufferedReader, receiving: Receiving, seen: Seen) -> bool:
        """Read a file whole; return False where it changed meanwhile, or there is no time."""
        while chunk := file.read(_CHUNK):
            receiving.write(chunk)
            if self._stop.is_set():
                return False
        return Seen.of(os.fstat(file.fileno())) == seen and receiving.incoming.size == seen.size

    def _arrival(self, name: str, sidecar: str | None) -> Arrival:
        number = heading = None
        try:
            if sidecar is not None:
                number, heading = read_sidecar(self._folder.inbox / sidecar)
        except WrongValue as refusal:
            self._reception.refuse(self.lane, refusal)
            raise
        return Arrival(
            lane=self.lane, name=name, number=number, heading=heading, source="folder", by="folder"
        )

    def _failed(
        self, name: str, sentence: str, code: str, sidecar: str | None = None, *, final: bool = True
    ) -> _Outcome:
        outcome = _Outcome(self._folder.failed, sentence, final, sidecar)
        if name in self._files.aside:  # told before
            return outcome
        extra = {"event": "folder.refused", "lane": self.lane, "file": clean_name(name), "code": code}
        _LOG.warning(sentence, extra=extra)
        return outcome

    def _put_away(self, name: str, seen: Seen, outcome: _Outcome) -> None:
        try:
            inbox = self._folder.inbox
            sidecar = None if outcome.sidecar is None else inbox / outcome.sidecar
            put_away(inbox / name, outcome.folder, seen, outcome.sentence, sidecar=sidecar)
        except OSError as error:
            what = "was accepted" if outcome.sentence is None else "was refused"
            self._set_aside(
                name,
                seen,
                outcome if outcome.final else None,
                f"the file {what}, and cannot be moved out of the inbox ({error.strerror}); look at the rights of its "
                "folders",
            )
        else:
            self._files.aside.pop(name, None)

    def _set_aside(self, name: str, seen: Seen, outcome: _Outcome | None, sentence: str) -> None:
        """Remember a file that has to stay, and report it where it stays for a reason that is new."""
        aside = self._files.aside
        former = aside.pop(name, None)
        if former is None or former.sentence != sentence:
            extra = {"event": "folder.stuck", "lane": self.lane, "file": clean_name(name)}
            _LOG.warning(
                "%s; it is tried again every %g s", sentence, self._folder.retry_seconds, extra=extra
            )
        while len(aside) >= _MOST_ASIDE:
            del aside[next(iter(aside))]
        again_at = self._clock() + self._folder.retry_seconds
        aside[name] = _Aside(seen, outcome, again_at, sentence, self._files.listing)

    def _report(self, key: str, sentence: str) -> None:
        """Report a problem of the folder once, until it is over."""
        if key not in self._problems:
            extra = {"event": "folder.problem", "lane": self.lane, "folder": str(self._folder.inbox)}
            _LOG.warning(sentence, extra=extra)
            self._problems[key] = sentence

    def _well(self, key: str) -> None:
        if self._problems.pop(key, None) is not None:
            extra = {"event": "folder.well", "lane": self.lane, "folder": str(self._folder.inbox)}
            _LOG.info("the folder of lane %s is well again", self.lane, extra=extra)


def _tell_accepted(name: str, accepted: Accepted) -> None:
    extra = {
        "event": "folder.accepted",
        "lane": accepted.lane,
        "scan": accepted.id,
        "file": clean_name(name),
        "duplicate": accepted.duplicate,
    }
    _LOG.info("a scan was accepted from a folder", extra=extra)
