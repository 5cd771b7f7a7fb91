"""Rows: the schema, and what stands in them."""

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no rows are tested")
import pyarrow.parquet as pq

from cargosight_inference.batch import rows
from cargosight_inference.batch.places import BatchError
from cargosight_inference.batch.plan import Planned
from cargosight_inference.batch.rows import (
    ROW_SCHEMA,
    extra_names,
    fault_row,
    join_parts,
    row_of,
    row_schema,
    writing_part,
)
from cargosight_inference.batch.sources import Item
from cargosight_inference.findings import Findings
from cargosight_inference.inspection import Inspection
from tests.inference.batch.test_manifest import WHAT

PLANNED = Planned(7, Item("in/bag.png", 12, "v1", {"day": "2026-01-02", "score": "high"}))


def inspection(**changes) -> Inspection:
    findings = Findings.of_items(
        boxes=np.array([[1, 2, 30, 40], [5, 6, 7, 8]], dtype=np.float32),
        scores=np.array([0.9, 0.5], dtype=np.float32),
        class_ids=np.array([1, 0], dtype=np.int32),
        class_names=("dark", "blue"),
    )
    return Inspection(
        **{
            "path": "elsewhere/bag.png",
            "sha256": "0" * 64,
            "width": 64,
            "height": 48,
            "kind": "pseudocolour",
            "subject": "baggage",
            "decision": "refer",
            "reasons": ("blue 0.90",),
            "findings": findings,
            "timings_ms": {"read": 1.0, "total": 2.5},
            "model": "blobs",
            "fingerprint": "f" * 64,
            "operating_point": "pfa=0.05",
            "thresholds": {"dark": 0.5, "blue": 0.5},
            "precision": "fp32",
        }
        | changes
    )


def through_a_file(folder, *given, extra_columns=()):
    file = folder / "part.parquet"
    with writing_part(file, row_schema(extra_columns)) as part:
        for row in given:
            part.add(row)
    return pq.ParquetFile(file).read().to_pylist()


def test_a_row_comes_back(tmp_path):
    (row,) = through_a_file(tmp_path, row_of(inspection(), PLANNED, overlay="overlays/x.png"))
    assert (row["number"], row["path"], row["size"], row["version"]) == (7, "in/bag.png", 12, "v1")
    assert (row["decision"], row["fault"], row["error"], row["changed"]) == ("refer", None, None, False)
    assert row["score"] == pytest.approx(0.9)
    assert [found["label"] for found in row["findings"]] == ["blue", "dark"]
    assert {name: row["findings"][0][name] for name in ("x1", "y1", "x2", "y2")} == {
        "x1": 1,
        "y1": 2,
        "x2": 30,
        "y2": 40,
    }
    assert row["timings_ms"]["total"] == 2.5
    assert row["timings_ms"]["session"] is None
    assert row["overlay"] == "overlays/x.png"


def test_a_cargo_scan(tmp_path):
    cargo = inspection(
        subject="cargo",
        kind="transmission",
        opaque_fraction=0.25,
        load_state="loaded",
        load_chance=0.75,
        cargo_box=(1.0, 2.0, 60.0, 40.0),
        container_length_m=12.5,
        materials={"organic": 0.5, "opaque": 0.25},
    )
    (row,) = through_a_file(tmp_path, row_of(cargo, PLANNED))
    assert (row["opaque_fraction"], row["load_state"], row["load_chance"]) == (0.25, "loaded", 0.75)
    assert row["cargo_box"] == {"x1": 1.0, "y1": 2.0, "x2": 60.0, "y2": 40.0}
    assert dict(row["materials"]) == {"organic": 0.5, "opaque": 0.25}


def test_an_unreadable_one_and_a_fault(tmp_path):
    broken = inspection(
        decision="unreadable",
        error="cut short in /tmp/x",
        reasons=("cut short in /tmp/x",),
        findings=Findings.empty(("dark", "blue")),
        width=0,
        height=0,
        kind=None,
    )
    first, second = through_a_file(
        tmp_path,
        row_of(broken, PLANNED, error="cut short in s3://b/k", changed=True),
        fault_row(PLANNED, WHAT, "its worker was ended by SIGKILL", "worker"),
    )
    assert (first["decision"], first["fault"], first["changed"]) == ("unreadable", "file", True)
    assert first["error"] == "cut short in s3://b/k"
    assert first["reasons"] == [first["error"]]
    assert (second["decision"], second["fault"]) == ("unreadable", "worker")
    assert (second["model"], second["fingerprint"]) == (WHAT.model, WHAT.model_fingerprint)
    assert second["findings"] == []


def test_names_that_are_no_utf8(tmp_path):
    odd = Planned(0, Item("in/b\udce9.png"))
    (row,) = through_a_file(tmp_path, fault_row(odd, WHAT, "b\udce9 is broken", "file"))
    assert (row["path"], row["error"]) == ("in/b\\xe9.png", "b\\xe9 is broken")


def test_extra_columns_keep_their_names_unless_the_rows_have_them(tmp_path):
    columns = ("day", "score", "extra_score")
    names = extra_names(columns)
    assert names == {"day": "day", "score": "extra_extra_score", "extra_score": "extra_score"}
    assert row_schema(columns).names == [*ROW_SCHEMA.names, "day", "extra_extra_score", "extra_score"]
    (row,) = through_a_file(tmp_path, row_of(inspection(), PLANNED, extra=names), extra_columns=columns)
    assert (row["day"], row["extra_extra_score"], row["extra_score"]) == ("2026-01-02", "high", None)
    assert row["score"] == pytest.approx(0.9)


def test_the_schema_says_its_version(tmp_path):
    through_a_file(tmp_path, row_of(inspection(), PLANNED))
    found = pq.read_schema(tmp_path / "part.parquet")
    assert found.metadata[b"cargosight.rows"] == b"1"
    assert found.equals(ROW_SCHEMA)


def test_pieces_are_joined(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "ROW_GROUP", 2)
    given = [row_of(inspection(materials={"organic": 1.0}), Planned(at, PLANNED.item)) for at in range(5)]
    whole = through_a_file(tmp_path, *given)
    (tmp_path / "part.parquet").rename(tmp_path / "whole.parquet")
    through_a_file(tmp_path, *given[:3])
    joined = tmp_path / "joined.parquet"
    assert join_parts(joined, [tmp_path / "part.parquet", *given[3:]]) == 5
    assert pq.ParquetFile(joined).read().to_pylist() == whole
    assert pq.ParquetFile(joined).num_row_groups == pq.ParquetFile(tmp_path / "whole.parquet").num_row_groups


def test_a_file_that_cannot_be_written_is_told_and_what_fails_beside_it_is_not_that(tmp_path):
    with (
        pytest.raises(BatchError, match="rows cannot be written into"),
        writing_part(tmp_path / "no" / "part", row_schema()),
    ):
        pass
    with pytest.raises(OSError, match="the network is gone"), writing_part(tmp_path / "part", row_schema()):
        raise OSError("the network is gone")


def test_a_damaged_piece_is_told(tmp_path):
    (tmp_path / "part.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(BatchError, match=r"part\.parquet cannot be read"):
        join_parts(tmp_path / "joined.parquet", [tmp_path / "part.parquet"])
    with pytest.raises(BatchError, match=r"gone\.parquet cannot be read"):
        join_parts(tmp_path / "joined.parquet", [tmp_path / "gone.parquet"])
