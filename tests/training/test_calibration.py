"""A site's thresholds from its own clean scans."""

import re

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


def detector_scores(count, seed, *, columns=11, shared=0.3, kind="smooth"):
    """Scores of classes from hardly ever to often above the lowest threshold, as detectors give them on one scan."""
    random = np.random.default_rng(seed)
    common, own = random.standard_normal((count, 1)), random.standard_normal((count, columns))
    normal = np.sqrt(shared) * common + np.sqrt(1.0 - shared) * own
    if kind == "heavy":
        normal = normal / np.sqrt(random.chisquare(5, (count, 1)) / 5)
    found = 1.0 / (
        1.0 + np.exp(-(np.linspace(-4.0, -0.5, columns) + np.linspace(1.0, 1.6, columns) * normal))
    )
    if kind == "discrete":
        found = np.minimum(np.round(found, 1), 0.9)
    return CleanScores((*(f"class {k}" for k in range(columns - 1)), "anomaly"), found.astype(np.float32))


def alarming(point, clean):
    limits = np.array([point.thresholds[name] for name in clean.names], np.float32)
    return float((clean.scores >= limits).any(axis=1).mean())


@pytest.mark.parametrize("wanted", [0.01, 0.05, 0.2])
def test_the_share_of_new_clean_scans_that_alarm_is_what_was_wanted(wanted):
    new = scores(count=20_000, seed=100)
    points = [calibrate(scores(seed=seed), (wanted,), data="made")[0] for seed in range(20)]
    shares = [alarming(point, new) for point in points]
    # The mean of twenty draws of 400 scans is known to a ninth at 1 %; 1.45 times the wanted rate was seen before.
    assert 0.7 * wanted <= np.mean(shares) <= 1.15 * wanted
    counted = points[-1].measured["clean_scans"]
    assert counted["of"] == 400
    assert counted["wilson95"][0] <= shares[-1] <= counted["wilson95"][1]


@pytest.mark.parametrize(("count", "wanted"), [(60, 0.05), (300, 0.01)])
@pytest.mark.parametrize(
    ("kind", "shared"), [("smooth", 0.0), ("smooth", 0.6), ("heavy", 0.3), ("discrete", 0.3)]
)
def test_many_classes_on_few_scans_alarm_no_more_than_wanted(count, wanted, kind, shared):
    """Each of eleven classes at its greatest score of 60 scans stops up to 18 % of the next ones, not 5 %."""
    new = detector_scores(20_000, 1_000, kind=kind, shared=shared)
    made = [
        calibrate(detector_scores(count, seed, kind=kind, shared=shared), (wanted,), data="made")[0]
        for seed in range(20)
    ]
    mean = float(np.mean([alarming(point, new) for point in made]))
    assert mean <= 1.15 * wanted
    assert mean >= (0.25 if kind == "discrete" else 0.6) * wanted


@pytest.mark.parametrize("columns", [1, 4])
@pytest.mark.parametrize("value", [0.001, 0.05, 0.3, 0.9])
def test_constant_scores_get_a_threshold_above_them(columns, value):
    constant = CleanScores(tuple("abcd"[:columns]), np.full((100, columns), value, np.float32))
    (point,) = calibrate(constant, (0.05,), data="made")
    assert all(LEAST_THRESHOLD - 1e-6 <= limit < 1.0 for limit in point.thresholds.values())
    if value != np.float32(LEAST_THRESHOLD):
        assert alarming(point, constant) == 0.0


def test_a_few_scans_of_full_score_do_not_refuse_the_rest():
    clean = scores(count=300)
    clean.scores[[5, 90, 200], 1] = 1.0  # three of 300 are the wanted rate; three of one fold's 240 are more
    (point,) = calibrate(clean, (0.01,), data="made")
    assert alarming(point, clean) == pytest.approx(0.01)


@pytest.mark.parametrize(("wanted", "needed"), [(0.05, 60), (0.01, 300), (0.1, 30)])
def test_too_few_scans_are_refused_with_their_number(wanted, needed):
    assert scans_needed(wanted) == needed
    calibrate(scores(count=needed), (wanted,), data="made")
    with pytest.raises(UsageError, match=rf"{needed - 1} clean scans .* takes {needed} or more: add 1 scans"):
        calibrate(scores(count=needed - 1), (wanted,), data="made")


@pytest.mark.parametrize("count", [*range(4, 60)])
def test_the_rate_that_is_offered_is_one_that_is_taken(count):
    with pytest.raises(UsageError) as refusal:
        calibrate(scores(count=count), (0.05,), data="made")
    offered = float(re.search(r"a rate of ([\d.]+) or more", str(refusal.value))[1])
    assert scans_needed(offered) <= count


@pytest.mark.parametrize("count", [0, 3])
def test_no_rate_is_offered_where_none_would_be_taken(count):
    with pytest.raises(UsageError, match=rf"add {60 - count} scans$"):
        calibrate(scores(count=count), (0.05,), data="made")


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
        shades = np.random.default_rng(0).permutation(np.arange(150, 250))
        for index, shade in enumerate(shades[:64].tolist()):
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
        said = capsys.readouterr()
        assert "63 clean scans were read" in said.err
        assert "files that could not be read and were left out: 1" in said.out
        assert f"left out: {site / 'clean' / '00.png'}: " in said.out
        assert not sidecar_path(model).exists()
        assert main([*command, "0.05"]) == 0
        assert "could not be read and were left out: 1" in capsys.readouterr().out

    def test_a_scan_that_was_given_twice_is_one_scan(self, site, capsys):
        model = make_blob_model(site / "mine.onnx")
        (site / "clean" / "copy.png").write_bytes((site / "clean" / "00.png").read_bytes())
        command = [
            "calibrate",
            str(model),
            "--clean",
            str(site / "clean"),
            str(site / "clean" / "0*.png"),
            "--pfa",
        ]
        assert main([*command, "0.045"]) == 2  # takes 67, and 64 + 10 + 1 are named
        said = capsys.readouterr()
        assert "64 clean scans were read" in said.err
        assert "files that repeat others and were left out: 11" in said.out

    def test_a_rate_that_cannot_be_is_told_before_scans_are_read(self, site, capsys, monkeypatch):
        model = make_blob_model(site / "mine.onnx")
        monkeypatch.setattr(Inspector, "__init__", lambda *_, **__: pytest.fail("scans are read"))
        assert main(["calibrate", str(model), "--clean", str(site / "clean"), "--pfa", "5"]) == 2
        assert "between 0 and 1" in capsys.readouterr().err

    def test_nothing_to_read(self, site, capsys):
        model = make_blob_model(site / "mine.onnx")
        (site / "empty").mkdir()
        assert main(["calibrate", str(model), "--clean", str(site / "empty")]) == 2
        assert "0 clean scans were read" in capsys.readouterr().err

    def test_a_name_that_cannot_be_is_told_before_scans_are_read(self, site, capsys, monkeypatch):
        monkeypatch.setenv("CARGOSIGHT_HOME", str(site / "cache"))
        model = make_blob_model(site / "mine.onnx")
        (site / "empty").mkdir()
        command = ["calibrate", str(model), "--clean", str(site / "empty"), "--name"]
        for name, sentence in (("bad/name", "cannot be called"), ("baggage", "belongs to a bundled model")):
            assert main([*command, name]) == 2
            assert sentence in capsys.readouterr().err
