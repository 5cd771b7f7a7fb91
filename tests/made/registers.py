"""Registers of scans that stand in for the database."""

import threading

from cargosight_inference.service.accepting import NewScan, Told


class MemoryRegister:
    """Keeps scans in a list; the id of one is its place, from 1.

    Attributes:
        scans: that were added.
        failing: errors that the next calls of `add` raise, one each.
        inspected: ids of scans that do not wait.
    """

    def __init__(self) -> None:
        self.scans: list[NewScan] = []
        self.failing: list[Exception] = []
        self.inspected: set[int] = set()
        self._guard = threading.Lock()

    def find(self, lane: str, sha256: str) -> int | None:
        """Return the id of a scan."""
        for place, scan in enumerate(self.scans, start=1):
            if (scan.lane, scan.sha256) == (lane, sha256):
                return place
        return None

    def waiting(self, lane: str) -> int:
        """Count the scans of a lane that were not inspected."""
        ids = enumerate(self.scans, start=1)
        return sum(scan.lane == lane and place not in self.inspected for place, scan in ids)

    def add(self, accepted: NewScan) -> tuple[int, bool]:
        """Add a scan once."""
        with self._guard:
            if self.failing:
                raise self.failing.pop(0)
            known = self.find(accepted.lane, accepted.sha256)
            if known is not None:
                return known, False
            self.scans.append(accepted)
            return len(self.scans), True

    def again(self, scan: int, told: Told, *, by: str) -> Told:
        """Return what a scan keeps."""
        del told, by
        return Told(number=self.scans[scan - 1].number, heading=self.scans[scan - 1].heading)


class MemoryTally:
    """Counts.

    Attributes:
        accepted_scans: lane, and whether it was there already, of each.
        refusals: lane and code of each.
    """

    def __init__(self) -> None:
        self.accepted_scans: list[tuple[str, bool]] = []
        self.refusals: list[tuple[str, str]] = []

    def accepted(self, lane: str, *, duplicate: bool) -> None:
        """Count a scan."""
        self.accepted_scans.append((lane, duplicate))

    def refused(self, lane: str, code: str) -> None:
        """Count a refusal."""
        self.refusals.append((lane, code))
