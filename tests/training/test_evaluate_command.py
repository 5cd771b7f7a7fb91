import argparse
import json
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from cargosight_inference.inspector import Inspector
from cargosight_models.catalog import find_model
from cargosight_models.contract import DataTerms
from cargosight_models.errors import CargosightError, CatalogError, DataSetError, UsageError
from cargosight_models.operating_points import Sidecar
from cargosight_training.commands import evaluate
from tests.made.datasets import CocoDocument, annotation
from tests.made.models import blob_contract, make_blob_model

WIDTH, HEIGHT = 192, 128


@pytest.fixture
def model(tmp_path):
    """Finds blue squares of 48 px on a grid of 16 px as `bar`, dark ones as `disc`."""
    return make_blob_model(tmp_path / "blobs.onnx", contract=blob_contract(classes=("disc", "bar")))


def draw(path, boxes):
    """A white picture with a blue square of 48 px at each corner point."""
    picture = np.full((HEIGHT, WIDTH, 3), 255, dtype=np.uint8)
    for x, y in boxes:
        picture[y : y + 48, x : x + 48] = (255, 120, 0)  # BGR
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


def write_data(folder, *, name="bags", items=8, clean=12, origin="real", extra=()):
    """Bags of two scanners; every second image of `site` has a square, those of `clean` have none."""
    document = CocoDocument(
        categories=[{"id": 1, "name": "bar"}, {"id": 2, "name": "knife"}],
        sources={
            "site": {"labelled": ["bar"], "origin": origin},
            "clean": {"labelled": ["bar"], "origin": origin},
            "unlabelled": {"labelled": []},
        },
    )
    rng = np.random.default_rng(0)
    for number in range(items + clean):
        source = "site" if number < items else "clean"
        corner = (16 * int(rng.integers(0, 9)), 16 * int(rng.integers(0, 5)))
        boxed = number < items and number % 2 == 0
        image_id = number + 1
        file_name = f"{name}/{number}.png"
        draw(folder / "images" / file_name, [corner] if boxed else [])
        row = {"id": image_id, "file_name": file_name, "width": WIDTH, "height": HEIGHT, "source": source}
        document.images.append(row if source == "clean" else {**row, "scanner": number // 4})
        if boxed:
            document.annotations.append(annotation(image_id, image_id, 1, (*corner, 48, 48)))
    for source in extra:
        image_id = len(document.images) + 1
        file_name = f"{name}/{source}.png"
        draw(folder / "images" / file_name, [])
        document.images.append(
            {"id": image_id, "file_name": file_name, "width": WIDTH, "height": HEIGHT, "source": source}
        )
    return document.write(folder / f"{name}.json")


def run(*words):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return evaluate.run(parser.parse_args([str(word) for word in words]))


def figures(capsys, *words):
    assert run(*words, "--json", "--samples", 20) == 0
    return json.loads(capsys.readouterr().out)


def test_figures_of_a_model_that_finds_everything(model, tmp_path, capsys):
    document = figures(capsys, model, "--data", write_data(tmp_path), "--out", tmp_path / "out")
    part = document["parts"]["real"]
    bar = part["classes"]["bar"]
    assert (bar["boxes"], bar["positives"], bar["negatives"], bar["scans"]) == (4, 4, 16, 20)
    assert bar["ap50"] == pytest.approx(1.0)
    assert bar["headline"] is False  # fewer than 20 boxes
    assert part["headline"]["map50"] is None
    assert part["all_classes"]["classes"] == ["bar"]
    assert bar["scan_auc"] == 1.0
    assert bar["pd_at_pfa"]["total"][2]["pd"]["of"] == 4
    assert part["groups"]["site/0"]["boxes"] == 2
    assert part["classes"]["disc"]["scans"] == 0
    assert document["model"]["fingerprint"] == find_model(str(model)).sha256
    assert set(document["median_ms"]) >= {"read", "session", "total"}
    assert not any("knife" in note for note in document["notes"])  # no source labels it
    assert any("no source here labels disc" in note for note in document["notes"])
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == document
    assert "<!doctype html>" in (tmp_path / "out" / "report.html").read_text()


def test_a_summary_for_the_terminal(model, tmp_path, capsys):
    run(model, "--data", write_data(tmp_path, extra=["unlabelled"]), "--samples", 0)
    out = capsys.readouterr().out
    assert "bags: 20 real scans (clean 12, site 8)" in out
    assert "mAP50 1.000, mAP" in out
    assert "note: 1 images of sources that label nothing were left out" in out
    assert "knife" not in out.split("note:")[0]


def test_detection_rates_with_too_few_negatives_are_marked(model, tmp_path, capsys):
    run(model, "--data", write_data(tmp_path), "--samples", 0)
    few = capsys.readouterr().out
    (row,) = [line for line in few.splitlines() if line.startswith("bar ")]
    assert row.count("%*") == 3  # its source has four scans without a bar
    assert "* too few scans without the class" in few
    assert "(cross-fitted)\n* too few clean scans for that false-alarm rate" in few
    run(model, "--data", write_data(tmp_path, name="more", items=280), "--samples", 0)
    more = capsys.readouterr().out
    assert "*" not in more


def test_groups_are_chosen_and_left_out_across_files(model, tmp_path, capsys):
    data = [write_data(tmp_path, name="one"), write_data(tmp_path, name="two")]
    document = figures(capsys, model, "--data", *data, "--only", "site/0", "--only", "clean")
    assert document["parts"]["real"]["scans"] == 2 * (4 + 12)
    assert document["data"] == {"name": "one + two", "only": ["site/0", "clean"], "without": []}
    document = figures(capsys, model, "--data", *data, "--without", "clean")
    assert document["parts"]["real"]["scans"] == 2 * 8
    assert document["parts"]["real"]["clean_scans"] == 2 * 4
    with pytest.raises(DataSetError, match="did you mean 'clean'"):
        run(model, "--data", *data, "--only", "claen")


def test_origins_stay_apart(model, tmp_path, capsys):
    data = [write_data(tmp_path, name="bags"), write_data(tmp_path, name="made", origin="simulated")]
    document = figures(capsys, model, "--data", *data, "--out", tmp_path / "out")
    assert list(document["parts"]) == ["real", "simulated"]
    assert {part["scans"] for part in document["parts"].values()} == {20}
    html = (tmp_path / "out" / "report.html").read_text()
    assert "Real scans: 20 scans" in html
    assert "Simulated scans: 20 scans" in html


def test_a_model_with_a_map_gets_no_points_that_would_silence_it(tmp_path):
    with pytest.raises(UsageError, match="cargosight calibrate"):
        run(
            "container",
            "--data",
            write_data(tmp_path),
            "--choose-operating-points",
            "--samples",
            0,
            "--force",
        )


def test_operating_points_are_written_beside_the_model_and_used(model, tmp_path, capsys):
    data = write_data(tmp_path)
    run(model, "--data", data, "--choose-operating-points", "--samples", 0)
    path = tmp_path / "blobs.points.json"
    assert f"wrote {path}" in capsys.readouterr().out
    sidecar = Sidecar.read(path)
    assert [point.name for point in sidecar.operating_points] == ["pfa=0.01", "pfa=0.05", "pfa=0.1"]
    assert sidecar.default == "pfa=0.05"
    point = sidecar.point("pfa=0.05")
    assert set(point.thresholds) == {"disc", "bar"}
    assert point.data == "bags: 20 real scans (clean 12, site 8)"
    assert point.measured["clean_scans"]["of"] == 16
    inspector = Inspector(str(model))
    assert inspector.inspect(tmp_path / "images" / "bags" / "0.png").decision == "refer"
    assert inspector.inspect(tmp_path / "images" / "bags" / "1.png").decision == "clear"

    document = figures(capsys, model, "--data", data)
    stored = document["parts"]["real"]["operating_points_of_the_model"]["pfa=0.05"]
    assert stored["chosen_on"] == point.data
    assert stored["clean_scans"]["count"] == 0
    assert stored["classes"]["bar"]["pd"]["rate"] == 1.0
    assert "operating point pfa=0.05" in document["parts"]["real"]["confusion"]["thresholds_from"]


@pytest.mark.parametrize("origin", ["simulated", "projected"])
def test_a_model_of_real_scans_gets_no_points_from_scans_that_are_not(tmp_path, origin):
    terms = (DataTerms("site", 10, "own"), DataTerms("made", 10, "own", declared_simulated=True))
    contract = blob_contract(classes=("disc", "bar"), training_data=terms)
    model = make_blob_model(tmp_path / "blobs.onnx", contract=contract)
    data = write_data(tmp_path, origin=origin)
    (tmp_path / "images" / "bags" / "0.png").write_bytes(b"nothing")  # it is told before any scan is read
    with pytest.raises(DataSetError, match=f"the clean scans in 'bags' are {origin}, but .* trained on site"):
        run(model, "--data", data, "--choose-operating-points", "--samples", 0)
    assert not (tmp_path / "blobs.points.json").exists()


def test_points_of_a_simulated_model_hold_for_simulated_scans_and_say_so(model, tmp_path, capsys):
    data = write_data(tmp_path, origin="simulated")
    run(model, "--data", data, "--choose-operating-points", "--samples", 0, "--out", tmp_path / "out")
    told = "chosen on simulated scans: the false-alarm rates hold for such scans, not for real ones"
    assert told in capsys.readouterr().out
    assert told in (tmp_path / "out" / "report.html").read_text()
    sidecar = Sidecar.read(tmp_path / "blobs.points.json")
    assert [point.measured["note"] for point in sidecar.operating_points] == [told] * 3
    run(model, "--data", write_data(tmp_path, name="real"), "--choose-operating-points", "--samples", 0)
    assert told not in capsys.readouterr().out + (tmp_path / "blobs.points.json").read_text()


def test_clean_scans_are_counted_among_those_that_points_are_chosen_on(model, tmp_path):
    """A simulated scan beside real ones makes up for no clean real one."""
    data = [
        write_data(tmp_path, name="few", items=2, clean=0),
        write_data(tmp_path, name="made", origin="simulated"),
    ]
    with pytest.raises(DataSetError, match="1 clean scans found"):
        run(model, "--data", *data, "--choose-operating-points", "--samples", 0)


def test_the_points_of_a_bundled_model_are_not_replaced_unasked(model, tmp_path, monkeypatch):
    data = write_data(tmp_path)
    run(model, "--data", data, "--choose-operating-points", "--samples", 0)
    points = tmp_path / "blobs.points.json"
    before = points.read_bytes()
    bundled = replace(find_model(str(model)), origin="bundled")
    monkeypatch.setattr(evaluate, "list_models", lambda: (bundled,))
    other = write_data(tmp_path, name="other", clean=30)
    with pytest.raises(UsageError, match="is bundled and has operating points"):
        run(model, "--data", other, "--choose-operating-points", "--samples", 0)
    assert points.read_bytes() == before
    run(model, "--data", other, "--choose-operating-points", "--samples", 0, "--force")
    assert points.read_bytes() != before


def test_points_of_an_older_file_are_replaced_and_kept_on_failure(model, tmp_path):
    run(model, "--data", write_data(tmp_path), "--choose-operating-points", "--samples", 0)
    path = tmp_path / "blobs.points.json"
    old = path.read_text()
    make_blob_model(model, contract=blob_contract(classes=("disc", "bar"), code_version="0.2.0"))
    with pytest.raises(CatalogError, match="belong to the model file"):
        run(model, "--data", tmp_path / "bags.json")
    few = write_data(tmp_path, name="few", items=1, clean=0)
    with pytest.raises(DataSetError, match="0 clean scans found in 'few'"):
        run(model, "--data", few, "--choose-operating-points", "--samples", 0)
    assert path.read_text() == old
    run(model, "--data", tmp_path / "bags.json", "--choose-operating-points", "--samples", 0)
    assert Sidecar.read(path).fingerprint == find_model(str(model)).sha256
    assert list(tmp_path.glob(".*")) == []


def test_no_points_without_clean_scans(model, tmp_path):
    data = write_data(tmp_path, items=1, clean=0)
    (tmp_path / "images" / "bags" / "0.png").write_bytes(b"nothing")  # it is told before any scan is read
    for option, wanted in (("--choose-operating-points", 2), ("--null-projections", 1)):
        with pytest.raises(DataSetError, match=f"0 clean scans found in 'bags', expected {wanted} or more"):
            run(model, "--data", data, option, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "blobs.points.json").exists()


def test_wrong_data_and_options_are_sentences(model, tmp_path):
    data = write_data(tmp_path)
    with pytest.raises(UsageError, match="--samples -1"):
        run(model, "--data", data, "--samples", -1)
    with pytest.raises(UsageError, match="--seed -1"):
        run(model, "--data", data, "--seed", -1)
    with pytest.raises(CargosightError, match="nosuch"):
        run("nosuch", "--data", data, "--out", tmp_path / "result")
    assert not (tmp_path / "result").exists()
    with pytest.raises(DataSetError, match="would count twice"):
        run(model, "--data", data, data)
    with pytest.raises(DataSetError, match="does not exist"):
        run(model, "--data", tmp_path / "none.json")
    with pytest.raises(DataSetError, match="no image of a source that labels a class"):
        run(model, "--data", write_data(tmp_path, name="x", items=0, clean=0, extra=["unlabelled"]))


def test_an_image_that_cannot_be_counted_is_refused(model, tmp_path):
    data = write_data(tmp_path)
    image = tmp_path / "images" / "bags" / "3.png"
    cv2.imwrite(str(image), np.full((HEIGHT, WIDTH + 1, 3), 255, np.uint8))
    with pytest.raises(DataSetError, match="is 193 by 128, but its annotations say 192 by 128"):
        run(model, "--data", data)
    image.write_bytes(b"nothing")
    with pytest.raises(DataSetError, match=r"3\.png cannot be read"):
        run(model, "--data", data)


def test_classes_that_the_model_does_not_know_are_told_and_not_averaged(model, tmp_path, capsys):
    path = write_data(tmp_path)
    document = json.loads(path.read_text())
    document["sources"]["site"]["labelled"] = ["bar", "knife"]
    document["annotations"].append(annotation(99, 2, 2, (5, 5, 20, 20)))
    path.write_text(json.dumps(document))
    result = figures(capsys, model, "--data", path)
    part = result["parts"]["real"]
    assert any("does not know knife" in note for note in result["notes"])
    assert part["classes"]["knife"]["known"] is False
    assert part["all_classes"]["classes"] == ["bar"]
    assert part["clean_scans"] == 15  # a bag with an unknown item is not clean


def test_evaluation_needs_nothing_but_the_base_install():
    extras = (
        "torch",
        "torchvision",
        "albumentations",
        "pydantic",
        "onnx",
        "matplotlib",
        "pycocotools",
        "tqdm",
    )
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({extras!r}))\n"
        "import cargosight_training.commands.convert, cargosight_training.commands.evaluate\n"
        "import cargosight_training.evaluation.report\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
