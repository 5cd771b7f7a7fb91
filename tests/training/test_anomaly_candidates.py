"""The comparison of maps of the unusual, on made radiographs and a network that has learnt nothing."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training.comparisons import anomaly_candidates, anomaly_maps, projected_pairs
from training.comparisons.anomaly_candidates import (
    ALL_FAMILIES,
    compare,
    kept_name,
    main,
    make_parser,
    training_records,
)
from training.comparisons.anomaly_features import (
    Features,
    Pass,
    Surroundings,
    Window,
    network_input,
    training_windows,
)
from training.comparisons.anomaly_maps import (
    Bank,
    Gaussians,
    Patches,
    Scale,
    Student,
    Together,
    k_means,
    nearest,
    of_head,
)
from training.comparisons.projected_pairs import (
    Drawn,
    clean_scans,
    draw_pairs,
    kept_pairs,
    project_again,
    read_cargo_scan,
)

from cargosight_inference.scans.attenuation import CELLULOSE
from cargosight_models.errors import ConfigurationError, DataSetError
from cargosight_models.networks.detector import Detector, DetectorSettings
from cargosight_training.simulation.cargo.threats import THREATS
from cargosight_training.trainer.checkpoint import save_weights
from tests.made import radiographs
from tests.made.radiographs import Block

FAMILIES = {name: THREATS[name] for name in ("handgun", "brick_packs")}
LOAD = (Block(100, 120, 800, 300, CELLULOSE, 20.0),)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    made = DetectorSettings(2, "csp-nano", 16, 1, True, "radiograph", True)
    torch.manual_seed(0)
    detector = Detector(made).train()
    for layer in detector.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = (
                1.0  # one batch settles them; with none of it nothing gets through so many layers
            )
    with torch.inference_mode():
        detector(torch.from_numpy(network_input(radiographs.grey(LOAD))))
    path = tmp_path_factory.mktemp("weights") / "untaught.pt"
    save_weights(path, detector.eval(), made, ("handgun", "brick_packs"))
    return path


@pytest.fixture(scope="module")
def network(weights):
    return Pass(weights)


def write_scans(folder, count, *, first=0, boxes=()):
    """Loaded containers in display grey with an annotation file; `boxes` x1, y1, x2, y2 on each."""
    (folder / "images").mkdir(parents=True)
    rows, annotations = [], []
    for number in range(count):
        name = f"{first + number:03d}.png"
        cv2.imwrite(str(folder / "images" / name), radiographs.grey_pixels(LOAD, seed=first + number))
        shape = {"width": radiographs.WIDTH, "height": radiographs.HEIGHT}
        rows.append({"id": number, "file_name": name, "group": number // 2, "source": "made", **shape})
        for x1, y1, x2, y2 in boxes:
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": 1, "bbox": box, "area": 1}
            )
    document = {"images": rows, "annotations": annotations, "categories": [{"id": 1, "name": "threat"}]}
    path = folder / "clean.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    return write_scans(tmp_path_factory.mktemp("held"), 4, first=50)


# Pairs.


def test_drawn_projections_are_made_again_and_are_as_visible_as_was_wished(held):
    scans = clean_scans(held, limit=None, seed=0)
    pairs = draw_pairs(scans, per_family=2, seed=3, families=FAMILIES)
    assert [one.family for one in pairs] == ["handgun", "brick_packs", "handgun", "brick_packs"]
    assert pairs == draw_pairs(scans, per_family=2, seed=3, families=FAMILIES)
    for one in pairs:
        scan = read_cargo_scan(scans[one.scan].path)
        again = project_again(scan, one, FAMILIES)
        assert again.visibility == pytest.approx(one.visibility, rel=1e-5)
        assert one.visibility >= one.wished
        assert (again.scan.pixels != scan.pixels).any()
        assert (again.scan.pixels == scan.pixels)[~again.mask].mean() > 0.999
    assert {one.wished for one in pairs} == set(projected_pairs.VISIBILITIES)


def test_a_threat_larger_than_the_scan_is_left_out(held):
    scans = clean_scans(held, limit=1, seed=0)
    builders = {"handgun": lambda rng, pitch: THREATS["handgun"](rng, pitch / 100)}
    assert draw_pairs(scans, per_family=1, seed=0, families=builders) == []


def test_pairs_are_kept_for_the_same_question_only(held, tmp_path, monkeypatch):
    scans = clean_scans(held, limit=2, seed=0)
    first = kept_pairs(tmp_path / "pairs.json", scans, per_family=1, seed=0, families=FAMILIES)
    drawn = []
    monkeypatch.setattr(projected_pairs, "draw_pairs", lambda *_args, **_more: drawn)
    assert kept_pairs(tmp_path / "pairs.json", scans, per_family=1, seed=0, families=FAMILIES) == first
    assert kept_pairs(tmp_path / "pairs.json", scans, per_family=1, seed=1, families=FAMILIES) == []


def test_clean_scans_have_their_groups_and_no_boxes(held, tmp_path):
    assert sorted(scan.group for scan in clean_scans(held, limit=None, seed=0)) == ["0", "0", "1", "1"]
    boxed = write_scans(tmp_path / "boxed", 1, boxes=[(10, 10, 50, 50)])
    with pytest.raises(DataSetError, match="no scan without a box"):
        clean_scans(boxed, limit=None, seed=0)


# Windows.


def test_windows_leave_out_annotated_items_and_flag_what_is_odd(network, tmp_path):
    path = write_scans(tmp_path / "train", 3, boxes=[(320, 64, 640, 288)])
    records = training_records([path], 3, 0)
    made = list(training_windows(network, records, seed=0))
    assert [place for place, _, _ in made] == [0, 0, 1, 1, 2, 2]
    for _, clean, odd in made:
        assert clean.features.neck.shape[:2] == clean.usable.shape == odd.odd.shape
        assert not clean.usable[6:16].all(axis=1).any()  # every window of 512 of 900 columns meets the item
        assert not clean.usable[-1].any()  # 360 rows are padded to 384
        assert clean.usable.any()
        assert not clean.odd.any()
    assert any(odd.odd.any() for _, _, odd in made)
    changed = [np.abs(c.features.head - o.features.head).max() for _, c, o in made if o.odd.any()]
    assert min(changed) > 0.0


def test_training_files_take_turns_in_both_halves(tmp_path):
    files = [write_scans(tmp_path / name, 4, first=start) for name, start in (("a", 0), ("b", 10))]
    records = training_records(files, 4, 0)
    numbers = [int(record.path.stem) >= 10 for record in records]
    assert sum(numbers[::2]) == sum(numbers[1::2]) == 2


@settings(max_examples=40, deadline=None)
@given(st.integers(40, 2000), st.integers(40, 2000), st.data())
def test_surroundings_hold_what_is_taken_over(width, height, data):
    x1, y1 = data.draw(st.integers(0, width - 2)), data.draw(st.integers(0, height - 2))
    x2, y2 = data.draw(st.integers(x1 + 1, width)), data.draw(st.integers(y1 + 1, height))
    window = Surroundings.of((float(x1), float(y1), float(x2), float(y2)), (-(-height // 8), -(-width // 8)))
    for part, changed, low, high in (
        (window.rows, window.changed_rows, y1, y2),
        (window.columns, window.changed_columns, x1, x2),
    ):
        assert part.start % 32 == 0
        assert part.stop % 32 == 0
        assert part.start <= 8 * changed.start <= low
        assert high <= 8 * changed.stop <= part.stop
    cells = np.zeros((-(-height // 8), -(-width // 8)), np.float32)
    size = [(part.stop - part.start) // 8 for part in (window.rows, window.columns)]
    pasted = window.pasted(cells, np.ones(size, np.float32))
    assert pasted[window.changed_rows, window.changed_columns].all()
    assert pasted.sum() == pasted[window.changed_rows, window.changed_columns].size


def test_a_window_of_a_scan_gives_the_features_of_the_scan_far_from_its_edge(network):
    tensor = network_input(radiographs.grey(LOAD))
    part = network.features(np.ascontiguousarray(tensor[:, :, :, 128:768]))
    whole = network.features(tensor)
    # Shifted by a patch the features would be others: the middle agrees, and only where it lies.
    there = np.abs(part.backbone[:, 14:26].astype(float) - whole.backbone[:, 22:34]).mean()
    beside = np.abs(part.backbone[:, 14:26].astype(float) - whole.backbone[:, 23:35]).mean()
    assert there < 0.2 * beside


def test_a_network_without_a_map_is_refused(tmp_path):
    made = DetectorSettings(1, "csp-nano", 16)
    save_weights(tmp_path / "plain.pt", Detector(made), made, ("threat",))
    with pytest.raises(ConfigurationError, match="no map of the unusual"):
        Pass(tmp_path / "plain.pt")


# Maps.


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 20), st.integers(1, 6), st.integers(0, 1000))
def test_nearest_equals_brute_force(rows, size, across, seed):
    rng = np.random.default_rng(seed)
    some, bank = (rng.normal(size=(n, across)).astype(np.float32) for n in (rows, size))
    every = np.sqrt(((some[:, None] - bank[None]) ** 2).sum(axis=2))
    found, place = nearest(some, bank)
    assert found == pytest.approx(every.min(axis=1), abs=1e-3)
    assert every[np.arange(rows), place] == pytest.approx(every.min(axis=1), abs=1e-3)


def test_k_means_finds_clusters():
    rng = np.random.default_rng(0)
    middles = np.array([[0, 0], [10, 0], [0, 10]], np.float32)
    rows = np.concatenate([m + rng.normal(scale=0.2, size=(200, 2)) for m in middles]).astype(np.float32)
    found = k_means(rows, 12, seed=0)
    assert nearest(middles, found)[0].max() < 0.5
    assert nearest(found, middles)[0].max() < 1.0


def cargo_patches(count, seed, *, odd=0):
    """Normal patches along a curve in few dimensions, odd ones off it; the backbone sees them turned."""
    rng = np.random.default_rng(seed)
    along = rng.uniform(-2, 2, (count + odd, 1))
    neck = np.concatenate([along, along**2, np.zeros((count + odd, 4))], axis=1)
    neck += rng.normal(scale=0.05, size=neck.shape)
    neck[count:, 2] += rng.uniform(0.5, 3.0, odd)
    turn = np.linalg.qr(np.random.default_rng(9).normal(size=(6, 6)))[0]
    return Patches(neck.astype(np.float32), (neck @ turn).astype(np.float32), np.arange(count + odd) >= count)


def one_row(patches):
    """Patches as the features of a scan one patch high."""
    columns = [part.astype(np.float16)[None] for part in (patches.neck, patches.backbone)]
    return Features(np.zeros((2, 2 * len(patches)), np.float32), *columns)


def by_patch(score, patches):
    return score(one_row(patches)).reshape(2, -1, 2).mean(axis=(0, 2))


@pytest.mark.parametrize("part", ["neck", "backbone"])
@pytest.mark.parametrize("centres", [True, False])
def test_a_bank_tells_odd_patches_from_normal_ones(part, centres):
    bank = Bank(part, cargo_patches(2000, 0), 100, centres=centres)
    assert len(bank) == 100
    seen = cargo_patches(50, 1, odd=50)
    scores = bank.distances(getattr(seen, part))
    assert np.median(scores[seen.odd]) > 2 * np.median(scores[~seen.odd])


def test_gaussians_know_that_a_cluster_is_long():
    normal = cargo_patches(4000, 0)
    gaussians = Gaussians(normal, 8)
    seen = cargo_patches(64, 1, odd=64)
    scores = by_patch(gaussians, seen)
    assert np.median(scores[80:]) > np.median(scores[:48]) + 5.0


def test_a_student_says_what_its_teacher_would(monkeypatch):
    monkeypatch.setattr(anomaly_maps, "_STUDENT_STEPS", 400)
    monkeypatch.setattr(anomaly_maps, "_STUDENT_BATCH", 256)
    teacher = Bank("backbone", cargo_patches(4000, 0), 2000, centres=False)
    student = Student(teacher, cargo_patches(3000, 1, odd=1000), seed=0)
    # Blocks of alike patches, since maps are interpolated between patches.
    seen = cargo_patches(40, 2, odd=40)
    blocks = Patches(*(np.repeat(part, 5, axis=0) for part in (seen.neck, seen.backbone, seen.odd)))
    said = by_patch(student, blocks)[2::5]
    assert np.corrcoef(said, teacher.distances(seen.backbone))[0, 1] > 0.9


def test_a_sum_weighs_its_parts_by_their_normal_cargo():
    normal = cargo_patches(500, 0)
    features = one_row(normal)
    rng = np.random.default_rng(0)
    features.head[:] = rng.normal(size=features.head.shape)
    window = Window(features, np.ones((1, 500), np.bool_), np.zeros((1, 500), np.bool_))
    large = lambda given: 1000.0 * of_head(given)  # noqa: E731
    scales = [Scale.of(score, [window]) for score in (of_head, large)]
    assert scales[1].reach == pytest.approx(1000.0 * scales[0].reach, rel=1e-4)
    total = Together(((of_head, scales[0]), (large, scales[1])))(features)
    alone = Together(((of_head, scales[0]),))(features)
    assert total == pytest.approx(2.0 * alone, abs=1e-4)
    assert np.quantile(alone.reshape(2, -1, 2).max(axis=(0, 2)), 0.999) == pytest.approx(1.0, abs=1e-3)


# The whole.


@pytest.mark.acceptance
def test_the_comparison_scores_all_candidates_and_goes_on_from_what_it_kept(
    weights, held, tmp_path, monkeypatch
):
    monkeypatch.setattr(anomaly_maps, "_STUDENT_STEPS", 20)
    monkeypatch.setattr(anomaly_candidates, "SMALL_BANK", 64)
    monkeypatch.setattr(anomaly_candidates, "LARGE_BANK", 256)
    monkeypatch.setattr(anomaly_candidates, "_TIMED_ROUNDS", 1)
    train = write_scans(tmp_path / "train", 4)
    files = ["--model-weights", str(weights), "--train", str(train), "--real", str(held)]
    numbers = ["--per-family", "2", "--samples", "20", "--out", str(tmp_path / "out")]
    args = make_parser().parse_args([*files, *numbers])
    document = compare(args, FAMILIES)
    real = document["kinds"]["real"]
    assert real.keys() == {"5", "1"}
    for rows in real.values():
        assert len(rows) == 9
        for row in rows.values():
            assert row[ALL_FAMILIES]["clean"] == 4
            assert row[ALL_FAMILIES]["groups"] == 2
            assert 0.0 <= row[ALL_FAMILIES]["aupro"] <= 1.0
    assert real["5"]["head"][ALL_FAMILIES]["with_threat"] >= 2
    text = (tmp_path / "out" / "candidates.md").read_text()
    assert all(f"| {name} | 0." in text or f"| {name} | 1." in text for name in real["5"])
    assert set(document["milliseconds"]) == {"backbone and neck", "patches", *real["5"]}

    def fail(*_args, **_more):
        raise AssertionError("it was kept")

    monkeypatch.setattr(Pass, "features", fail)
    monkeypatch.setattr(anomaly_candidates, "milliseconds", lambda *_args: document["milliseconds"])
    again = compare(args, FAMILIES)
    assert again == document


def test_what_is_kept_is_told_apart_by_scan_and_projection(held):
    scans = clean_scans(held, limit=None, seed=0)
    one = Drawn(0, "handgun", 7, 5.0, 10, 20, 5.0, 6.0, None)
    others = [None, one, replace(one, left=11), replace(one, pitch_mm=4.0), replace(one, family="rifle")]
    names = {kept_name(scan, drawn) for scan in scans for drawn in others}
    assert len(names) == len(scans) * len(others)
    assert kept_name(scans[0], one) == kept_name(scans[0], replace(one))


def test_no_held_out_scans_are_refused(weights, tmp_path, capsys):
    code = main(["--model-weights", str(weights), "--train", "x.json", "--out", str(tmp_path)])
    assert code == 2
    assert "neither --real nor --simulated" in capsys.readouterr().err
