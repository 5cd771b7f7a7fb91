"""Sidecars in a watched folder: which JSON file belongs to which scan, and which to none.

That of `bag.tif` is `bag.tif.json`. It may be `bag.json`, too, where no other scan of that stem lies there: else it
could tell the number of one bag of another. Nothing waits for a sidecar that is not there; one that is being written is
waited for as scans are.
"""

import heapq
import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from cargosight_inference.inputs import natural_key
from cargosight_inference.service.details import clean_name
from cargosight_inference.service.moving import SIDECAR, put_away
from cargosight_inference.service.refusals import WrongValue
from cargosight_inference.service.settling import Track, look

_LOG = logging.getLogger(__name__)
_NOT_YET = (".part", ".tmp", SIDECAR)
_MOST_STRAY = 256
"""JSON files of a folder that are asked for their scans, the first by natural order of their names."""
_CHECKS = 4
"""Looks for stray ones in the time after which one is told."""


def is_scan(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry of a watched folder is a file that is taken for a scan."""
    if entry.name.startswith(".") or entry.name.lower().endswith(_NOT_YET):
        return False
    return entry.is_file(follow_symlinks=False)


class Sidecars:
    """The sidecars of one watched folder."""

    def __init__(
        self, lane: str, inbox: Path, failed: Path, *, settle_seconds: float, stray_seconds: float
    ) -> None:
        """Prepare it; nothing is looked at yet.

        Args:
            lane: its name.
            inbox: where they lie.
            failed: where one goes that could belong to several scans.
            settle_seconds: for which one must not have changed.
            stray_seconds: for which one may lie there without a scan before that is told.
        """
        self._lane = lane
        self._inbox = inbox
        self._failed = failed
        self._settle_seconds = settle_seconds
        self._stray_seconds = stray_seconds
        self._tracks: dict[str, Track] = {}
        self._refused: dict[str, str] = {}
        self._stray: dict[str, float] = {}
        self._told: set[str] = set()
        self._stray_at = -float("inf")

    @property
    def notice(self) -> str | None:
        """What is to be said of those that belong to no scan, None where there is none."""
        told = sorted(self._told, key=natural_key)
        if not told:
            return None
        more = f" and {len(told) - 1:,} more" if len(told) > 1 else ""
        return (
            f"{clean_name(told[0])}{more} in the watched folder belongs to no scan; expected NAME.tif.json or "
            "NAME.json beside NAME.tif, written before it: put the scan there, or take the file away"
        )

    def look(self, name: str, now: float) -> None:
        """Note how the sidecars that a scan may have look now."""
        for each in _names(name):
            look(self._tracks, self._inbox, each, now)

    def keep(self, names: Collection[str]) -> None:
        """Forget all but those of some scans."""
        wanted = {each for name in names for each in _names(name)}
        self._tracks = {name: track for name, track in self._tracks.items() if name in wanted}
        stems = {_stem(name) for name in names}
        self._refused = {stem: sentence for stem, sentence in self._refused.items() if stem in stems}

    def is_whole(self, name: str, now: float) -> bool:
        """Return whether a scan has no sidecar, or one that is whole."""
        track = next((self._tracks[each] for each in _names(name) if each in self._tracks), None)
        return track is None or track.is_whole(now, self._settle_seconds)

    def of(self, name: str) -> str | None:
        """Return the name of a scan's sidecar, None where it has none.

        Raises:
            WrongValue: it could belong to another scan, too, and was put away with a sentence beside it.
            OSError: the folder cannot be listed.
        """
        full, short = _names(name)
        if full in self._tracks:
            return full
        stem = _stem(name)
        if stem in self._refused:
            raise WrongValue(self._refused[stem])
        if short not in self._tracks:
            return None
        with os.scandir(self._inbox) as entries:
            others = {entry.name for entry in entries if entry.name != name and _stem_or_name(entry, stem)}
        if stem in others:  # it is that one's, under its full name
            return None
        if not others:
            return short
        self._refuse(name, stem, others)
        raise WrongValue(self._refused[stem])

    def _refuse(self, name: str, stem: str, others: Collection[str]) -> None:
        """Put a sidecar away that could belong to several scans; each of them is refused."""
        first, second = sorted([name, min(others, key=natural_key)], key=natural_key)
        short = f"{stem}{SIDECAR}"
        sentence = (
            f"{clean_name(short)} could belong to {clean_name(first)} or {clean_name(second)}; call it "
            f"{clean_name(first)}{SIDECAR} or {clean_name(second)}{SIDECAR}, and put it into the inbox again with its "
            "scan"
        )
        self._refused[stem] = sentence
        try:
            put_away(self._inbox / short, self._failed, self._tracks[short].seen, sentence)
        except OSError as error:
            extra = {"event": "folder.stuck", "lane": self._lane, "file": clean_name(short)}
            _LOG.warning("a sidecar cannot be moved out of the inbox (%s)", error.strerror, extra=extra)

    def find_stray(self, now: float) -> None:
        """Look now and then for JSON files without a scan, and tell of those that have lain there for a while.

        Raises:
            OSError: the folder cannot be listed.
        """
        if now < self._stray_at:
            return
        self._stray_at = now + self._stray_seconds / _CHECKS
        stray = self._without_scan()
        self._stray = {name: self._stray.get(name, now) for name in stray}
        told = {name for name, since in self._stray.items() if now - since >= self._stray_seconds}
        for name in sorted(told - self._told, key=natural_key):
            extra = {"event": "folder.stray", "lane": self._lane, "file": clean_name(name)}
            _LOG.warning("a JSON file belongs to no scan of its folder", extra=extra)
        if self._told and not told:
            extra = {"event": "folder.well", "lane": self._lane, "folder": str(self._inbox)}
            _LOG.info("every JSON file in the folder of lane %s has its scan", self._lane, extra=extra)
        self._told = told

    def _without_scan(self) -> list[str]:
        with os.scandir(self._inbox) as entries:
            found = (each.name for each in entries if _is_sidecar(each))
            names = heapq.nsmallest(_MOST_STRAY, found, key=natural_key)
        wanted = {name.removesuffix(SIDECAR) for name in names}
        if not wanted:
            return []
        with os.scandir(self._inbox) as entries:
            there = {
                owner for each in entries if not _is_sidecar(each) for owner in _owners(each.name)
            } & wanted
        return [name for name in names if name.removesuffix(SIDECAR) not in there]


def _names(name: str) -> tuple[str, str]:
    """Return the names that the sidecar of a scan may have; the first wins."""
    return f"{name}{SIDECAR}", f"{_stem(name)}{SIDECAR}"


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 - a name, of which Path knows "..." otherwise


def _stem_or_name(entry: "os.DirEntry[str]", stem: str) -> bool:
    return stem in (entry.name, _stem(entry.name)) and is_scan(entry)


def _is_sidecar(entry: "os.DirEntry[str]") -> bool:
    name = entry.name
    return (
        not name.startswith(".") and name.lower().endswith(SIDECAR) and entry.is_file(follow_symlinks=False)
    )


def _owners(name: str) -> Iterator[str]:
    """Yield what the sidecars of a file would be called without their suffix, also while it is `NAME.tif.part`."""
    shown = name.lstrip(".")
    while shown:
        yield shown
        shorter = _stem(shown)
        if shorter == shown:
            return
        shown = shorter
