"""A site's thresholds from its own clean scans."""

import numpy as np
import pytest

from cargosight_inference.cli import main
from cargosight_inference.inspector import Inspector
from cargosight_models.catalog import find_model
from cargosight_models.errors import UsageError
from cargosight_models.operating_points import Sidecar, sidecar_path
from cargosight_training.calibration import LEAST_THRESHOLD, CleanScores, calibrate, scans_needed
from tests.made.models import make_blob_model, write_blobs, write_points


def scores(count=400, columns=3, seed=0, scale=(0.3, 0.6, 0.9)):
    random = np.random.default_rng(seed)
    return CleanScores(
        ("knife", "gun", "anomaly"), (random.random((count, columns)) * scale).astype(np.float32)
    )


@pytest.mark.parametrize("wanted", [0.01, 0.05, 0.2])
def test_the_share_of_new_clean_scans_that_alarm_is_what_was_wanted(wanted):
    new = scores(count=20_000, seed=100)
    shares = []
    for seed in range(20):
        (point,) = calibrate(scores(seed=seed), (wanted,), data="made")
        limits = np.array([point.thresholds[name] for name in ("knife", "gun", "anomaly")], np.float32)
        shares.append(float((new.scores >= limits).any(axis=1).mean()))
    assert 0.6 * wanted <= np.mean(shares) <= 1.2 * wanted + 1 / 400  # of one scan more or less in the sample
    counted = point.measured["clean_scans"]
    assert counted["of"] == 400
    assert counted["wilson95"][0] <= shares[-1] <= counted["wilson95"][1]


@pytest.mark.parametrize(("wanted", "needed"), [(0.05, 60), (0.01, 300), (0.1, 30)])
def test_too_few_scans_are_refused_with_their_number(wanted, needed):
    assert scans_needed(wanted) == needed
    calibrate(scores(count=needed), (wanted,), data="made")
    with pytest.raises(UsageError, match=rf"{needed - 1} clean scans .* takes {needed} or more: add 1 scans"):
        calibrate(scores(count=needed - 1), (wanted,), data="made")


def test_a_silent_model_does_not_end_up_alarming_on_everything():
    silent = CleanScores(("knife",), np.full((100, 1), 0.001, np.float32))
    (point,) = calibrate(silent, (0.05,), data="made")
    assert point.thresholds["knife"] == pytest.approx(LEAST_THRESHOLD)


def test_scores_that_no_threshold_can_hold_are_refused():
    sure = scores()
    sure.scores[:90, 1] = 1.0
    with pytest.raises(UsageError, match="most of them for gun"):
        calibrate(sure, (0.05,), data="made")


@pytest.mark.parametrize("wanted", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_rates_that_cannot_be(wanted):
    with pytest.raises(UsageError, match="between 0 and 1"):
        calibrate(scores(), (wanted,), data="made")


class TestCommand:
    @pytest.fixture
    def site(self, tmp_path):
        random = np.random.default_rng(0)
        for index in range(64):
            shade = int(random.integers(150, 250))
            write_blobs(tmp_path / "clean" / f"{index:02d}.png", (16, 16, (shade, shade, shade)))
        return tmp_path

    def test_points_are_written_beside_the_model_and_used(self, site, capsys):
        model = make_blob_model(site / "mine.onnx")
        assert main(["calibrate", str(model), "--clean", str(site / "clean"), "--pfa", "0.05"]) == 0
        assert "of 64 clean scans alarm" in capsys.readouterr().out
        sidecar = Sidecar.read(sidecar_path(model))
        assert sidecar.default == "pfa=0.05"
        assert sidecar.operating_points[0].data == "64 clean scans of the site"
        inspector = Inspector(model)
        alarms = sum(
            inspector.inspect(path).decision == "refer" for path in sorted((site / "clean").iterdir())
        )
        assert alarms <= 3

    def test_points_that_are_there_are_kept_unless_forced(self, site, capsys):
        model = make_blob_model(site / "mine.onnx")
        write_points(model, {"pfa=0.1": 0.5}, ("dark", "blue"))
        command = ["calibrate", str(model), "--clean", str(site / "clean"), "--pfa", "0.1"]
        assert main(command) == 2
        assert "--force" in capsys.readouterr().err
        assert main([*command, "--force"]) == 0
        assert Sidecar.read(sidecar_path(model)).operating_points[0].data.startswith("64 clean scans")

    def test_a_bundled_model_is_calibrated_as_a_copy(self, site, capsys, monkeypatch):
        monkeypatch.setenv("CARGOSIGHT_HOME", str(site / "cache"))
        assert main(["calibrate", "baggage", "--clean", str(site / "clean")]) == 2
        assert "--name NAME" in capsys.readouterr().err
        file = str(find_model("baggage").path)
        assert main(["calibrate", file, "--clean", str(site / "clean"), "--force"]) == 2
        assert "--name NAME" in capsys.readouterr().err
        assert main(["calibrate", "baggage", "--clean", str(site / "clean"), "--name", "mine"]) == 0
        capsys.readouterr()
        assert main(["models", "verify", "mine"]) == 0

    def test_too_few_scans_and_unreadable_ones(self, site, capsys):
        model = make_blob_model(site / "mine.onnx")
        (site / "clean" / "00.png").write_bytes(b"no scan")
        command = ["calibrate", str(model), "--clean", str(site / "clean"), "--pfa"]
        assert main([*command, "0.01"]) == 2
        assert "63 clean scans were read" in capsys.readouterr().err
        assert not sidecar_path(model).exists()
        assert main([*command, "0.05"]) == 0
        assert "1 files could not be read" in capsys.readouterr().out

    def test_nothing_to_read(self, site, capsys):
        model = make_blob_model(site / "mine.onnx")
        (site / "empty").mkdir()
        assert main(["calibrate", str(model), "--clean", str(site / "empty")]) == 2
        assert "0 clean scans were read" in capsys.readouterr().err
