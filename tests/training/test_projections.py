"""Projected threats beside their clean scans: what is made, how it is counted, and the command around it."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from cargosight_inference.cli import main
from cargosight_inference.scans.attenuation import CELLULOSE
from cargosight_inference.scans.container import locate_container
from cargosight_inference.scans.radiograph import radiograph_of
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import CargosightError, DataSetError
from cargosight_training.commands import evaluate_projections
from cargosight_training.datasets.clean import Part, read_listed
from cargosight_training.evaluation.projections import variants
from cargosight_training.evaluation.projections.figures import figures, kinds_of_threat
from cargosight_training.evaluation.projections.scoring import Row, ScoredVariants
from cargosight_training.evaluation.projections.tables import markdown
from cargosight_training.evaluation.projections.variants import Thing
from cargosight_training.simulation.cargo.threats import THREATS
from tests.made import radiographs
from tests.made.datasets import write_blank
from tests.made.models import blob_contract, make_blob_model, make_cargo_model
from tests.made.radiographs import Block

FAMILIES = ("handgun", "cash")


def row(index, role, greatest, hits=(0, 0, 0), *, before=(0, 0, 0), named=(0, 0, 0), **thing):
    vectors = [np.array(values, np.float32) for values in (greatest, named, hits, before)]
    cells = np.full((4, 4), vectors[0][-1] * 0.5, np.float16)
    truth = None
    if role == "threat":
        truth = np.zeros((4, 4), np.bool_)
        truth[1, 1] = True
        cells[1, 1] = vectors[2][-1]
    return Row(Thing(index, role, **thing), *vectors, cells, truth)


def scored(rows, scans, model="m"):
    names = tuple(f"{index}.png" for index in range(scans))
    return ScoredVariants((*FAMILIES, "anomaly"), names, names, tuple(rows), 2 * scans, (model, "0" * 64))


def made(scans=100, seed=0):
    """Clean scans of low scores; on every other one a handgun that is found by name, on the others cash by the map."""
    random = np.random.default_rng(seed)
    rows = []
    for index in range(scans):
        low = random.uniform(0.06, 0.3, 3)
        rows.append(row(index, "clean", low))
        high = np.array([0.9, 0.0, 0.0]) if index % 2 else np.array([0.0, 0.0, 0.8])
        family = FAMILIES[(index + 1) % 2]
        thing = {"family": family, "visibility": 6.0, "length_mm": 200.0, "metallic": index % 2 == 1}
        rows.append(row(index, "threat", np.maximum(low, high), high, named=high, **thing))
        rows.append(row(index, "nothing", low, family=family))
        rows.append(row(index, "lookalike", np.maximum(low, [0, 0, 0.6]), [0, 0, 0.6], family="books"))
    return rows


def test_threats_are_counted_by_kind_and_clean_scans_cost_what_was_wanted():
    found = figures([scored(made(), 100)], FAMILIES, samples=20)
    at = {point.wanted_pfa: point for point in found.points}
    assert at[0.05].enough and not at[0.01].enough
    assert at[0.1].clean.of == 100 and at[0.1].clean.count <= 20
    handgun, cash = at[0.1].threats["handgun"], at[0.1].threats["cash"]
    assert (handgun.found.count, handgun.found.of, handgun.named.count, handgun.by_map.count) == (
        50,
        50,
        50,
        0,
    )
    assert (cash.found.count, cash.found.of, cash.named.count, cash.by_map.count) == (50, 50, 0, 50)
    assert at[0.1].threats["metallic, visibility >= 5"].found.of == 50
    assert at[0.1].threats["metallic, visibility 1 to 5"].found.of == 0
    assert at[0.1].nothing == at[0.1].nothing_clean
    assert at[0.1].lookalikes.count == 100 and at[0.1].lookalikes_before.count == 0
    assert found.maps["cash"].with_threat == 50 and found.maps["cash"].image_auroc == 1.0
    assert "| handgun | 100% (50/50, 93% to 100%)" in markdown(found, "real")


def test_what_the_clean_scan_shows_at_the_same_place_is_not_found():
    rows = [replace(one, before=one.hits) if one.thing.role == "threat" else one for one in made()]
    found = figures([scored(rows, 100)], FAMILIES, samples=0)
    assert all(point.threats["handgun"].found.count == 0 for point in found.points)


def test_parts_of_several_models_are_added_each_with_its_own_thresholds():
    louder = [
        replace(one, greatest=np.minimum(one.greatest + 0.05, 1.0).astype(np.float32)) for one in made(seed=1)
    ]
    both = figures([scored(made(), 100), scored(louder, 100, "n")], FAMILIES, samples=0)
    alone = [figures([scored(rows, 100)], FAMILIES, samples=0) for rows in (made(), louder)]
    for index, point in enumerate(both.points):
        assert point.clean == alone[0].points[index].clean + alone[1].points[index].clean
        assert point.threats["cash"].found.of == 100
    assert both.clean == 200 and len(both.models) == 2


def test_a_models_own_points_are_counted_as_they_are():
    limits = {
        "pfa=0.1": np.array([0.5, 0.5, 0.7], np.float32),
        "strict": np.array([0.95, 0.95, 0.95], np.float32),
    }
    found = figures([replace(scored(made(), 100), own_points=limits)], FAMILIES, samples=0)
    own = found.own_points
    assert (own["pfa=0.1"].clean.count, own["pfa=0.1"].lookalikes.count) == (0, 0)
    assert own["pfa=0.1"].threats["handgun"].found.count == 50
    assert own["strict"].threats["handgun"].found.count == 0
    text = markdown(found, "real")
    assert "| alarms at the model's own point | pfa=0.1 | strict |" in text
    assert "| threats found | at pfa=0.1 | at strict |" in text
    both = figures(
        [replace(scored(made(), 100, name), own_points=limits) for name in "mn"], FAMILIES, samples=0
    )
    assert not both.own_points and "the model's own point |" not in markdown(both, "real")


def test_near_duplicates_never_set_their_own_threshold():
    # Ten groups of ten equal scans: with thresholds of the other groups alone, a loud group alarms as a whole.
    rows = []
    for index in range(100):
        level = 0.9 if index // 10 == 3 else 0.1
        rows.append(row(index, "clean", (level, 0.0, 0.0)))
    names = tuple(f"{index // 10}" for index in range(100))
    part = ScoredVariants((*FAMILIES, "anomaly"), names, names, tuple(rows), 0, ("m", "0" * 64))
    at = {point.wanted_pfa: point for point in figures([part], FAMILIES, samples=0).points}
    assert at[0.05].clean.count == 10


def test_kinds_divide_the_threats():
    kinds = kinds_of_threat(FAMILIES)
    substance = [name for name in kinds if "visibility" in name]
    for metallic in (True, False):
        for seen in (1.0, 5.0, 7.0):
            thing = {"family": "cash", "visibility": seen, "metallic": metallic, "length_mm": 10.0}
            one = row(0, "threat", (0, 0, 0), **thing)
            assert sum(kinds[name](one) for name in substance) == 1


def test_parts_of_a_list_keep_groups_together_and_lose_nothing(tmp_path):
    rows = []
    for index in range(12):
        write_blank(tmp_path / "images" / f"{index}.png")
        rows.append(
            {"file_name": f"{index}.png", "group": index // 3, "load": "empty" if index < 6 else "loaded"}
        )
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps({"images": rows}))
    folder = tmp_path / "images"
    parts = [{image.path.name for image in read_listed(folder, [listed], part=Part(k, 2))} for k in (1, 2)]
    assert parts[0] | parts[1] == {f"{index}.png" for index in range(12)} and not parts[0] & parts[1]
    assert all(len({int(name[:-4]) // 3 for name in part}) == 2 for part in parts)
    outside = read_listed(folder, [listed], part=Part(1, 2, outside=True))
    assert {image.path.name for image in outside} == parts[1]
    assert outside[0].facts["group"] in (0, 1, 2, 3)
    empty = read_listed(folder, [listed], where={"load": "empty"})
    assert len(empty) == 6
    with pytest.raises(DataSetError, match="no scan"):
        read_listed(folder, [listed], where={"load": "full"})
    with pytest.raises(DataSetError, match="listed twice"):
        read_listed(folder, [listed, listed])
    with pytest.raises(CargosightError, match="two parts or more"):
        Part(3, 2)


def test_the_pitch_follows_the_height_of_the_box():
    found = locate_container(radiograph_of(radiographs.grey((Block(150, 150, 650, 300, CELLULOSE, 40.0),))))
    height = radiographs.FLOOR - radiographs.ROOF
    assert variants.pixel_pitch(found) == pytest.approx(2500 / height, rel=0.1)
    air = Scan.in_memory(np.full((200, 400), 240, np.uint8), kind="display_grey", subject="cargo")
    assert variants.pixel_pitch(locate_container(radiograph_of(air))) == 5.0


def test_photons_are_those_of_the_noise():
    counted = variants.effective_photons(radiograph_of(radiographs.dual_energy(counts=20_000.0)))
    assert counted == pytest.approx(20_000, rel=0.3)
    even = Scan.in_memory(np.full((200, 400), 240, np.uint8), kind="display_grey", subject="cargo")
    assert variants.effective_photons(radiograph_of(even)) is None


def clean_set(tmp_path):
    """Write two clean scans; return their annotation file."""
    rows = []
    (tmp_path / "images").mkdir()
    for index in range(2):
        picture = radiographs.grey_pixels((Block(150, 150, 650, 300, CELLULOSE, 40.0),), seed=index)
        assert cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), picture)
        rows.append(
            {
                "id": index,
                "file_name": f"{index}.png",
                "width": picture.shape[1],
                "height": picture.shape[0],
                "source": "yard",
            }
        )
    document = {
        "images": rows,
        "annotations": [],
        "categories": [{"id": 1, "name": "dark"}],
        "sources": {"yard": {"origin": "real", "labelled": []}},
    }
    data = tmp_path / "clean.json"
    data.write_text(json.dumps(document))
    return data


def test_a_model_is_shown_the_families_that_it_was_not_taught(tmp_path, monkeypatch, capsys):
    model = make_cargo_model(tmp_path / "loads.onnx")
    data = clean_set(tmp_path)
    command = ["evaluate", str(model), "--data", str(data), "--projections", "--threats", "2"]

    def families_shown(*options):
        assert main([*command, "--samples", "0", "--json", *options]) == 0
        counts = json.loads(capsys.readouterr().out)["points"][0]["threats"]
        return {name for name in ("handgun", "dark") if counts.get(name, {"found": {"of": 0}})["found"]["of"]}

    taught = dict.fromkeys(blob_contract().classes, THREATS["handgun"])
    monkeypatch.setattr(evaluate_projections, "THREATS", {**taught, "handgun": THREATS["handgun"]})
    monkeypatch.setattr(variants, "THREATS", {**taught, "handgun": THREATS["handgun"]})
    assert families_shown("--left-out") == {"handgun"}
    monkeypatch.setattr(evaluate_projections, "THREATS", taught)
    assert main([*command, "--left-out"]) == 2
    assert "was taught every family" in capsys.readouterr().err
    assert main(["evaluate", str(model), "--data", str(data), "--left-out"]) == 2
    assert "--left-out goes with --projections" in capsys.readouterr().err


def test_folds_are_checked_before_anything_is_scored(tmp_path, monkeypatch, capsys):
    model, data = make_cargo_model(tmp_path / "loads.onnx"), clean_set(tmp_path)
    bags = make_blob_model(tmp_path / "bags.onnx")
    other = tmp_path / "other.json"
    document = json.loads(data.read_text())
    other.write_text(json.dumps({**document, "images": document["images"][1:]}))
    data.write_text(json.dumps({**document, "images": document["images"][:1]}))
    again = tmp_path / "again.json"
    again.write_text(other.read_text())
    monkeypatch.setattr(evaluate_projections, "score_variants", lambda *_, **__: pytest.fail("scored"))
    command = ["evaluate", str(model), "--data", str(data), "--projections"]
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({**document, "images": [{**document["images"][1], "file_name": "no.png"}]}))
    (tmp_path / "images" / "no.png").write_bytes((tmp_path / "images" / "0.png").read_bytes()[:90])
    folds = {
        "no.png cannot be read": ["--fold", str(model), str(broken)],
        "there is no model": ["--fold", "nowhere", str(other)],
        "inspects baggage": ["--fold", str(bags), str(other)],
        r"1.png is in two folds": ["--fold", str(model), str(other), "--fold", str(model), str(again)],
    }
    for sentence, options in folds.items():
        assert main([*command, *options]) == 2
        assert sentence in capsys.readouterr().err
