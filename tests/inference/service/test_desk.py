"""The running service: what is accepted is pictured, inspected once, shown in time, and survives what happens."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from cargosight_inference.service import drawing, inspecting, picturing
from cargosight_inference.service.database import engine as engine_module
from cargosight_inference.service.database.errors import DatabaseError
from cargosight_inference.service.database.tables import SCANS
from cargosight_inference.service.desk import Desk
from cargosight_inference.service.details import Arrival
from cargosight_inference.service.records import audit, events, inspections, scans
from cargosight_inference.service.records.errors import MissingRecordError
from cargosight_inference.service.settings import LaneSettings, ServiceSettings
from cargosight_models.errors import EngineError, UsageError
from tests.made import scans as made_scans
from tests.made.databases import KINDS, database_url
from tests.made.models import blob_contract, make_blob_model
from tests.made.waiting import until
from tests.made.worker_doubles import MadeWorker

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def made_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[MadeWorker]]:
    for module in (inspecting, picturing, drawing):
        monkeypatch.setattr(module, "WorkerProcess", MadeWorker)
    monkeypatch.setattr(MadeWorker, "inspected", [])
    MadeWorker.go.set()
    yield MadeWorker
    MadeWorker.go.set()


def settings_of(folder: Path, *lanes: LaneSettings, **changes: Any) -> ServiceSettings:
    chosen = lanes or (LaneSettings(name="lane-1", watch=False),)
    return ServiceSettings(data=folder / "data", lanes=chosen, least_free_mb=0, **changes)


def send(desk: Desk, name: str, *, lane: str = "lane-1", content: bytes | None = None) -> int:
    arrival = Arrival(lane=lane, name=name, source="http", by="token belt")
    with desk.reception.begin(arrival, desk.limits(lane)) as receiving:
        receiving.write(PNG + name.encode() if content is None else content)
        return desk.reception.accept(receiving).id


def summary(desk: Desk, scan: int) -> dict[str, Any]:
    with desk.database.reading() as connection:
        return scans.summary_of(connection, scan)


def shown(desk: Desk, scan: int) -> dict[str, Any] | None:
    found = summary(desk, scan)
    return found if found["shown"] and found["has_picture"] else None


def told(desk: Desk) -> list[str]:
    with desk.database.reading() as connection:
        return [each.kind for each in events.after(connection, 0, ["lane-1"])[0]]


@pytest.mark.usefixtures("made_workers")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_accepted_is_pictured_inspected_and_shown(kind: str, tmp_path: Path) -> None:
    with database_url(kind, tmp_path) as url:
        _from_upload_to_console(settings_of(tmp_path, database=url))


def _from_upload_to_console(settings: ServiceSettings) -> None:
    with Desk(settings) as desk:
        assert desk.first_password is not None
        scan = send(desk, "gun.png")
        found = until(lambda: shown(desk, scan))
        assert (found["state"], found["advice"], found["late"]) == ("undecided", "refer", False)
        assert set(told(desk)) == {"scan.accepted", "scan.picture", "scan.inspected"}
        assert desk.problems() == []
        assert b'cargosight_scans_accepted_total{lane="lane-1"} 1.0' in desk.render_metrics()
    with Desk(settings) as desk:
        assert desk.first_password is None
        assert send(desk, "gun.png") == scan  # the same bytes


def test_what_waited_when_the_service_ended_is_inspected_at_the_next_start(
    tmp_path: Path, made_workers: type[MadeWorker]
) -> None:
    made_workers.go.clear()
    with Desk(settings_of(tmp_path)) as desk:
        sent = [send(desk, f"{number}.png") for number in range(3)]
        until(lambda: desk.inspecting("lane-1"))
    made_workers.go.set()
    with Desk(settings_of(tmp_path)) as desk:
        until(lambda: all(shown(desk, scan) for scan in sent))
        with desk.database.reading() as connection:
            assert [len(inspections.listed(connection, scan)) for scan in sent] == [1, 1, 1]
            assert audit.verify(connection).intact


def test_a_lane_of_higher_priority_goes_first(tmp_path: Path, made_workers: type[MadeWorker]) -> None:
    lanes = (LaneSettings(name="lane-1", watch=False), LaneSettings(name="fast", watch=False, priority=9))
    made_workers.go.clear()
    with Desk(settings_of(tmp_path, *lanes, workers=1)) as desk:
        send(desk, "first.png")
        until(lambda: desk.inspecting("lane-1"))
        send(desk, "slow.png")
        last = send(desk, "urgent.png", lane="fast")
        made_workers.go.set()
        until(lambda: shown(desk, last))
        until(lambda: len(made_workers.inspected) == 3)
    assert made_workers.inspected == ["first.png", "urgent.png", "slow.png"]


def test_after_the_deadline_the_picture_comes_without_findings_and_they_come_late(
    tmp_path: Path, made_workers: type[MadeWorker]
) -> None:
    lane = LaneSettings(name="lane-1", watch=False, deadline_seconds=0.3)
    made_workers.go.clear()
    with Desk(settings_of(tmp_path, lane)) as desk:
        scan = send(desk, "gun.png")
        found = until(lambda: shown(desk, scan))
        assert found["overdue"] and found["advice"] is None
        made_workers.go.set()
        found = until(lambda: summary(desk, scan)["advice"] and summary(desk, scan))
        assert found["late"] and found["advice"] == "refer"
        assert told(desk)[-2:] == ["scan.overdue", "scan.inspected"]


@pytest.mark.usefixtures("made_workers")
def test_a_scan_that_takes_the_worker_with_it_twice_is_unreadable(tmp_path: Path) -> None:
    with Desk(settings_of(tmp_path)) as desk:
        scan, after = send(desk, "kills.png"), send(desk, "good.png")
        found = until(lambda: shown(desk, scan))
        assert found["advice"] == "unreadable"
        assert "SIGSEGV" in found["reasons"][0]
        until(lambda: shown(desk, after))
        assert b'cargosight_worker_deaths_total{role="inspection"} 2.0' in desk.render_metrics()


@pytest.mark.usefixtures("made_workers")
def test_a_worker_that_lost_its_model_has_it_checked_anew(tmp_path: Path) -> None:
    with Desk(settings_of(tmp_path, workers=1)) as desk:
        lost, after = send(desk, "forgets.png"), send(desk, "gun.png")
        assert until(lambda: shown(desk, lost))["advice"] == "unreadable"
        assert until(lambda: shown(desk, after))["advice"] == "refer"
        assert desk.problems() == []


def test_a_model_file_that_was_replaced_keeps_the_scans_waiting(
    tmp_path: Path, made_workers: type[MadeWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Desk(settings_of(tmp_path, workers=1)) as desk:
        until(lambda: desk.problems() == [])
        monkeypatch.setattr("tests.made.worker_doubles.fingerprint_of", lambda model: "0" * 64)
        first = send(desk, "forgets.png")
        until(lambda: desk.problems() != [])
        assert "is another than when it was loaded" in desk.problems()[0]
        assert summary(desk, first)["advice"] is None


@pytest.mark.usefixtures("made_workers")
@pytest.mark.parametrize("name", ["broken.png", "picture-kills.png"])
def test_a_scan_without_a_picture_is_shown_with_the_reason(tmp_path: Path, name: str) -> None:
    with Desk(settings_of(tmp_path)) as desk:
        scan = send(desk, name)
        assert until(lambda: summary(desk, scan)["picture_problem"])
        until(lambda: summary(desk, scan)["shown"])


@pytest.mark.usefixtures("made_workers")
def test_another_model_takes_over_and_is_remembered(tmp_path: Path) -> None:
    with Desk(settings_of(tmp_path)) as desk:
        first = send(desk, "a.png")
        until(lambda: shown(desk, first))
        told_now = desk.change_engine(
            "lane-1", model="newer", operating_point="pfa=0.01", threshold=None, by="eva"
        )
        assert (told_now["model"], told_now["operating_point"]) == ("newer", "pfa=0.01")
        second = send(desk, "b.png")
        until(lambda: shown(desk, second))
        desk.inspect_again(first)
        until(lambda: told(desk).count("scan.inspected") == 3)
        with desk.database.reading() as connection:
            assert len(inspections.listed(connection, first)) == 2
            assert inspections.listed(connection, second)[0]["model"] == "blobs"
            changes = [each for each in audit.records(connection) if each.action == "model.change"]
        assert (changes[0].actor, changes[0].detail["after"]["operating_point"]) == ("eva", "pfa=0.01")
        assert told(desk).count("model.changed") == 1
    with Desk(settings_of(tmp_path)) as desk:
        until(lambda: desk.lane_model("lane-1")["ready"])
        assert desk.lane_model("lane-1")["model"] == "newer"


@pytest.mark.usefixtures("made_workers")
def test_a_model_that_fails_leaves_the_old_one_at_work(tmp_path: Path) -> None:
    with Desk(settings_of(tmp_path)) as desk:
        with pytest.raises(EngineError, match="damaged"):
            desk.change_engine("lane-1", model="bad", operating_point=None, threshold=None, by="eva")
        with pytest.raises(UsageError, match="choose one of them"):
            desk.change_engine("lane-1", model=None, operating_point="x", threshold=0.5, by="eva")
        with pytest.raises(EngineError, match="the folder of models has no file"):
            desk.change_engine(
                "lane-1", model="/etc/hosts.onnx", operating_point=None, threshold=None, by="eva"
            )
        with desk.database.reading() as connection:
            refused = [each for each in audit.records(connection) if each.action == "model.refused"]
        assert [(each.actor, each.lane, each.detail["asked"]["model"]) for each in refused] == [
            ("eva", "lane-1", "bad"),
            ("eva", "lane-1", None),
            ("eva", "lane-1", "/etc/hosts.onnx"),
        ]
        assert "damaged" in refused[0].detail["reason"]
        scan = send(desk, "a.png")
        until(lambda: shown(desk, scan))
        assert desk.lane_model("lane-1")["model"] == "baggage"


@pytest.mark.usefixtures("made_workers")
def test_a_lane_whose_model_does_not_load_still_takes_and_shows_scans(tmp_path: Path) -> None:
    lanes = (
        LaneSettings(name="lane-1", watch=False),
        LaneSettings(name="yard", watch=False, model="bad", deadline_seconds=0.2),
    )
    with Desk(settings_of(tmp_path, *lanes)) as desk:
        scan = send(desk, "a.png", lane="yard")
        other = send(desk, "b.png")
        until(lambda: shown(desk, scan))
        until(lambda: shown(desk, other))
        assert summary(desk, scan)["advice"] is None
        assert desk.problems() == ["lane yard: the model bad is damaged"]
        desk.change_engine("yard", model="good", operating_point=None, threshold=None, by="eva")
        until(lambda: summary(desk, scan)["advice"])
        assert desk.problems() == []


def test_a_database_that_is_locked_for_a_while_loses_nothing(
    tmp_path: Path, made_workers: type[MadeWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.2)
    made_workers.go.clear()
    with Desk(settings_of(tmp_path)) as desk:
        scan = send(desk, "gun.png")
        until(lambda: desk.inspecting("lane-1"))
        other = sqlite3.connect(tmp_path / "data" / "cargosight.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        made_workers.go.set()
        until(lambda: made_workers.inspected)
        time.sleep(0.5)
        assert summary(desk, scan)["advice"] is None
        other.execute("ROLLBACK")
        other.close()
        until(lambda: summary(desk, scan)["advice"] == "refer")
    assert made_workers.inspected == ["gun.png"]


def test_scans_of_a_lane_that_was_removed_wait_until_it_comes_back(
    tmp_path: Path, made_workers: type[MadeWorker]
) -> None:
    lanes = (LaneSettings(name="lane-1", watch=False), LaneSettings(name="lane-2", watch=False))
    made_workers.go.clear()
    with Desk(settings_of(tmp_path, *lanes)) as desk:
        left = send(desk, "left.png", lane="lane-2")
        with desk.database.writing() as connection:  # as if the service had ended before the picture was made
            connection.execute(update(SCANS).values(has_picture=False, picture_problem=None))
    made_workers.go.set()
    with Desk(settings_of(tmp_path, lanes[0])) as desk:
        assert desk.removed_lanes == ("lane-2",)
        (warning,) = desk.warnings()
        assert "the lane lane-2 is in the settings no more, and 1 scan waits there" in warning
        until(lambda: not desk.problems())
        until(lambda: shown(desk, send(desk, "other.png")))
        assert summary(desk, left)["state"] == "waiting"
        with pytest.raises(MissingRecordError):
            desk.overlay(left)
    with Desk(settings_of(tmp_path, *lanes)) as desk:
        assert (desk.removed_lanes, desk.warnings()) == ((), [])
        until(lambda: shown(desk, left))


@pytest.mark.usefixtures("made_workers")
def test_a_database_that_does_not_answer_is_a_problem_and_hides_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise DatabaseError("the database does not answer")

    with Desk(settings_of(tmp_path)) as desk:
        until(lambda: not desk.problems())
        desk.removed_lanes = ("lane-9",)
        monkeypatch.setattr(scans, "of_other_lanes", silent)
        monkeypatch.setattr(events, "span", silent)
        assert desk.problems() == ["the database does not answer"]
        assert desk.warnings() == []


@pytest.mark.usefixtures("made_workers")
def test_two_services_do_not_share_a_folder(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from cargosight_inference.service.desk import Desk\n"
        "from cargosight_inference.service.settings import ServiceSettings\n"
        "with Desk(ServiceSettings(data=Path(sys.argv[1]))):\n    pass\n"
    )
    with Desk(settings_of(tmp_path)):
        arguments = [sys.executable, "-c", code, str(tmp_path / "data")]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert "UsageError: another service works in" in done.stderr


def test_with_real_workers_from_the_watched_folder_to_the_overlay(tmp_path: Path) -> None:
    model = make_blob_model(
        tmp_path / "blobs.onnx", contract=blob_contract(), operating_points={"pfa=0.05": 0.5}
    )
    golden = tmp_path / "golden.png"
    golden.write_bytes(made_scans.encoded("png", seed=3))
    lane = LaneSettings(name="lane-1", model=str(model), golden=golden)
    with Desk(settings_of(tmp_path, lane)) as desk:
        inbox = tmp_path / "data" / "lanes" / "lane-1" / "inbox"
        (inbox / "bag.png.json").write_text('{"number": "LH 123", "heading": null}', encoding="utf-8")
        (inbox / "bag.png").write_bytes(made_scans.encoded("png", seed=5))
        found = until(lambda: told(desk).count("scan.inspected") and shown(desk, 1), 60.0)
        assert (found["number"], found["width"], found["height"]) == ("LH 123", 160, 120)
        assert found["advice"] in ("clear", "refer")
        assert desk.overlay(1).startswith(PNG)
        with pytest.raises(EngineError, match="no ONNX model"):
            models = tmp_path / "data" / "models"
            models.mkdir(exist_ok=True)
            (models / "other.onnx").write_bytes(b"corrupt" * 1000)
            desk.change_engine("lane-1", model="other.onnx", operating_point=None, threshold=0.5, by="eva")
        assert (tmp_path / "data" / "lanes" / "lane-1" / "processed" / "bag.png").is_file()
