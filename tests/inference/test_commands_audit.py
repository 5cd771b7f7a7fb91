"""`cargosight audit`: verified and exported from the command line."""

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cargosight_inference.cli import main
from cargosight_inference.service.database.engine import Database
from cargosight_inference.service.database.migrate import migrate
from cargosight_inference.service.records import inspections
from cargosight_inference.service.records.scans import ScanRecords
from cargosight_inference.service.settings import ServiceSettings
from tests.made.records import new_scan, result

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    settings = ServiceSettings(data=folder)
    database = Database(settings.database_url)
    migrate(database, folder / "backups")
    for name in ("a.png", "b.png"):
        scan, _ = ScanRecords(database, settings).add(new_scan(name))
        inspections.record(database, scan, result(("dark", 0.9)), maps=None, moment=datetime.now(UTC))
    database.close()
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> tuple[int, str, str]:
        code = main(["audit", *map(str, words)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def tamper(data: Path, statement: str) -> None:
    connection = sqlite3.connect(data / "cargosight.sqlite3")
    for trigger in ("UPDATE", "DELETE"):
        connection.execute(f"DROP TRIGGER audit_is_append_only_{trigger}")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_an_intact_chain(data: Path, run: Run) -> None:
    code, out, _ = run("verify", "--data", data)
    assert code == 0
    assert out.startswith("4 records, intact; the last is 4:")
    head = out.split()[-1]
    assert run("verify", "--data", data, "--expect", head)[0] == 0


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE seq = 2", "record 2"),
        ("UPDATE audit SET detail = 'no json' WHERE seq = 2", "record 2"),
        ("UPDATE audit SET detail = x'00ff' WHERE seq = 2", "record 2"),
        ("DELETE FROM audit WHERE seq = 3", "record 3 is missing"),
        ("DELETE FROM audit WHERE seq = 4", "records are missing"),
    ],
)
def test_a_chain_that_was_meddled_with(data: Path, run: Run, statement: str, sentence: str) -> None:
    tamper(data, statement)
    code, out, _ = run("verify", "--data", data)
    assert code == 3
    assert sentence in out and "NOT intact" in out


def test_a_record_that_was_written_down_is_missed(data: Path, run: Run) -> None:
    code, out, _ = run("verify", "--data", data, "--expect", "4:" + "0" * 64)
    assert code == 3
    assert "made anew" in out


def test_it_is_exported(data: Path, run: Run, tmp_path: Path) -> None:
    code, out, _ = run("export", "--data", data)
    assert code == 0
    assert [json.loads(line)["seq"] for line in out.splitlines()] == [1, 2, 3, 4]
    target = tmp_path / "scan.csv"
    assert run("export", "--data", data, "--scan", 1, "--format", "csv", "--out", target)[0] == 0
    lines = target.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "type,seq,at,actor,action,lane,scan,detail,previous,hash"
    assert [line.split(",")[0] for line in lines[1:]] == ["scan", "inspection", "audit", "audit"]


def test_a_record_that_is_no_json_is_exported_all_the_same(data: Path, run: Run) -> None:
    tamper(data, "UPDATE audit SET detail = 'no json' WHERE seq = 2")
    code, out, _ = run("export", "--data", data)
    assert code == 0
    assert "no json" in out and len(out.splitlines()) == 4


def test_the_settings_say_where_the_database_is(data: Path, run: Run, tmp_path: Path) -> None:
    settings = tmp_path / "service.yaml"
    settings.write_text(json.dumps({"data": str(data)}), encoding="utf-8")
    assert run("verify", "--settings", settings)[0] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "ACTION"),
        (("verify", "--data", "nowhere"), "there is no database in nowhere"),
        (("verify", "--data", "{data}", "--expect", "4"), "expected a number and 64 hex digits"),
        (("verify", "--data", "{data}", "--settings", "x"), "not allowed with"),
        (("export", "--data", "{data}", "--scan", "99"), "there is no scan 99"),
        (("export", "--data", "{data}", "--scan", "x"), "expected the number of a scan"),
        (("export", "--data", "{data}", "--out", "{data}/no/where"), "cannot be read or written"),
        (("verify", "--settings", "nothing"), "there is no configuration 'nothing'"),
    ],
)
def test_misuse(data: Path, run: Run, words: tuple[str, ...], sentence: str) -> None:
    code, _, err = run(*(word.format(data=data) for word in words))
    assert code == 2
    assert sentence in err


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"no database at all" * 100, "cannot be read"), (b"", "is empty")]
)
def test_a_file_that_is_no_database(run: Run, tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "cargosight.sqlite3").write_bytes(content)
    code, _, err = run("verify", "--data", tmp_path)
    assert code == 2
    assert sentence in err


def test_a_database_of_another_version(data: Path, run: Run) -> None:
    tamper(data, "UPDATE alembic_version SET version_num = '9999'")
    code, _, err = run("verify", "--data", data)
    assert code == 2
    assert "9999" in err
