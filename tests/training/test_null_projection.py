import argparse
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import DataSetError
from cargosight_training.augmentation.projection import Imprint
from cargosight_training.commands import evaluate
from cargosight_training.datasets.records import ImageRecord
from cargosight_training.evaluation.null_pictures import as_picture, null_pairs, with_picture
from tests.made.datasets import CocoDocument, annotation, image_record
from tests.made.models import blob_contract, make_blob_model

WIDTH, HEIGHT = 192, 128
ITEM = (32, 32, 80, 80)


def bag_pixels(rng, *, item=False):
    """Grey levels (HEIGHT, WIDTH) uint8 of a full bag: no air, nothing opaque, and a black item if asked for."""
    coarse = rng.integers(120, 230, (8, 12)).astype(np.uint8)
    pixels = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    if item:
        pixels[ITEM[1] : ITEM[3], ITEM[0] : ITEM[2]] = 0
    return pixels


def write_scan(path, grey, kind):
    """Write a bag as a scan of the kind, so that reading it gives that kind back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pseudocolour":
        shades = np.stack([grey, (grey * 0.9).astype(np.uint8), (grey * 0.7).astype(np.uint8)], axis=2)
        cv2.imwrite(str(path), shades)
    elif kind == "display_grey":
        cv2.imwrite(str(path), grey)
    else:
        energies = grey[..., None].astype(np.float32) / np.float32(255) * np.float32([1.0, 0.9])
        with path.open("wb") as out:
            np.save(out, energies[..., : int(kind[-1])])
    return path


def records_of(folder, kind, *, count=3, item_on=(), source="site"):
    rng = np.random.default_rng(0)
    records = []
    for number in range(count):
        path = folder / f"{source}-{kind}-{number}.{'npy' if kind.startswith('transmission') else 'png'}"
        write_scan(path, bag_pixels(rng, item=number in item_on), kind)
        truths = [("bar", ITEM)] if number in item_on else []
        record = image_record(number + 1, truths, source=source, size=(WIDTH, HEIGHT))
        records.append(replace(record, path=path))
    return records


def pairs_of(records: list[ImageRecord], rows=None, seed=0):
    rows = np.arange(len(records)) if rows is None else np.array(rows)
    return list(null_pairs(records, rows, subject="baggage", seed=seed))


@pytest.mark.parametrize("kind", ["pseudocolour", "display_grey", "transmission-1", "transmission-2"])
def test_projecting_nothing_changes_no_bit_and_a_decoy_something(tmp_path, kind):
    records = records_of(tmp_path, kind)
    pairs = pairs_of(records)
    assert [pair.row for pair in pairs] == [0, 1, 2]
    for pair, record in zip(pairs, records, strict=True):
        scan = read_scan(record.path, ReadOptions(subject="baggage"))
        assert scan.kind == kind.partition("-")[0]
        assert pair.identical
        assert pair.nothing.pixels.dtype == scan.pixels.dtype
        assert np.array_equal(pair.nothing.pixels, scan.pixels)
        assert pair.decoy.kind == scan.kind
        assert pair.decoy.pixels.dtype == scan.pixels.dtype
        assert pair.decoy.pixels.shape == scan.pixels.shape
        assert 0 < pair.changed < 1
        assert (pair.decoy.pixels <= scan.pixels).all()  # it only absorbs
        assert not np.array_equal(pair.decoy.pixels, scan.pixels)
        assert pair.decoy.assumptions[-1] == "decoys were projected into this scan"


def test_the_same_seed_projects_the_same_pieces(tmp_path):
    records = records_of(tmp_path, "pseudocolour")
    first, again, other = (pairs_of(records, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a.decoy.pixels, b.decoy.pixels) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a.decoy.pixels, b.decoy.pixels) for a, b in zip(first, other, strict=True))


def test_a_decoy_holds_no_annotated_item(tmp_path):
    # The donor is white but for its black item, so that any part of it would show as a dark patch.
    clean, donor = records_of(tmp_path, "pseudocolour", count=2, item_on=(1,))
    white = np.full((HEIGHT, WIDTH, 3), 250, np.uint8)
    white[ITEM[1] : ITEM[3], ITEM[0] : ITEM[2]] = 0
    cv2.imwrite(str(donor.path), white)
    pairs = [pair for seed in range(8) for pair in pairs_of([clean, donor], [0], seed)]
    assert pairs
    assert all(pair.changed == 0 for pair in pairs)


def test_a_source_of_one_scan_gives_no_decoy(tmp_path):
    one = records_of(tmp_path, "pseudocolour", count=1, source="alone")
    two = records_of(tmp_path, "pseudocolour", count=2)
    assert [pair.row for pair in pairs_of([*one, *two])] == [1, 2]


def test_a_scanner_of_one_scan_borrows_from_its_source(tmp_path):
    records = records_of(tmp_path, "pseudocolour", count=2)
    apart = [replace(record, scanner=str(number)) for number, record in enumerate(records)]
    assert [pair.row for pair in pairs_of(apart)] == [0, 1]


def test_an_air_dark_grey_scan_is_darkened_where_it_is_bright():
    grey = np.full((8, 8), 200, np.uint8)
    scan = replace(Scan.in_memory(grey, kind="display_grey", subject="baggage"), polarity="air_dark")
    picture = as_picture(scan)
    assert (picture == 55).all()
    absorbed = with_picture(scan, (picture * 0.5).astype(np.uint8), "note")
    assert (absorbed.pixels == 255 - 27).all()


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["pseudocolour", "display_grey", "transmission-1", "transmission-2"]),
    st.sampled_from(["air_bright", "air_dark"]),
    st.integers(0, 2**32 - 1),
)
def test_a_scan_comes_back_from_its_picture(kind, polarity, seed):
    rng = np.random.default_rng(seed)
    kind, _, channels = kind.partition("-")
    shape = (5, 7) if kind == "display_grey" else (5, 7, int(channels or 3))
    pixels = rng.random(shape, dtype=np.float32) if channels else rng.integers(0, 256, shape).astype(np.uint8)
    scan = replace(Scan.in_memory(pixels, kind=kind, subject="baggage"), polarity=polarity)
    back = with_picture(scan, as_picture(scan), "note")
    assert back.pixels.dtype == pixels.dtype
    assert np.array_equal(back.pixels, pixels)


@settings(max_examples=20, deadline=None)
@given(st.integers(8, 60), st.integers(8, 60), st.integers(4, 90), st.integers(4, 90))
def test_nothing_stays_nothing_at_every_size(height, width, to_height, to_width):
    imprint = Imprint(np.ones((height, width, 3), np.float32), (1.0, 1.0, width - 1.0, height - 1.0))
    assert (imprint.resized(to_width, to_height).factor == 1.0).all()


def write_bags(folder, *, clean=10, items=6):
    """Bags of one source; `items` of them have a black square that is annotated."""
    document = CocoDocument(categories=[{"id": 1, "name": "disc"}], sources={"site": {"labelled": ["disc"]}})
    rng = np.random.default_rng(1)
    for number in range(clean + items):
        boxed = number < items
        file_name = f"{number}.png"
        write_scan(folder / "images" / file_name, bag_pixels(rng, item=boxed), "pseudocolour")
        row = {"id": number + 1, "file_name": file_name, "width": WIDTH, "height": HEIGHT, "source": "site"}
        document.images.append(row)
        if boxed:
            box = (ITEM[0], ITEM[1], ITEM[2] - ITEM[0], ITEM[3] - ITEM[1])
            document.annotations.append(annotation(number + 1, number + 1, 1, box))
    return document.write(folder / "bags.json")


def run(*words):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return evaluate.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def model(tmp_path):
    """Scores a window by how dark it is, so that whatever absorbs raises its score."""
    contract = blob_contract(classes=("disc", "bar"))
    return make_blob_model(tmp_path / "m.onnx", contract=contract, operating_points={"by hand": 0.45})


def test_alarm_rates_stand_side_by_side_in_json_and_report(model, tmp_path, capsys):
    words = [model, "--data", write_bags(tmp_path), "--null-projections", "--samples", 0]
    assert run(*words, "--json", "--out", tmp_path / "out") == 0
    null = json.loads(capsys.readouterr().out)["null_projections"]
    assert null["identical_with_nothing_projected"] == {"count": 10, "of": 10}
    assert null["clean_scans_without_place"] == 0
    assert 0 < null["median_share_of_pixels_changed_by_decoys"] < 1
    assert [table["thresholds"] for table in null["tables"]] == [
        "by hand of the model's sidecar",
        "pfa=0.01 fitted here",
        "pfa=0.05 fitted here",
        "pfa=0.1 fitted here",
        "each class at PFA 5%",
    ]
    for table in null["tables"]:
        before, nothing, decoys = table["rows"]
        assert [row["origin"] for row in table["rows"]] == ["real", "projected", "projected"]
        assert nothing["alarms"] == before["alarms"]
        assert nothing["alarm_only_here"] == nothing["alarm_only_as_they_are"] == 0
        for row in table["rows"]:
            assert (
                row["alarms"]["of"] == row["by_source"]["site"]["of"] == row["by_class"]["disc"]["of"] == 10
            )
            assert len(row["alarms"]["wilson95"]) == 2
        gained = decoys["alarm_only_here"] - decoys["alarm_only_as_they_are"]
        assert decoys["alarms"]["count"] - before["alarms"]["count"] == gained
    # This model takes any absorption for an item, and the decoys show it.
    by_hand = null["tables"][0]["rows"]
    assert by_hand[2]["alarms"]["count"] > by_hand[0]["alarms"]["count"]
    html = (tmp_path / "out" / "report.html").read_text()
    assert "<h2>Null projections</h2>" in html
    assert "10 of 10 pictures came out identical" in html
    assert "decoys projected" in html
    run(*words)
    assert "10 of 10 clean scans identical after projection of nothing" in capsys.readouterr().out


def test_without_the_option_nothing_is_projected(model, tmp_path, capsys):
    assert run(model, "--data", write_bags(tmp_path), "--samples", 0, "--json") == 0
    assert json.loads(capsys.readouterr().out)["null_projections"] is None


def test_data_without_clean_scans_is_refused(model, tmp_path):
    with pytest.raises(DataSetError, match="0 clean scans found in 'bags', expected 1"):
        run(model, "--data", write_bags(tmp_path, clean=0), "--null-projections", "--samples", 0)
    empty = write_bags(tmp_path, clean=3, items=0)
    for path in (tmp_path / "images").iterdir():
        cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    with pytest.raises(DataSetError, match="in none of the 3 clean scans a place was found"):
        run(model, "--data", empty, "--null-projections", "--samples", 0)
