"""The watched folders of all lanes, as the settings have them; no two lanes share one."""

from pathlib import Path

from cargosight_inference.service.accepting import LaneLimits
from cargosight_inference.service.folders import WatchedFolder
from cargosight_inference.service.settings import LaneSettings, ServiceSettings
from cargosight_models.errors import ConfigurationError


def limits_of(settings: ServiceSettings, lane: LaneSettings) -> LaneLimits:
    """Return what a lane takes."""
    return LaneLimits(most_bytes=settings.max_upload_mb << 20, most_waiting=lane.most_waiting)


def watched_folders(settings: ServiceSettings) -> list[WatchedFolder]:
    """Return the folders of the lanes that are watched.

    Raises:
        ConfigurationError: two lanes would use the same folder, also by way of a link: each scan would be in both.
    """
    folders = [_folder(settings, lane) for lane in settings.lanes if lane.watch]
    taken: dict[Path, str] = {}
    for folder in folders:
        for place in (folder.inbox, folder.processed, folder.failed):
            other = taken.setdefault(place.resolve(), folder.lane)
            if other != folder.lane:
                raise ConfigurationError(
                    f"the lanes {other} and {folder.lane} both use the folder {place}; give each lane one of its own"
                )
    return folders


def _folder(settings: ServiceSettings, lane: LaneSettings) -> WatchedFolder:
    limits = limits_of(settings, lane)
    if lane.folder is None:
        own = settings.data / "lanes" / lane.name
        return WatchedFolder(
            lane=lane.name,
            inbox=own / "inbox",
            processed=own / "processed",
            failed=own / "failed",
            limits=limits,
        )
    return WatchedFolder(
        lane=lane.name,
        inbox=lane.folder,
        processed=lane.folder.with_name(f"{lane.folder.name}-processed"),
        failed=lane.folder.with_name(f"{lane.folder.name}-failed"),
        limits=limits,
    )
