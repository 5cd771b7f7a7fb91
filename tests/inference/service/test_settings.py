"""Settings: what is not named has its default, what is wrong gets a sentence."""

from pathlib import Path

import pytest

from cargosight_inference.service.settings import read_settings
from cargosight_models.errors import ConfigurationError


def written(folder: Path, text: str) -> Path:
    path = folder / "service.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_set_up_gives_one_lane_of_baggage_on_loopback_with_sqlite() -> None:
    settings = read_settings(None)
    assert [lane.name for lane in settings.lanes] == ["lane-1"]
    assert settings.lane("lane-1").subject == "baggage"
    assert settings.host == "127.0.0.1"
    assert settings.database_url == "sqlite:///cargosight-data/cargosight.sqlite3"


def test_a_file_names_only_what_differs(tmp_path: Path) -> None:
    settings = read_settings(
        written(tmp_path, "port: 9000\nlanes: [{name: yard, subject: cargo, priority: 7, pitch_mm: [4, 5]}]")
    )
    lane = settings.lane("yard")
    assert (settings.port, lane.subject, lane.priority, lane.pitch_mm) == (9000, "cargo", 7, (4.0, 5.0))
    assert lane.deadline_seconds == 10.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("- 1", "holds a list"),
        ("prot: 1", "did you mean 'port'"),
        ("port: 70000", "port is 70000"),
        ("lanes: []", "at least one"),
        ("lanes: [{name: a}, {name: a}]", "each name once"),
        ("lanes: [{name: ../x}]", "lanes.0.name is '../x'"),
        ("lanes: [{name: a, subjekt: cargo}]", "did you mean 'subject'"),
        ("lanes: [{name: a, operating_point: x, threshold: 0.3}]", "choose one of them"),
        ("lanes: [{name: a, correct: true}]", "leave it out for baggage"),
        ("lanes: [{name: a, deadline_seconds: .nan}]", "deadline_seconds is nan"),
        ("host: 0.0.0.0", "passwords would travel readable"),
        ("tls: {certificate: c.pem}", "tls.key is missing"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=r"service\.yaml") as caught:
        read_settings(written(tmp_path, text))
    assert words in str(caught.value)


def test_other_machines_are_served_with_tls_or_behind_a_proxy(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, "host: 0.0.0.0\nallow_plain_http: true")).host == "0.0.0.0"
    assert read_settings(written(tmp_path, "host: 0.0.0.0\ntls: {certificate: c, key: k}")).tls is not None
