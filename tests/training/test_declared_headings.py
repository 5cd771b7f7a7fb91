"""How well declared headings and looks agree: figures on made looks, and the whole road on made scans."""

import json

import numpy as np
import pytest

from cargosight_models.errors import DataSetError
from cargosight_training.declared_headings import HeadingTable, main, measure, sentences
from tests.made.models import make_cargo_model
from tests.made.radiographs import FLOOR, LEFT, RIGHT, ROOF, Block, grey_pixels


def table(apart, *, each=12, seed=0, twins=False):
    """Three headings whose looks lie `apart` of each other, and one with too few scans."""
    random = np.random.default_rng(seed)
    names = ["1701"] * each + ["4011"] * each + ["5201"] * each + ["9999"] * 2
    places = 1.0 + random.normal(0.0, 0.1, (len(names), 6))
    for row, name in enumerate(names):
        places[row, ("1701", "4011", "5201", "9999").index(name)] += apart
    groups = [str(row // 2 if twins else row) for row in range(len(names))]
    if twins:
        places[1::2] = places[::2]
    looks = (places / np.linalg.norm(places, axis=1, keepdims=True)).astype(np.float32)
    return HeadingTable(tuple(map(str, range(len(names)))), tuple(names), tuple(groups), {"made": looks})


def test_headings_that_look_different_are_told_apart():
    found = measure(table(2.0), "made")
    assert (found.headings, found.scans, found.first, found.first_three) == (3, 36, 36, 36)
    assert found.auc > 0.95
    assert found.interval[0] <= found.auc <= found.interval[1]
    level, own, others = found.called[1]
    assert (level, others) == (0.1, 1.0)
    assert own <= 0.2
    assert "36 of 36 (100.0%" in sentences("made", found)
    assert "by chance 33.3%" in sentences("made", found)


@pytest.mark.acceptance
def test_headings_that_look_alike_are_at_chance_also_with_near_duplicates():
    """Twins of a scan, which share its heading, lie at no distance: they must not answer for it."""
    for twins in (False, True):
        rates = [measure(table(0.0, seed=seed, twins=twins, each=20), "made") for seed in range(3)]
        assert np.mean([found.first / found.scans for found in rates]) == pytest.approx(1 / 3, abs=0.15)
        assert np.mean([found.auc for found in rates]) == pytest.approx(0.5, abs=0.1)


def test_fewer_than_two_headings_are_refused():
    with pytest.raises(DataSetError, match="expected two or more"):
        measure(table(1.0, each=5), "made")


def test_the_command_measures_a_model_on_annotated_scans(tmp_path, capsys):
    import cv2

    from cargosight_inference.scans.attenuation import POLYETHYLENE, STEEL

    entries = []
    for heading, material, load in (("1701", POLYETHYLENE, 25.0), ("7204", STEEL, 90.0)):
        for seed in range(9):
            name = f"{heading}-{seed}.png"
            block = Block(LEFT + 20, ROOF + 100 + 2 * seed, RIGHT - 20, FLOOR, material, load)
            cv2.imwrite(str(tmp_path / name), grey_pixels((block,), seed=seed))
            entries.append({"file_name": name, "declared_hs": heading, "load": "loaded", "group": seed})
    entries.append({"file_name": "gone.png", "declared_hs": "7204", "load": "empty", "group": 50})
    for entry in entries:
        entry["group"] = f"{entry['declared_hs']}-{entry['group']}"
    (tmp_path / "train.json").write_text(json.dumps({"images": entries}))
    model = make_cargo_model(tmp_path / "loads.onnx")
    assert main([str(tmp_path / "train.json"), "--images", str(tmp_path), "--model", str(model)]) == 0
    shown = capsys.readouterr().out
    assert "18 loaded scans in 18 groups; too few to compare: none" in shown
    assert "embedding, 18 scans of 2 headings" in shown
    assert "own heading nearest: 18 of 18" in shown
    (tmp_path / "train.json").write_text("{}")
    with pytest.raises(DataSetError, match="expected a list `images`"):
        main([str(tmp_path / "train.json"), "--images", str(tmp_path), "--model", str(model)])
