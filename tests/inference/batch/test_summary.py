"""The summary: what is counted, by day, and beside a former run."""

import json
import os

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is summarised")

from cargosight_inference.batch import summary
from cargosight_inference.batch.places import BatchError, open_place
from cargosight_inference.batch.summary import Spread, rate, summary_of, write_summary
from cargosight_inference.batch.summary_text import markdown
from cargosight_models.errors import UsageError
from cargosight_models.intervals import wilson
from tests.made.batches import made_run, make_archive, planned

DAY_NS = 86_400 * 10**9


def test_counts_and_rates(tmp_path, place, scoring):
    paths = make_archive(tmp_path / "in", 24)
    paths[1].write_bytes(b"nonsense")
    for number, path in enumerate(paths):
        os.utime(path, ns=(0, DAY_NS * (number // 12) + 7))
    manifest = planned(place, scoring, [tmp_path / "in"])
    os.utime(paths[2], ns=(0, 1))
    made_run(place, manifest, scoring)
    found = write_summary(manifest, place)
    assert found["decisions"] == {"clear": 15, "refer": 8, "unreadable": 1}
    assert found["faults"] == {"file": 1, "worker": 0, "model": 0}
    assert found["changed"] == 1
    assert found["alarm_rate"] == {"count": 8, "of": 23, "rate": 8 / 23, "wilson95": list(wilson(8, 23))}
    assert found["findings"] == [{"label": "dark", "kind": "item", "findings": 8, "scans": 8}]
    assert found["days"]["by"] == "file time"
    assert [
        (row["day"], row["inputs"], row["unreadable"], row["count"]) for row in found["days"]["rows"]
    ] == [
        ("1970-01-01", 12, 1, 4),
        ("1970-01-02", 12, 0, 4),
    ]
    assert found["score"]["count"] == found["air_level"]["count"] == 23
    assert sum(found["score"]["histogram"]) == 23
    assert 0.9 < found["air_level"]["mean"] <= 1.0
    assert found["drift"] is None
    assert json.loads(place.read("summary.json")) == found
    assert "referred: 8 (34.78%" in place.read("summary.md").decode()


def test_days_of_a_table(tmp_path, place, scoring):
    paths = make_archive(tmp_path / "in", 4)
    days = ["2026-01-02", "20260102", "2026-01-03T10:00:00Z", "soon"]
    table = tmp_path / "scans.csv"
    table.write_text("path,day\n" + "".join(f"{path},{day}\n" for path, day in zip(paths, days, strict=True)))
    manifest = planned(place, scoring, [table])
    made_run(place, manifest, scoring)
    found = summary_of(manifest, place)["days"]
    assert found["by"] == "column day"
    assert [(row["day"], row["inputs"]) for row in found["rows"]] == [("2026-01-02", 2), ("2026-01-03", 1)]
    assert found["undated"] == 1


def test_days_that_cannot_be_read_are_told(tmp_path, place, scoring):
    paths = make_archive(tmp_path / "in", 3)
    table = tmp_path / "scans.csv"
    days = ["2026/01/02", "02.01.2026", ""]
    table.write_text("path,day\n" + "".join(f"{path},{day}\n" for path, day in zip(paths, days, strict=True)))
    manifest = planned(place, scoring, [table])
    made_run(place, manifest, scoring)
    found = write_summary(manifest, place)
    assert (found["days"]["undated"], found["days"]["rows"]) == (3, [])
    text = place.read("summary.md").decode()
    assert (
        "## Alarm rate by day (column day)\n\n3 inputs have no day that can be read in the column day; "
        in text
    )
    assert "expected YYYY-MM-DD." in text
    assert "| day |" not in text
    # Beside days that can be read, the same is told below them.
    text = markdown(found | {"days": found["days"] | {"undated": 2, "rows": [day_row("2026-01-02")]}})
    assert text.index("| 2026-01-02 | 1 |") < text.index("2 inputs have no day that can be read")


def test_no_column_and_no_file_time_is_told_in_a_line(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 1)
    manifest = planned(place, scoring, [tmp_path / "in"])
    made_run(place, manifest, scoring)
    found = summary_of(manifest, place)
    assert "have no day" not in markdown(found)
    days = {"by": "file time", "undated": 5, "rows": []}
    text = markdown(found | {"days": days})
    assert (
        "\n\nNo alarm rate by day: there is no column day or date, and no time of a local file is known.\n"
        in text
    )
    assert "##" not in text
    text = markdown(found | {"days": days | {"rows": [day_row("2026-01-02")]}})
    assert "\n\n5 inputs have no day: no time of a local file is known of them." in text


def day_row(day):
    return {"day": day, "inputs": 1, "unreadable": 0} | rate(0, 1)


def test_drift_from_a_former_run(tmp_path, place, scoring):
    paths = make_archive(tmp_path / "in", 12)
    with open_place(tmp_path / "former") as former:
        before = planned(former, scoring, [tmp_path / "in"])
        made_run(former, before, scoring)
        for path in paths:
            path.write_bytes(paths[0].read_bytes())  # all of them are referred now
        manifest = planned(place, scoring, [tmp_path / "in"])
        made_run(place, manifest, scoring)
        drift = write_summary(manifest, place, former)["drift"]
        assert drift["against"] == former.url
        assert drift["score"]["deviations"] > 1.0
        assert abs(drift["air_level"]["deviations"]) < 1.0
        rates = drift["alarm_rate"]
        assert (rates["former"]["rate"], rates["now"]["rate"]) == (pytest.approx(1 / 3), 1.0)
        low, high = rates["newcombe95"]
        assert 0.0 < low < rates["difference"] < high <= 1.0
        assert f"Beside the run in {former.url}" in place.read("summary.md").decode()
        # A summary without the former run takes the place of the one with it.
        assert write_summary(manifest, place)["drift"] is None
        assert json.loads(place.read("summary.json"))["drift"] is None
    with open_place(tmp_path / "nowhere") as nowhere, pytest.raises(UsageError, match="no batch run"):
        summary_of(manifest, place, nowhere)


def test_a_missing_and_a_damaged_part_are_told(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 4)
    manifest = planned(place, scoring, [tmp_path / "in"])
    with pytest.raises(BatchError, match="not complete"):
        summary_of(manifest, place)
    place.publish(manifest.part_name(0), b"nonsense")
    with pytest.raises(BatchError, match="damaged"):
        summary_of(manifest, place)


def test_moments_of_pieces_are_those_of_the_whole():
    values = np.random.default_rng(3).random(1000)
    spread = Spread()
    for piece in np.split(values, 10):
        spread.add(piece)
    spread.add(np.array([]))
    assert spread.mean == pytest.approx(values.mean())
    assert spread.deviation == pytest.approx(values.std(ddof=1))
    assert spread.histogram == np.histogram(values, summary.BINS, (0.0, 1.0))[0].tolist()
    assert Spread().mean is None
    assert Spread().drift_from(spread)["deviations"] is None
    assert rate(0, 0) == {"count": 0, "of": 0, "rate": None, "wilson95": None}
