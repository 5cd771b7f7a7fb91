"""A run from its manifest to its marker: what it removes, keeps and says."""

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from tests.made.batches import made_run, make_archive, planned, run


@pytest.fixture
def manifest(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 25)
    return planned(place, scoring, [tmp_path / "in"])


def test_of_reports_nothing_but_those_of_runs_is_removed(place, manifest, scoring):
    made_run(place, manifest, scoring)
    place.publish("progress/my-host-12-0123abcd.json", b"{}")
    place.publish("progress/of-the-year.json", b"{}")
    assert run(place, manifest, scoring).complete
    assert list(place.names("progress/")) == ["progress/of-the-year.json"]
