"""When a file is whole: once its size and time have not changed for a while, by this machine's own clock."""

from dataclasses import dataclass
from pathlib import Path

from cargosight_inference.service.moving import Seen

_POLLS = 2
_EMPTY_SETTLES = 10
"""An empty file is waited for longer: some programs make the file, and write when they have the scan."""


@dataclass(frozen=True)
class Track:
    """How long a file has looked the same: since when, and at how many looks."""

    seen: Seen
    since: float
    looks: int

    def is_whole(self, now: float, settle_seconds: float) -> bool:
        """Return whether the file has looked the same for long enough."""
        settles = 1 if self.seen.size else _EMPTY_SETTLES
        return self.looks >= _POLLS and now - self.since >= settles * settle_seconds


def look(tracks: dict[str, Track], folder: Path, name: str, now: float) -> None:
    """Note how a file looks now; one that is gone, or not to be reached for the moment, is forgotten."""
    try:
        seen = Seen.of((folder / name).lstat())
    except OSError:
        tracks.pop(name, None)
        return
    track = tracks.get(name)
    if track is not None and track.seen == seen:
        tracks[name] = Track(seen, track.since, track.looks + 1)
    else:
        tracks[name] = Track(seen, now, 1)
