"""Reference scans by heading: how a scan compares with them, the file they lie in, and the tables they come from."""

import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.gallery.embedding import scan_embedding
from cargosight_inference.gallery.files import read_gallery, write_gallery
from cargosight_inference.gallery.references import LEAST_REFERENCES, Gallery, Reference
from cargosight_inference.gallery.tables import EMPTY, Declarations, checked_heading, read_table
from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.scan import Scan
from cargosight_models.contract import InputContract
from cargosight_models.errors import CatalogError, ContractError, UsageError

TILED = InputContract(shapes=((64, 96),), colour="radiograph", resize="tiles", overlap=24)
PRINT = "ab" * 32


def sha(number):
    return f"{number:064x}"


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def around(centre, count, seed, spread=0.05):
    return unit(np.asarray(centre) + np.random.default_rng(seed).normal(0.0, spread, (count, len(centre))))


def gallery(counts, seed=0, groups=None):
    """References of each heading around a place of its own, `counts` of them by heading."""
    rows, places = [], []
    for number, (heading, count) in enumerate(counts.items()):
        places.append(around(np.eye(6)[number] + 0.2, count, seed + number))
        for index in range(count):
            key = len(rows)
            group = str(key) if groups is None else f"{heading}-{index % groups}"
            rows.append(Reference(heading, group, sha(key)))
    return Gallery("loads", PRINT, tuple(rows), np.concatenate(places))


def test_a_scan_is_nearest_to_the_heading_that_it_looks_like():
    made = gallery({"4011": 20, "1701": 20, "5201": 20})
    for number, heading in enumerate(("4011", "1701", "5201")):
        found = [made.nearness(scan) for scan in around(np.eye(6)[number] + 0.2, 10, 99)]
        assert {near[0].heading for near in found} == {heading}
        assert np.mean([near[0].typicality for near in found]) > 0.2
        near = found[0]
        assert near[0].references == 20
        assert all(other.typicality == pytest.approx(1 / 21) for other in near[1:])
        assert [one.distance for one in near] == sorted(one.distance for one in near)


def test_typicality_is_spread_evenly_over_scans_that_are_as_declared():
    """Of many scans drawn like the references a share of about t has a typicality of t or less."""
    made = gallery({"4011": 60, "1701": 60})
    found = [made.nearness(scan)[0].typicality for scan in around(np.eye(6)[0] + 0.2, 300, 7)]
    for level in (0.1, 0.25, 0.5):
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=0.12)


def test_too_few_references_give_no_number_and_near_duplicates_count_once():
    made = gallery({"4011": 20, "1701": LEAST_REFERENCES - 1})
    assert made.comparable() == ("4011",)
    assert [near.heading for near in made.nearness(made.embeddings[0])] == ["4011"]
    twins = gallery({"4011": 20}, groups=LEAST_REFERENCES - 1)
    assert twins.counts() == {"4011": (20, LEAST_REFERENCES - 1)}
    assert twins.comparable() == ()
    assert gallery({"4011": 20}, groups=LEAST_REFERENCES).comparable() == ("4011",)


def test_a_near_duplicate_does_not_answer_for_its_twin():
    """Pairs that are the same picture twice would otherwise all lie at no distance, and any other scan be atypical."""
    places = around(np.eye(6)[0] + 0.2, 12, 0)
    rows = [Reference("4011", str(index // 2), sha(index)) for index in range(24)]
    made = Gallery("loads", PRINT, tuple(rows), np.repeat(places, 2, axis=0))
    found = [made.nearness(scan)[0].typicality for scan in around(np.eye(6)[0] + 0.2, 40, 5)]
    assert np.mean(found) > 0.25


def test_references_are_added_replaced_and_removed():
    made = gallery({"4011": 9, "1701": 9})
    changed = made.with_references([Reference("5201", "x", sha(0))], made.embeddings[:1])
    assert {name: count for name, (count, _) in changed.counts().items()} == {"1701": 9, "4011": 8, "5201": 1}
    rest = changed.without(["4011"], [sha(0)])
    assert list(rest.counts()) == ["1701"]
    assert np.array_equal(rest.embeddings, made.embeddings[9:])
    with pytest.raises(UsageError, match="no heading 9999"):
        made.without(["9999"], [])
    with pytest.raises(UsageError, match="no scan"):
        made.without([], [sha(77)])


def test_what_is_no_gallery_is_refused():
    rows = (Reference("4011", "a", sha(0)), Reference("4011", "b", sha(0)))
    with pytest.raises(UsageError, match="same scan twice"):
        Gallery("loads", PRINT, rows, unit(np.ones((2, 4))))
    with pytest.raises(UsageError, match="length than 1"):
        Gallery("loads", PRINT, rows[:1], np.ones((1, 4), np.float32))
    with pytest.raises(UsageError, match="float32"):
        Gallery("loads", PRINT, rows[:1], np.ones((2, 4), np.float32))
    with pytest.raises(UsageError, match="build the gallery again"):
        gallery({"4011": 9}).nearness(np.ones(3, np.float32))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["4011", "1701", EMPTY, "Kaffee, roh 0901 ä"]), min_size=1, max_size=12))
def test_a_gallery_comes_back_from_its_file(tmp_path_factory, headings):
    rows = tuple(Reference(heading, f"g{index}", sha(index)) for index, heading in enumerate(headings))
    made = Gallery("loads", PRINT, rows, around(np.ones(5), len(rows), 0))
    path = tmp_path_factory.mktemp("gallery") / "site.npz"
    write_gallery(path, made)
    back = read_gallery(path, PRINT)
    assert (back.model, back.fingerprint, back.references) == (made.model, made.fingerprint, made.references)
    assert np.array_equal(back.embeddings, made.embeddings)
    assert [entry.name for entry in path.parent.iterdir()] == ["site.npz"]


def test_a_gallery_serves_its_own_model_alone(tmp_path):
    write_gallery(tmp_path / "site.npz", gallery({"4011": 3}))
    with pytest.raises(CatalogError, match="was built with loads abab"):
        read_gallery(tmp_path / "site.npz", "cd" * 32)


def test_files_are_replaced_only_when_asked(tmp_path):
    path = tmp_path / "site.npz"
    write_gallery(path, gallery({"4011": 3}))
    with pytest.raises(UsageError, match="exists already"):
        write_gallery(path, gallery({"4011": 4}))
    write_gallery(path, gallery({"4011": 4}), force=True)
    assert len(read_gallery(path).references) == 4
    with pytest.raises(UsageError, match="ends in"):
        write_gallery(tmp_path / "site.zip", gallery({"4011": 3}))
    with pytest.raises(UsageError, match="no folder"):
        write_gallery(tmp_path / "nowhere" / "site.npz", gallery({"4011": 3}))
    with pytest.raises(UsageError, match="without references"):
        write_gallery(tmp_path / "none.npz", gallery({"4011": 3}).without(["4011"], []))


def about(**changes):
    row = {"heading": "4011", "group": "a", "sha256": sha(0)}
    return {"schema": 1, "model": "loads", "fingerprint": PRINT, "references": [row], **changes}


def archive(path, description, embeddings, **more):
    text = description if isinstance(description, bytes) else json.dumps(description).encode()
    np.savez(path, about=np.frombuffer(text, np.uint8)[None], embeddings=embeddings, **more)
    return path


ONE = unit(np.ones((1, 4)))


@pytest.mark.parametrize(
    ("description", "embeddings", "said"),
    [
        (b"{", ONE, "no JSON"),
        (b"[" * 100_000, ONE, "no JSON"),
        ([], ONE, "schema"),
        (about(schema=2), ONE, "schema is 2; this version reads 1"),
        (about(fingerprint="xyz"), ONE, "fingerprint"),
        (about(references=[{"heading": "4011"}]), ONE, "expected heading, group and sha256"),
        (about(references=[{"heading": "", "group": "a", "sha256": sha(0)}]), ONE, "a heading is ''"),
        (about(references=[{"heading": "1", "group": 5, "sha256": sha(0)}]), ONE, "expected texts"),
        (about(), unit(np.ones((2, 4))), "of 1 references"),
        (about(), ONE.astype(np.float64), "float64"),
        (about(), ONE * np.nan, "another length"),
        (about(), np.array([[{}]], dtype=object), "Python objects"),
    ],
)
def test_files_that_are_no_gallery_are_refused(tmp_path, description, embeddings, said):
    path = archive(tmp_path / "site.npz", description, embeddings)
    with pytest.raises(CatalogError, match=said):
        read_gallery(path)


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "site.npz"
    with pytest.raises(CatalogError, match="cannot be read"):
        read_gallery(path)
    write_gallery(path, gallery({"4011": 30}))
    whole = path.read_bytes()
    for end in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(CatalogError, match=r"damaged|no gallery"):
            read_gallery(path)
    archive(path, about(), ONE, more=np.zeros(3))
    with pytest.raises(CatalogError, match="expected about and embeddings"):
        read_gallery(path)
    with zipfile.ZipFile(path, "w") as held:
        held.writestr("about.npy", b"nothing")
        held.writestr("embeddings.npy", b"nothing")
    with pytest.raises(CatalogError, match="no gallery"):
        read_gallery(path)


def tiles_of(width, height):
    pixels = np.ones((height, width, 1), np.float32)
    return preprocess(Scan.in_memory(pixels, kind="transmission", subject="cargo"), TILED)


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(st.integers(20, 400), st.integers(20, 300)),
    st.lists(st.floats(-0.2, 1.2), min_size=4, max_size=4),
)
def test_tiles_that_agree_give_what_they_agree_on(size, corners):
    made = tiles_of(*size)
    xs, ys = sorted(corners[:2]), sorted(corners[2:])
    box = (xs[0] * size[0], ys[0] * size[1], xs[1] * size[0], ys[1] * size[1])
    same = np.tile(np.array([3.0, 4.0], np.float32), (len(made.views), 1))
    np.testing.assert_allclose(scan_embedding(same, made, box), [0.6, 0.8], atol=1e-6)


def test_tiles_beside_the_cargo_box_do_not_count():
    made = tiles_of(400, 64)
    tiles = np.tile(np.array([0.0, 1.0], np.float32), (len(made.views), 1))
    tiles[0] = (1.0, 0.0)
    left, _, right, _ = made.window(1)
    assert scan_embedding(tiles, made, (right - 20, 0, 400, 64))[0] == 0.0
    both = scan_embedding(tiles, made, (0, 0, right, 64))
    assert 0.0 < both[0] < 1.0
    wider = scan_embedding(tiles, made, (0, 0, left + 10, 64))
    assert wider[0] > both[0]


@pytest.mark.parametrize("wrong", [np.zeros((1, 4)), np.full((1, 4), np.nan), np.ones((2, 4)), np.ones(4)])
def test_embeddings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ContractError, match="export it again"):
        scan_embedding(wrong.astype(np.float32), tiles_of(60, 60), None)


def test_tables_name_scans_and_headings(tmp_path):
    path = tmp_path / "refs.csv"
    path.write_text("\ufeffpath,heading,group\na/1.tif, 4011 ,7\n/b/2.tif,Empty,\n", encoding="utf-8")
    rows = read_table(path)
    assert [(row.path, row.heading, row.group) for row in rows] == [
        (str(tmp_path / "a/1.tif"), "4011", "7"),
        ("/b/2.tif", EMPTY, ""),
    ]
    same = [{"path": "a/1.tif", "heading": "4011", "group": 7}, {"path": "/b/2.tif", "heading": "empty"}]
    (tmp_path / "refs.json").write_text(json.dumps(same))
    assert read_table(tmp_path / "refs.json") == rows


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "", "expected path, heading"),
        ("t.csv", "path,heading\n", "has no rows"),
        ("t.csv", "path,headin\na,b\n", "did you mean 'heading'"),
        ("t.csv", "path,heading\na\n", "number of fields"),
        ("t.csv", "path,heading\na,b,c\n", "number of fields"),
        ("t.csv", "path,heading\na,\n", "a heading is ''"),
        ("t.csv", "path,heading\n,4011\n", "expected the path"),
        ("t.csv", 'path,heading\n"a,4011\n', "no CSV"),
        ("t.csv", "path,heading\na,4011\n./a,1701\n", "again"),
        ("t.json", "{", "no JSON"),
        ("t.json", "{}", "expected a list"),
        ("t.json", "[3]", "expected an object"),
        ("t.json", '[{"path": "a", "heading": 4011}]', "expected a text"),
        ("t.json", '[{"path": "a"}]', "expected path, heading"),
    ],
)
def test_wrong_tables_are_refused(tmp_path, name, text, said):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_table(path)


def test_declarations_are_found_by_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = Declarations.checked({"lane/1.tif": "4011"})
    assert found.of(str(tmp_path / "lane" / ".." / "lane" / "1.tif")) == "4011"
    assert found.of("1.tif") is None
    assert found.of(None) is None
    assert Declarations.checked("EMPTY").of(None) == EMPTY
    with pytest.raises(UsageError, match="1 to 64 letters"):
        checked_heading("x" * 65)
