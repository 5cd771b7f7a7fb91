import argparse
import json

import pytest

from cargosight_models.errors import CargosightError, DataSetError
from cargosight_training.commands import convert
from cargosight_training.datasets.coco import read_coco
from tests.made.datasets import counts_by_class, voc_xml, write_blank


def run_convert(*words):
    parser = argparse.ArgumentParser()
    convert.add_arguments(parser)
    return convert.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def voc_folder(tmp_path):
    folder = tmp_path / "bags"
    for name in ("one", "two"):
        write_blank(folder / "JPEGImages" / f"{name}.png")
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "one.xml").write_text(
        voc_xml("one.png", (64, 48), [("gun", (1, 1, 10, 20)), ("knife", (30, 5, 64, 48))])
    )
    (folder / "Annotations" / "two.xml").write_text(voc_xml("two.png", (64, 48), []))
    return folder


@pytest.fixture
def yolo_folder(tmp_path):
    folder = tmp_path / "set"
    for split in ("train", "val"):
        write_blank(folder / split / "images" / "a.png")
        (folder / split / "labels").mkdir()
    (folder / "train" / "labels" / "a.txt").write_text(
        "1 0.5 0.5 0.25 0.5\n0 0.1 0.1 0.3 0.1 0.3 0.4 0.1 0.4\n"
    )
    (folder / "data.yaml").write_text("names: [gun, knife]\ntrain: ../train/images\nval: val/images\n")
    return folder


def test_voc_pixels_count_from_one(voc_folder, tmp_path, capsys):
    out = tmp_path / "voc.json"
    assert run_convert("voc", voc_folder, "--out", out) == 0
    dataset = read_coco(out)
    assert dataset.classes.names == ("gun", "knife")
    assert dataset.sources == ("bags",)
    first, second = dataset.images
    assert first.annotations.boxes.tolist() == [[0, 0, 10, 20], [29, 4, 64, 48]]
    assert len(second.annotations.boxes) == 0
    assert first.path.is_file()
    assert "2 images, 2 boxes (gun 1, knife 1)" in capsys.readouterr().out


def test_voc_edges_that_count_from_zero(voc_folder, tmp_path):
    xml = voc_folder / "Annotations" / "one.xml"
    xml.write_text(voc_xml("one.png", (64, 48), [("gun", (0, 0, 10, 20))]))
    with pytest.raises(DataSetError, match="--first-pixel 0"):
        run_convert("voc", voc_folder, "--out", tmp_path / "voc.json")
    run_convert("voc", voc_folder, "--out", tmp_path / "voc.json", "--first-pixel", 0)
    assert read_coco(tmp_path / "voc.json").images[0].annotations.boxes.tolist() == [[0, 0, 10, 20]]


def test_voc_split_terms_and_a_file_inside_the_folder(voc_folder):
    lists = voc_folder / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("one 1\n\n")
    out = voc_folder / "train.json"
    terms = ("--source", "site", "--scanner", "7", "--labelled", "gun, knife", "--origin", "simulated")
    run_convert("voc", voc_folder, "--out", out, "--split", "train", *terms)
    document = json.loads(out.read_text())
    assert [row["file_name"] for row in document["images"]] == ["JPEGImages/one.png"]
    assert document["sources"] == {"site": {"labelled": ["gun", "knife"], "origin": "simulated"}}
    assert read_coco(out).images[0].group == "site/7"
    with pytest.raises(DataSetError, match="lists found: train"):
        run_convert("voc", voc_folder, "--out", voc_folder / "val.json", "--split", "val")


def test_voc_beside_its_images_and_a_foreign_path(tmp_path):
    write_blank(tmp_path / "flat" / "one.png")
    (tmp_path / "flat" / "one.xml").write_text(voc_xml("D:\\x\\one.png", (64, 48), [("gun", (2, 2, 5, 5))]))
    run_convert("voc", tmp_path / "flat", "--out", tmp_path / "flat.json")
    assert len(read_coco(tmp_path / "flat.json")) == 1


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("", "is not XML"),
        ("<annotation>", "is not XML"),
        ("<html/>", "starts with <html>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "declares a document type"),
        (voc_xml("none.png", (64, 48), []).replace("none", "one"), None),
        (voc_xml("one.png", (65, 48), []), "says width 65, but .* has 64"),
        (voc_xml("one.png", (64, 48), [("gun", ("a", 1, 2, 3))]), "xmin of a box must be a number"),
        (voc_xml("one.png", (64, 48), [("gun", (5, 5, 4, 9))]), "has no area"),
        (voc_xml("one.png", (64, 48), [("gun", (5, 5, "nan", 9))]), "has no area"),
        (voc_xml("one.png", (64, 48), [("", (5, 5, 9, 9))]), "object without a name"),
        (
            voc_xml("one.png", (64, 48), [("gun", (5, 5, 90, 9))]),
            r"one\.xml: a box .* reaches 26 px out of its picture",
        ),
        ('<?xml version="1.0" encoding="no-such"?><annotation/>', "is not XML"),
    ],
)
def test_wrong_voc_files_are_refused_and_nothing_is_written(voc_folder, tmp_path, xml, message):
    (voc_folder / "Annotations" / "one.xml").write_text(xml)
    (voc_folder / "Annotations" / "two.xml").write_text(voc_xml("two.png", (64, 48), [("gun", (1, 1, 5, 5))]))
    out = tmp_path / "voc.json"
    if message is None:
        assert run_convert("voc", voc_folder, "--out", out) == 0
        return
    with pytest.raises(DataSetError, match=message):
        run_convert("voc", voc_folder, "--out", out)
    assert list(tmp_path.glob("*voc.json*")) == []


def test_a_missing_or_unreadable_image_is_refused(voc_folder, tmp_path):
    (voc_folder / "JPEGImages" / "one.png").write_bytes(b"not a picture")
    with pytest.raises(DataSetError, match="cannot be read"):
        run_convert("voc", voc_folder, "--out", tmp_path / "voc.json")
    (voc_folder / "JPEGImages" / "one.png").unlink()
    with pytest.raises(DataSetError, match="was not found"):
        run_convert("voc", voc_folder, "--out", tmp_path / "voc.json")


def test_yolo_boxes_polygons_and_images_without_labels(yolo_folder, tmp_path, capsys):
    out = tmp_path / "yolo.json"
    assert run_convert("yolo", yolo_folder, "--out", out) == 0
    dataset = read_coco(out)
    assert dataset.classes.names == ("gun", "knife")
    first, second = dataset.images
    assert first.annotations.class_ids.tolist() == [1, 0]
    assert first.annotations.boxes[0].tolist() == [24, 12, 40, 36]
    assert first.annotations.boxes[1].tolist() == pytest.approx([6.4, 4.8, 19.2, 19.2])
    assert len(second.annotations.boxes) == 0
    assert counts_by_class(json.loads(out.read_text())) == {"gun": 1, "knife": 1}
    assert "2 images, 2 boxes" in capsys.readouterr().out


def test_yolo_split_by_folder_and_by_list(yolo_folder, tmp_path):
    run_convert("yolo", yolo_folder, "--out", tmp_path / "train.json", "--split", "train")
    assert len(read_coco(tmp_path / "train.json")) == 1
    (yolo_folder / "val.txt").write_text("val/images/a.png\n")
    (yolo_folder / "data.yaml").write_text("names: {0: gun, 1: knife}\nval: val.txt\ntrain: train/images\n")
    with pytest.raises(DataSetError, match="none of the 1 images"):
        run_convert("yolo", yolo_folder, "--out", tmp_path / "val.json", "--split", "val")
    with pytest.raises(DataSetError, match="no images under the key 'test'"):
        run_convert("yolo", yolo_folder, "--out", tmp_path / "test.json", "--split", "test")


def test_yolo_with_classes_txt_and_labels_beside(tmp_path):
    write_blank(tmp_path / "flat" / "a.png")
    (tmp_path / "flat" / "a.txt").write_text("0 0.5 0.5 1 1")
    (tmp_path / "flat" / "classes.txt").write_text("gun\nknife\n")
    run_convert("yolo", tmp_path / "flat", "--out", tmp_path / "flat.json", "--labelled", "gun")
    dataset = read_coco(tmp_path / "flat.json")
    assert dataset.images[0].annotations.boxes.tolist() == [[0, 0, 64, 48]]
    assert dataset.images[0].labelled.tolist() == [True, False]
    with pytest.raises(DataSetError, match="did you mean 'gun'"):
        run_convert("yolo", tmp_path / "flat", "--out", tmp_path / "b.json", "--labelled", "gum")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.1 0.1", "class number 2 found"),
        ("gun 0.5 0.5 0.1 0.1", "a class number and shares"),
        ("0 0.5 0.5 0.1", "found 3"),
        ("0 50 50 10 10", "shares of the image"),
        ("0 nan 0.5 0.1 0.1", "shares of the image"),
        ("0 0.5 0.5 0 0.1", "has no area"),
        ("0 1.0 0.5 0.9 0.1", "out of its picture"),
    ],
)
def test_wrong_yolo_lines_are_refused(yolo_folder, tmp_path, line, message):
    (yolo_folder / "train" / "labels" / "a.txt").write_text(f"\n{line}\n")
    with pytest.raises(DataSetError, match=message) as caught:
        run_convert("yolo", yolo_folder, "--out", tmp_path / "x.json")
    assert "line 2" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("names: {0: gun, 2: knife}", "numbered 0 to 1"),
        ("names: 3", "list or a mapping"),
        ("names: []", "each class once"),
        ("names: [gun, gun]", "each class once"),
        ("names: [", "is not valid YAML"),
        ("names: [gun, ' ']", "each class once"),
        ("[gun]", "list or a mapping"),
        (None, "neither data.yaml nor classes.txt"),
    ],
)
def test_wrong_yolo_settings_are_refused(yolo_folder, tmp_path, settings, message):
    file = yolo_folder / "data.yaml"
    file.unlink() if settings is None else file.write_text(settings)
    with pytest.raises(CargosightError, match=message):
        run_convert("yolo", yolo_folder, "--out", tmp_path / "x.json")


@pytest.mark.parametrize("name", ["data.yaml", "train/labels/a.txt", "list.txt"])
def test_a_yolo_file_that_is_no_utf8_is_named(yolo_folder, tmp_path, name):
    (yolo_folder / "data.yaml").write_text("names: [gun, knife]\ntrain: list.txt\n")
    (yolo_folder / "list.txt").write_text("train/images/a.png\n")
    (yolo_folder / name).write_bytes(b"names: [gun\xff]")
    with pytest.raises(CargosightError, match=f"{name} is no text file in UTF-8"):
        run_convert("yolo", yolo_folder, "--out", tmp_path / "x.json", "--split", "train")


def test_a_listed_image_that_occurs_twice_is_named(yolo_folder, tmp_path):
    (yolo_folder / "list.txt").write_text("train/images/a.png\ntrain/images/a.png\n")
    (yolo_folder / "data.yaml").write_text("names: [gun, knife]\ntrain: list.txt\n")
    with pytest.raises(DataSetError, match=r"a\.png is listed twice"):
        run_convert("yolo", yolo_folder, "--out", tmp_path / "x.json", "--split", "train")


def test_a_folder_of_clean_bags_needs_the_classes_that_were_looked_for(voc_folder, tmp_path):
    (voc_folder / "Annotations" / "one.xml").unlink()
    with pytest.raises(DataSetError, match="name those that were looked for with --labelled"):
        run_convert("voc", voc_folder, "--out", tmp_path / "voc.json")
    run_convert("voc", voc_folder, "--out", tmp_path / "voc.json", "--labelled", "knife,gun")
    dataset = read_coco(tmp_path / "voc.json")
    assert dataset.classes.names == ("gun", "knife")
    assert [image.labelled.all() for image in dataset.images] == [True]


def test_a_class_may_be_looked_for_in_vain_but_no_box_is_dropped(voc_folder, tmp_path):
    out = tmp_path / "voc.json"
    run_convert("voc", voc_folder, "--out", out, "--labelled", "gun,knife,bomb")
    assert read_coco(out).classes.names == ("bomb", "gun", "knife")
    with pytest.raises(DataSetError, match=r"one\.png has a box of 'knife', which --labelled leaves out"):
        run_convert("voc", voc_folder, "--out", out, "--labelled", "gun", "--force")


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--source", " "], "give it one with --source"), ([], "is a folder; name the file")],
)
def test_errors_name_the_option(voc_folder, tmp_path, options, message):
    out = tmp_path / "x.json" if options else tmp_path
    with pytest.raises(DataSetError, match=message):
        run_convert("voc", voc_folder, "--out", out, *options)


def test_an_empty_split_list_is_named(voc_folder, tmp_path):
    lists = voc_folder / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("\n")
    with pytest.raises(DataSetError, match=r"the list of the split 'val' in .* is empty"):
        run_convert("voc", voc_folder, "--out", tmp_path / "x.json", "--split", "val")


def test_an_existing_file_is_kept_unless_forced(yolo_folder, tmp_path):
    out = tmp_path / "x.json"
    out.write_text("mine")
    with pytest.raises(DataSetError, match="--force"):
        run_convert("yolo", yolo_folder, "--out", out)
    assert out.read_text() == "mine"
    run_convert("yolo", yolo_folder, "--out", out, "--force")
    assert len(read_coco(out)) == 2


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(DataSetError, match="is not a folder"):
        run_convert("voc", tmp_path / "none", "--out", tmp_path / "x.json")
    with pytest.raises(DataSetError, match="holds no XML files"):
        run_convert("voc", tmp_path, "--out", tmp_path / "x.json")


def test_a_folder_of_clean_scans(tmp_path, capsys):
    for name in ("a", "deeper/b"):
        write_blank(tmp_path / "clean" / f"{name}.png")
    out = tmp_path / "clean.json"
    words = ("clean", tmp_path / "clean", "--out", out, "--source", "lane")
    with pytest.raises(CargosightError, match="name it with --labelled"):
        run_convert(*words)
    assert run_convert(*words, "--labelled", "gun,knife") == 0
    assert "2 images, 0 boxes" in capsys.readouterr().out
    dataset = read_coco(out)
    assert dataset.classes.names == ("gun", "knife")
    assert all(image.labelled.all() and len(image.annotations) == 0 for image in dataset.images)
    (tmp_path / "clean" / "cut.png").write_bytes((tmp_path / "clean" / "a.png").read_bytes()[:40])
    assert run_convert(*words, "--labelled", "gun,knife", "--force") == 0  # the others are not lost for it
    said = capsys.readouterr().out
    assert f"left out: image {tmp_path / 'clean' / 'cut.png'} cannot be read" in said
    assert "2 images, 0 boxes" in said
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no scan")
    with pytest.raises(DataSetError, match="none of the 1 files of"):
        run_convert("clean", tmp_path / "broken", "--out", tmp_path / "c.json", "--labelled", "gun")
    (tmp_path / "none").mkdir()
    with pytest.raises(DataSetError, match="holds no images"):
        run_convert("clean", tmp_path / "none", "--out", tmp_path / "b.json", "--labelled", "gun")
