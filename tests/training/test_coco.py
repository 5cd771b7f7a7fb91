import json

import numpy as np
import pytest

from cargosight_models.errors import DataSetError
from cargosight_models.labels import ClassSet
from cargosight_training.datasets.coco import merge, only, read_coco, relabel, without
from tests.made.datasets import CLASSES, MadeSource, annotation, make_dataset, tiny_document


def test_reads_boxes_masks_sources_and_scanners(tmp_path):
    dataset = read_coco(tiny_document(tmp_path).write(tmp_path / "tiny.json"))
    assert dataset.name == "tiny"
    assert dataset.classes.names == ("gun", "knife")  # in the order of the category ids
    first, second = dataset.images
    assert first.annotations.boxes.tolist() == [[4, 5, 24, 15]]
    assert first.annotations.class_ids.tolist() == [1]
    assert first.labelled.tolist() == [True, True]
    assert (first.group, second.group, second.scanner) == ("site", "site/2", "2")
    assert len(second.annotations.boxes) == 0
    assert dataset.notes == ()
    assert first.path.is_file()


def test_images_lie_beside_the_file_when_there_is_no_images_folder(tmp_path):
    document = tiny_document(tmp_path)
    (tmp_path / "images").rename(tmp_path / "labels")
    path = document.write(tmp_path / "labels" / "tiny.json")
    assert read_coco(path).images[0].path == tmp_path / "labels" / "a.png"


def test_images_folder_can_be_given(tmp_path):
    document = tiny_document(tmp_path / "pictures")
    path = document.write(tmp_path / "tiny.json")
    with pytest.raises(DataSetError, match="2 of 2 images do not exist"):
        read_coco(path)
    assert len(read_coco(path, images_dir=tmp_path / "pictures" / "images")) == 2


def test_without_a_sources_table_every_class_is_labelled(tmp_path):
    document = tiny_document(tmp_path)
    document.sources = None
    for row in document.images:
        del row["source"]
    dataset = read_coco(document.write(tmp_path / "shelf.json"))
    assert dataset.sources == ("shelf",)
    assert all(image.labelled.all() for image in dataset.images)


def test_a_box_just_over_the_edge_is_clipped_and_counted(tmp_path):
    document = tiny_document(tmp_path)
    document.annotations = [annotation(1, 1, 7, (-1.5, 40, 20, 9))]
    dataset = read_coco(document.write(tmp_path / "tiny.json"))
    assert dataset.images[0].annotations.boxes.tolist() == [[0, 40, 18.5, 48]]
    assert dataset.notes == ("1 boxes reached over the picture's edge and were clipped to it",)


def test_given_classes_reorder_ids_and_masks(tmp_path):
    document = tiny_document(tmp_path)
    document.sources = {"site": {"labelled": ["knife"]}}
    path = document.write(tmp_path / "tiny.json")
    dataset = read_coco(path, classes=ClassSet(("knife", "bomb", "gun")))
    assert dataset.images[0].annotations.class_ids.tolist() == [0]
    assert dataset.images[0].labelled.tolist() == [True, False, False]
    with pytest.raises(DataSetError, match="gun"):
        read_coco(path, classes=ClassSet(("knife", "bomb")))


def break_by(**changes):
    """A change of the tiny document: `images__0__width=0` sets images[0]["width"] to 0."""

    def change(document):
        for path, value in changes.items():
            *parts, last = (int(part) if part.isdigit() else part for part in path.split("__"))
            place = document
            for part in parts:
                place = place[part]
            if value is DELETE:
                del place[last]
            else:
                place[last] = value

    return change


DELETE = object()
BROKEN = [
    (break_by(images=DELETE), "key 'images' is missing"),
    (break_by(images=[]), "there are no images"),
    (break_by(images={"id": 1}), "'images' must be a list of objects, found dict"),
    (break_by(categories=[]), "there are no categories"),
    (break_by(categories__1__id=7), "category id 7 occurs twice"),
    (break_by(categories__1__name="knife"), "category name 'knife' occurs twice"),
    (break_by(categories__1__name=""), "'name' must be a non-empty text"),
    (break_by(images__1__id=1), "image id 1 occurs twice"),
    (break_by(images__1__id="2"), "'id' must be a whole number, found '2'"),
    (break_by(images__1__file_name="./a.png"), "have the same file name 'a.png'"),
    (break_by(images__1__file_name="c.png"), "1 of 2 images do not exist, first .*c.png"),
    (break_by(images__0__width=0), "'width' must be 1 to"),
    (break_by(images__0__height=True), "'height' must be a whole number"),
    (break_by(images__0__source="sitee"), "did you mean 'site'"),
    (break_by(images__0__scanner=[3]), "'scanner' must be a name or a number"),
    (break_by(annotations__0__image_id=9), "belongs to image 9, which is not among the images"),
    (break_by(annotations__0__category_id=9), r"has category 9, which is not among the categories \(3, 7\)"),
    (break_by(annotations__0__iscrowd=1), "marked `iscrowd`"),
    (break_by(annotations__0__bbox=[1, 2, 3]), "'bbox' must be four numbers"),
    (break_by(annotations__0__bbox=[1, 2, float("nan"), 3]), "'bbox' must be four numbers"),
    (break_by(annotations__0__bbox=[1, 2, 10**400, 3]), "'bbox' must be four numbers"),
    (break_by(annotations__0__bbox=[10, 10, 0, 5]), "has no area"),
    (break_by(annotations__0__bbox=[10, 10, 5, -5]), "has no area"),
    (break_by(annotations__0__bbox=[10, 10, 5, 1e-9]), "has no area"),
    (break_by(annotations__0__bbox=[40, 10, 60, 5]), "reaches 36 px out of image 1"),
    (break_by(annotations__0__bbox=[65, 10, 1, 5]), "out of image 1"),
    (break_by(sources__site__labelled=["gun"]), "does not label that class"),
    (break_by(sources__site__labelled=["knive"]), "did you mean 'knife'"),
    (break_by(sources__site__labelled=DELETE), "must carry 'labelled'"),
    (break_by(sources__site__origin="fake"), "expected one of real, projected, simulated"),
    (break_by(sources=["site"]), "'sources' must be an object"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=[message for _, message in BROKEN])
def test_a_wrong_entry_is_refused_by_name(tmp_path, change, message):
    document = tiny_document(tmp_path).to_dict()
    change(document)
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(document))
    with pytest.raises(DataSetError, match=message) as caught:
        read_coco(path)
    assert str(path) in str(caught.value)


def test_annotation_ids_must_differ(tmp_path):
    document = tiny_document(tmp_path)
    document.annotations *= 2
    with pytest.raises(DataSetError, match="annotation id 1 occurs twice"):
        read_coco(document.write(tmp_path / "tiny.json"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"[]", "a JSON object was expected"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 100_000, "JSON"),
    ],
)
def test_what_is_no_coco_file_is_refused(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(DataSetError, match=message):
        read_coco(path)


def test_a_missing_file_or_a_folder_is_refused(tmp_path):
    with pytest.raises(DataSetError, match="does not exist"):
        read_coco(tmp_path / "none.json")
    with pytest.raises(DataSetError, match="cannot be read"):
        read_coco(tmp_path)


@pytest.fixture
def two_sources(tmp_path):
    sources = (MadeSource("many", scanners=("1", "2", "3"), images=6), MadeSource("one", ("bar",), images=4))
    return read_coco(make_dataset(tmp_path, sources))


def test_only_and_without_divide_the_images(two_sources):
    groups = ["many/3", "one"]
    inside, outside = only(two_sources, groups), without(two_sources, groups)
    assert {image.group for image in inside.images} == {"many/3", "one"}
    assert {image.group for image in outside.images} == {"many/1", "many/2"}
    assert len(inside) + len(outside) == len(two_sources)
    assert len(only(two_sources, ["many"])) == 6


def test_an_unknown_group_is_refused_with_the_nearest(two_sources):
    with pytest.raises(DataSetError, match="did you mean 'many/3'"):
        only(two_sources, ["mny/3"])
    with pytest.raises(DataSetError, match="many/1, many/2"):
        without(two_sources, ["zzz"])
    with pytest.raises(DataSetError, match="no group was named"):
        only(two_sources, [])
    with pytest.raises(DataSetError, match="nothing is left"):
        without(two_sources, ["many", "one"])


def test_merge_joins_class_lists_and_keeps_masks(tmp_path, two_sources):
    document = tiny_document(tmp_path / "other")
    document.categories = [{"id": 1, "name": "bar"}, {"id": 7, "name": "knife"}]
    document.sources = {"site": {"labelled": ["knife"]}}
    other = read_coco(document.write(tmp_path / "other" / "tiny.json"))
    both = merge([two_sources, other])
    assert both.classes.names == (*CLASSES, "knife")
    assert len(both) == 12
    assert both.images[-1].labelled.tolist() == [False, False, False, True]
    assert both.images[10].annotations.class_ids.tolist() == [3]
    assert not any(image.labelled[3] for image in both.images[:10])


def test_merge_refuses_an_image_that_would_count_twice(two_sources):
    with pytest.raises(DataSetError, match="would count twice"):
        merge([two_sources, two_sources])
    with pytest.raises(DataSetError, match="no data set was given"):
        merge([])
    assert merge([two_sources]) is two_sources


def test_relabel_there_and_back_changes_nothing(two_sources):
    wider = relabel(two_sources, ClassSet(("x", *reversed(CLASSES))))
    for before, after in zip(two_sources.images, wider.images, strict=True):
        names = [two_sources.classes.names[i] for i in before.annotations.class_ids]
        assert names == [wider.classes.names[i] for i in after.annotations.class_ids]
        assert np.array_equal(before.labelled, after.labelled[1:][::-1])


def test_a_class_list_that_leaves_a_class_out_is_refused_by_names(two_sources):
    first, *rest = two_sources.classes.names
    with pytest.raises(
        DataSetError, match=rf"has boxes or labels of {first}, which are not among the classes"
    ):
        relabel(two_sources, ClassSet(tuple(rest)))
