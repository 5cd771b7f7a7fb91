"""Making the pictures that consoles show, in a process of their own, so that a picture never waits for findings."""

import logging
from threading import Event, Thread
from typing import Any

from sqlalchemy import Row

from cargosight_inference.service.database.errors import DatabaseError
from cargosight_inference.service.inspecting import MOST_ATTEMPTS, Office
from cargosight_inference.service.records import scans
from cargosight_inference.service.worker import WorkerProcess
from cargosight_models.errors import UnreadablePicture, WorkerDied

_LOG = logging.getLogger("cargosight.service.picturing")
_IDLE_SECONDS = 1.0
FOLDER = "pictures"


class Picturing(Thread):
    """Makes the picture of one scan after the other."""

    def __init__(self, office: Office) -> None:
        super().__init__(name="cargosight-pictures", daemon=True)
        self._office = office
        self._lanes = [lane.name for lane in office.settings.lanes]
        self._worker = WorkerProcess(memory_mb=office.settings.worker_memory_mb)
        self._stop_wanted = Event()
        self._work = Event()
        self._lost: dict[int, int] = {}

    def wake(self) -> None:
        """Say that there may be something to do."""
        self._work.set()

    def stop(self) -> None:
        """End the thread; pictures that are missing are made at the next start."""
        self._stop_wanted.set()
        self._work.set()
        self._worker.close()
        self.join()

    def run(self) -> None:
        """Work until the service stops."""
        while not self._stop_wanted.is_set():
            self._work.clear()
            try:
                with self._office.database.reading() as connection:
                    row = scans.without_picture(connection, self._lanes)
                if row is not None:
                    self._make(row)
                    continue
            except (DatabaseError, OSError) as error:
                _LOG.warning("pictures wait", extra={"reason": str(error)})
                self._stop_wanted.wait(_IDLE_SECONDS)
            self._work.wait(_IDLE_SECONDS)

    def _make(self, row: Row[Any]) -> None:
        office, lane = self._office, self._office.settings.lane(row.lane)
        try:
            description = self._worker.picture(
                office.settings.data / row.stored,
                subject=lane.subject,
                max_pixels=lane.max_pixels,
                air_level=lane.air_level,
                polarity=lane.polarity,
                pixel_pitch_mm=lane.pitch_mm,
                folder=office.settings.data / FOLDER / str(row.id),
                timeout_s=office.settings.inspection_timeout_seconds,
            )
        except UnreadablePicture as error:
            self._failed(row, str(error))
        except WorkerDied as error:
            if self._stop_wanted.is_set():
                return
            office.measuring.metrics.worker_died("picture")
            self._lost[row.id] = self._lost.get(row.id, 0) + 1
            _LOG.error("worker lost", extra={"lane": row.lane, "scan": row.id, "reason": str(error)})
            if self._lost[row.id] >= MOST_ATTEMPTS:
                self._failed(row, f"the picture could not be made ({error}); look at the item by hand")
        else:
            office.until_recorded(
                self._stop_wanted, lambda: scans.picture_made(office.database, row.id, description)
            )
            office.measuring.pictured(row.lane, description, row.received_at)

    def _failed(self, row: Row[Any], problem: str) -> None:
        self._lost.pop(row.id, None)
        self._office.until_recorded(
            self._stop_wanted, lambda: scans.picture_failed(self._office.database, row.id, problem)
        )
