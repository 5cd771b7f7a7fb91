"""What a table declares of each scan of cargo, compared in a run."""

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is made")

from cargosight_inference.batch.places import open_place
from cargosight_inference.batch.scoring import Scoring
from cargosight_models.errors import UsageError
from tests.inference.batch.test_commands_batch import run
from tests.inference.test_declared import house, scan_file  # noqa: F401
from tests.made.batches import blob_scoring, made_run, planned, rows_of


def test_each_scan_beside_its_row_of_a_table(house, tmp_path):  # noqa: F811
    declared = {"a": ("7204", "7204"), "b": ("7204", "empty"), "c": ("1701", ""), "d": ("7204", " 1701 ")}
    lines = ["path,heading"]
    for name, (load, heading) in declared.items():
        lines.append(f"{scan_file(tmp_path / f'{name}.npy', load, 100)},{heading}")
    table = tmp_path / "scans.csv"
    table.write_text("\n".join(lines))
    scoring = Scoring(
        model=str(house / "loads.onnx"),
        threshold=1.0,
        policy={"refer_opaque_above": 1.0},
        declared_column="heading",
        gallery=str(house / "site.gallery.npz"),
    )
    with open_place(tmp_path / "out") as place:
        manifest = planned(place, scoring, [table])
        made_run(place, manifest, scoring)
        rows = rows_of(place.folder)
    assert manifest.what.gallery is not None
    assert [row["declared"] for row in rows] == ["7204", "empty", None, "1701"]
    assert rows[0]["typicality"] > 0.1
    assert rows[0]["decision"] == "clear"
    assert [found["label"] for found in rows[1]["findings"]] == ["declared_empty_looks_loaded"]
    assert rows[1]["decision"] == "refer"
    assert rows[2]["findings"] == []
    assert [found["label"] for found in rows[3]["findings"]] == ["unlike_declared"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--gallery", "site.npz"), "give --declared-column"),
        (("--declared-column", "heading"), "no table of inputs has a column 'heading'"),
    ],
)
def test_misuse(tmp_path, words, told):
    model = blob_scoring(tmp_path).model
    with pytest.raises(UsageError, match=told):
        run(tmp_path, "--out", tmp_path / "out", "--model", model, *words)


def test_bags_are_not_declared(tmp_path):
    scoring = blob_scoring(tmp_path, declared_column="heading")
    with pytest.raises(UsageError, match="expected a model of cargo"):
        scoring.fingerprint(scoring.inspector())
