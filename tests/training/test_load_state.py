"""Fitting the load state on made containers, whole groups apart, and what it reports."""

import json

import cv2
import numpy as np
import pytest

from cargosight_inference.scans.attenuation import CELLULOSE
from cargosight_inference.scans.load_features import FEATURES
from cargosight_inference.scans.load_state import read_load_model
from cargosight_models.errors import DataSetError
from cargosight_training.load_state import (
    FOLDS,
    LoadTable,
    _folds,
    cross_validated,
    fit,
    gather,
    main,
    measure,
)
from tests.made import radiographs
from tests.made.radiographs import Block


def table(count=120, *, apart=3.0, seed=0):
    random = np.random.default_rng(seed)
    loaded = random.random(count) < 0.5
    features = random.standard_normal((count, len(FEATURES))) + apart * loaded[:, None] / len(FEATURES) ** 0.5
    groups = tuple(str(index // 2) for index in range(count))
    return LoadTable(tuple(f"{i}.png" for i in range(count)), groups, features, loaded)


def test_fitting_finds_the_direction():
    held = table(600)
    model = fit(held.features, held.loaded)
    assert (model.coefficients > 0).all()
    assert ((model.chance(held.features) > 0.5) == held.loaded).mean() > 0.9


def test_groups_are_never_split():
    held = table()
    folds = _folds(held, 0)
    for group in set(held.groups):
        assert len({folds[i] for i, name in enumerate(held.groups) if name == group}) == 1
    assert set(folds.tolist()) == set(range(FOLDS))
    assert np.ptp(np.bincount(folds.astype(int))) <= 2


def test_figures_are_cross_validated():
    noise = table(apart=0.0)
    figures = measure(noise, cross_validated(noise))
    assert figures.interval[0] < 0.5 < figures.interval[1] + 0.1
    good = table(apart=4.0)
    figures = measure(good, cross_validated(good))
    assert figures.auc > 0.98
    assert figures.interval[0] <= figures.auc <= figures.interval[1]
    assert figures.empty + figures.loaded == 120
    assert sum(count for _, _, count in figures.calibration) == 120


def test_a_wrong_label_is_pointed_out():
    held = table(400, apart=8.0)
    loaded = held.loaded.copy()
    loaded[7] = not loaded[7]
    wrong = LoadTable(held.names, held.groups, held.features, loaded)
    figures = measure(wrong, cross_validated(wrong))
    assert figures.disagreements[0][0] == "7.png"
    assert figures.wrong == 1


def test_from_files_to_a_model(tmp_path, capsys):
    entries = []
    for index in range(14):
        blocks = (Block(80, 100, 820, 295, CELLULOSE, 60.0 + index),) if index % 2 else ()
        name = f"{index}.png"
        cv2.imwrite(str(tmp_path / name), radiographs.grey_pixels(blocks, seed=index))
        entries.append({"file_name": name, "group": index // 2, "load": "loaded" if index % 2 else "empty"})
    entries.append({"file_name": "missing.png", "group": 99, "load": "unsure"})
    annotations = tmp_path / "ours.json"
    annotations.write_text(json.dumps({"images": entries}))
    out = tmp_path / "load_state.json"
    assert main([str(annotations), "--images", str(tmp_path), "--out", str(out), "--provenance", "made"]) == 0
    assert "7 empty and 7 loaded scans, 0 left out: AUC 1.0000" in capsys.readouterr().out
    assert read_load_model(out).provenance == "made"
    assert gather([annotations], tmp_path).names == tuple(f"{i}.png" for i in range(14))


def test_what_cannot_be_fitted(tmp_path):
    held = table()
    with pytest.raises(DataSetError, match="some of both kinds"):
        fit(held.features, np.ones(120, np.bool_))
    few = LoadTable(held.names[:4], held.groups[:4], held.features[:4], held.loaded[:4])
    with pytest.raises(DataSetError, match="groups; expected 5"):
        cross_validated(few)
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(DataSetError, match="is no annotation file"):
        gather([tmp_path / "bad.json"], tmp_path)
    with pytest.raises(ValueError, match="expected as many"):
        LoadTable(held.names, held.groups[:3], held.features, held.loaded)
