"""Each lane has folders of its own."""

from pathlib import Path

import pytest

from cargosight_inference.service.lane_folders import watched_folders
from cargosight_inference.service.settings import LaneSettings, ServiceSettings
from cargosight_models.errors import ConfigurationError


def settings_of(folder: Path, *lanes: LaneSettings) -> ServiceSettings:
    return ServiceSettings(data=folder / "data", lanes=lanes)


def test_a_lane_has_its_folders_in_the_data_folder_or_beside_its_own(tmp_path: Path) -> None:
    lanes = (
        LaneSettings(name="a"),
        LaneSettings(name="b", folder=tmp_path / "share"),
        LaneSettings(name="c", watch=False),
    )
    first, second = watched_folders(settings_of(tmp_path, *lanes))
    assert first.inbox == tmp_path / "data" / "lanes" / "a" / "inbox"
    assert (second.inbox, second.processed) == (tmp_path / "share", tmp_path / "share-processed")


@pytest.mark.parametrize("other", ["share", "link", "share-processed", "x/../share"])
def test_two_lanes_do_not_share_a_folder(tmp_path: Path, other: str) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "x").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "share")
    lanes = (
        LaneSettings(name="a", folder=tmp_path / "share"),
        LaneSettings(name="b", folder=tmp_path / other),
    )
    with pytest.raises(ConfigurationError, match="the lanes a and b both use the folder"):
        watched_folders(settings_of(tmp_path, *lanes))
