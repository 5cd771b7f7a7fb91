"""Declared against observed, from a made model and made boxes to findings and decisions."""

import json

import numpy as np
import pytest

from cargosight_inference.cli import main
from cargosight_inference.declared import UNLIKE_AT, Declared, compare, contradictions
from cargosight_inference.gallery.building import build, gather
from cargosight_inference.gallery.files import read_gallery
from cargosight_inference.gallery.references import Gallery, Reference
from cargosight_inference.inspector import Inspector
from cargosight_inference.policy import Policy
from cargosight_inference.scans.attenuation import POLYETHYLENE, STEEL
from cargosight_inference.scans.load_state import LoadState
from cargosight_models.errors import CatalogError, UsageError
from tests.made.models import blob_contract, make_blob_model, make_cargo_model
from tests.made.radiographs import FLOOR, LEFT, RIGHT, ROOF, Block, transmission

LOOKS = {
    "1701": (POLYETHYLENE, 25.0, 0.25),
    "7204": (STEEL, 90.0, 0.3),
    "empty": (POLYETHYLENE, 0.0, 1.0),
}
"""Material, g/cm2, and share of the height that stays free."""
EACH = 9


def scan_file(path, heading, seed):
    """Write a dual-energy scan of a heading, a little different with each seed."""
    material, load, free = LOOKS[heading]
    random = np.random.default_rng((seed, len(heading)))
    top = int(ROOF + (FLOOR - ROOF) * (free + random.uniform(-0.05, 0.05)))
    block = Block(LEFT + 20, min(top, FLOOR), RIGHT - 20, FLOOR, material, load * random.uniform(0.9, 1.1))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, transmission((block,) if load else (), seed=seed, counts=5000.0))
    return path


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A folder with references by heading, a model, and the model's gallery."""
    folder = tmp_path_factory.mktemp("site")
    for heading in LOOKS:
        for seed in range(EACH):
            scan_file(folder / "refs" / heading / f"{seed}.npy", heading, seed)
    model = make_cargo_model(folder / "loads.onnx")
    code = main(
        [
            "gallery",
            "build",
            "--model",
            str(model),
            "--out",
            str(folder / "site.gallery.npz"),
            str(folder / "refs"),
        ]
    )
    assert code == 0
    return folder


def inspector(house, **settings):
    return Inspector(
        house / "loads.onnx",
        threshold=1.0,
        policy=settings.pop("policy", Policy(refer_opaque_above=1.0)),
        gallery=house / "site.gallery.npz",
        **settings,
    )


def test_a_gallery_is_built_from_folders_named_by_heading(house, capsys):
    gallery = read_gallery(house / "site.gallery.npz")
    assert gallery.counts() == dict.fromkeys(sorted(LOOKS), (EACH, EACH))
    assert main(["gallery", "show", str(house / "site.gallery.npz")]) == 0
    assert f"1701          {EACH} references" in capsys.readouterr().out
    assert main(["gallery", "show", "--json", str(house / "site.gallery.npz")]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["fingerprint"] == gallery.fingerprint
    assert len(set(shown["headings"]["7204"]["sha256"])) == EACH
    assert shown["headings"]["empty"]["enough"]


@pytest.mark.parametrize("heading", list(LOOKS))
def test_a_load_as_declared_is_typical_and_ranks_first(house, tmp_path, heading):
    path = scan_file(tmp_path / "new.npy", heading, 100)
    found = inspector(house).inspect(path, declared=heading)
    assert found.declared.heading == heading
    assert (found.declared.rank, found.declared.headings) == (1, 3)
    assert found.declared.typicality > 1 / (EACH + 1)
    assert found.declared.nearest[0].heading == heading
    assert len(found.findings) == 0
    assert found.decision == "clear"
    assert found.to_dict()["declared"]["rank"] == 1


def test_another_load_than_declared_is_atypical(house, tmp_path):
    found = inspector(house, declared="1701").inspect(scan_file(tmp_path / "new.npy", "7204", 100))
    assert found.declared.rank > 1
    assert found.declared.typicality == pytest.approx(1 / (EACH + 1))
    assert found.declared.nearest[0].heading == "7204"
    assert found.findings.labels == ("unlike_declared",)
    assert found.decision == "clear"
    strict = inspector(
        house, declared="1701", policy=Policy(refer_unlike_declared=True, refer_opaque_above=1.0)
    )
    assert strict.inspect(tmp_path / "new.npy").decision == "refer"


def test_empty_and_loaded_that_contradict_the_declaration_refer_in_neutral_words(house, tmp_path):
    loaded, empty = (scan_file(tmp_path / f"{heading}.npy", heading, 100) for heading in ("7204", "empty"))
    given = inspector(house, declared={loaded: "empty", empty: "7204"})
    first, second = given.stream([loaded, empty])
    assert (first.load_state, second.load_state) == ("loaded", "empty")
    assert first.findings.labels == ("declared_empty_looks_loaded",)
    assert second.findings.labels == ("declared_loaded_looks_empty",)
    assert first.findings.scores[0] == pytest.approx(first.load_chance)
    assert second.findings.scores[0] == pytest.approx(1.0 - second.load_chance)
    for found in (first, second):
        assert found.decision == "refer"
        assert found.reasons == (f"{found.findings.labels[0]} {found.findings.scores[0]:.2f}",)
        assert found.findings.kind_names == ("declared",)
        np.testing.assert_allclose(found.findings.boxes[0], found.cargo_box, atol=0.01)
    silent = inspector(house, declared="empty", policy=Policy(refer_declared=False, refer_opaque_above=1.0))
    assert silent.inspect(loaded).decision == "clear"


def test_empty_needs_no_gallery(house, tmp_path):
    plain = make_blob_model(
        tmp_path / "plain.onnx",
        contract=blob_contract(
            subject="cargo",
            kinds=("transmission",),
            input=Inspector(house / "loads.onnx", threshold=1.0).contract.input,
        ),
    )
    path = scan_file(tmp_path / "new.npy", "7204", 100)
    found = Inspector(plain, threshold=1.0).inspect(path, declared=" Empty ")
    assert found.findings.labels == ("declared_empty_looks_loaded",)
    assert (found.declared.heading, found.declared.typicality) == ("empty", None)
    assert "no gallery" in found.declared.note
    with pytest.raises(UsageError, match=r"model\.embedding=true"):
        Inspector(plain, threshold=1.0, gallery=house / "site.gallery.npz")


def made_gallery(count):
    random = np.random.default_rng(0)
    places = np.abs(random.normal(1.0, 0.05, (2 * count, 5))).astype(np.float32)
    places[count:, 0] += 1.0
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    rows = [
        Reference(("1701", "4011")[index >= count], str(index), f"{index:064x}") for index in range(2 * count)
    ]
    return Gallery("loads", "ab" * 32, tuple(rows), places)


def test_too_few_references_are_said_and_give_no_number():
    gallery = made_gallery(30).without([], [f"{index:064x}" for index in range(4, 30)])
    found = compare("1701", gallery, gallery.embeddings[0])
    assert (found.typicality, found.rank, found.references) == (None, None, 4)
    assert found.note == "too few references: 1701 has 4 in 4 groups, and a typicality needs 8 groups"
    unknown = compare("401", gallery, gallery.embeddings[0])
    assert unknown.note == "the gallery has no references of 401 (did you mean '4011'?)"
    assert [near.heading for near in unknown.nearest] == ["4011"]


def test_an_atypical_load_is_found_and_does_not_refer_by_default():
    gallery = made_gallery(30)
    far = compare("1701", gallery, gallery.embeddings[40])
    assert far.typicality == pytest.approx(1 / 31)
    assert far.typicality <= UNLIKE_AT
    sure = LoadState("loaded", 0.99, "")
    assert list(contradictions(far, sure)) == [("unlike_declared", 1.0 - far.typicality)]
    looks_empty = LoadState("empty", 0.01, "")
    assert [label for label, _ in contradictions(far, looks_empty)] == ["declared_loaded_looks_empty"]
    near = compare("4011", gallery, gallery.embeddings[40])
    assert list(contradictions(near, sure)) == []
    assert list(contradictions(Declared(heading="4011"), LoadState("unsure", None, ""))) == []


def test_a_gallery_of_another_model_is_refused(house, tmp_path):
    other = make_cargo_model(tmp_path / "other.onnx", name="others")
    with pytest.raises(CatalogError, match="built with loads"):
        Inspector(other, threshold=1.0, gallery=house / "site.gallery.npz")
    with pytest.raises(CatalogError, match="built with"):
        Inspector(other, threshold=1.0, gallery=read_gallery(house / "site.gallery.npz"))


def test_references_that_contradict_their_heading_are_left_out(house, tmp_path):
    refs = tmp_path / "refs"
    scan_file(refs / "1701" / "a.npy", "1701", 50)
    scan_file(refs / "1701" / "b.npy", "empty", 51)
    scan_file(refs / "1701" / "c.npy", "1701", 50)
    (refs / "1701" / "d.npy").write_bytes(b"\x93NUMPY broken")
    built = build(Inspector(house / "loads.onnx", threshold=1.0), gather([str(refs)]))
    assert built.gallery.counts() == {"1701": (1, 1)}
    reasons = {path.rpartition("/")[2]: reason for path, reason in built.left_out}
    assert reasons["b.npy"] == "a reference of 1701 that looks empty"
    assert reasons["c.npy"] == "the same scan is a reference of 1701 already"
    assert "d.npy" in reasons


def test_references_come_from_tables_and_folders_alike(house, tmp_path):
    table = tmp_path / "refs.csv"
    table.write_text(f"path,heading,group\n{house / 'refs/1701/0.npy'},1701,g\n")
    rows = gather([str(table), str(house / "refs" / "7204")])
    assert [(row.heading, row.group) for row in rows] == [("1701", "g")] + [("7204", "")] * EACH
    table.write_text(f"path,heading\n{house / 'refs/7204/0.npy'},1701\n")
    with pytest.raises(UsageError, match="of 1701 and of 7204"):
        gather([str(table), str(house / "refs")])
    (house / "refs" / "loose.npy").write_bytes(b"")
    with pytest.raises(UsageError, match="folders and scans"):
        gather([str(house / "refs")])
    (house / "refs" / "loose.npy").unlink()
    with pytest.raises(UsageError, match="neither a folder nor a table"):
        gather([str(house / "loads.onnx")])


def test_the_commands_work_together(house, tmp_path, capsys):
    gallery, model = tmp_path / "own.gallery.npz", str(house / "loads.onnx")
    gallery.write_bytes((house / "site.gallery.npz").read_bytes())
    extra = scan_file(tmp_path / "more" / "1701" / "x.npy", "1701", 60)
    assert main(["gallery", "add", str(gallery), "--model", model, str(extra.parent)]) == 0
    assert read_gallery(gallery).counts()["1701"] == (EACH + 1, EACH + 1)
    assert main(["gallery", "remove", str(gallery), "--heading", "empty"]) == 0
    assert list(read_gallery(gallery).counts()) == ["1701", "7204"]
    capsys.readouterr()
    new = scan_file(tmp_path / "new.npy", "7204", 70)
    (tmp_path / "manifest.csv").write_text("path,heading\nnew.npy,7204\n")
    command = [
        "inspect",
        str(new),
        str(extra),
        "--model",
        model,
        "--threshold",
        "1",
        "--gallery",
        str(gallery),
    ]
    assert main([*command, "--declared-table", str(tmp_path / "manifest.csv"), "--json"]) == 0
    shown = capsys.readouterr()
    first, second = (json.loads(line)["declared"] for line in shown.out.splitlines())
    assert (first["heading"], first["rank"], first["headings"]) == ("7204", 1, 2)
    assert second is None
    assert "1 scan is not in" in shown.err
    assert "no scan that was inspected" not in shown.err
    (tmp_path / "manifest.csv").write_text("path,heading\nnew.npy,7204\ngone.npy,1701\n")
    assert main([*command, "--declared-table", str(tmp_path / "manifest.csv"), "--json"]) == 0
    said = capsys.readouterr().err
    assert (
        f"1 row names no scan that was inspected, in {tmp_path / 'manifest.csv'}; the first: {tmp_path / 'gone.npy'}"
        in said
    )
    (tmp_path / "manifest.csv").write_bytes("path,heading\nnew.npy,7204\n".encode("utf-16"))
    assert main([*command, "--declared-table", str(tmp_path / "manifest.csv")]) == 2
    assert "save it as UTF-8" in capsys.readouterr().err
    assert main([*command, "--declared", "1701"]) == 0
    assert "declared 1701: typicality" in capsys.readouterr().out
    assert main(command) == 2
    assert "--declared" in capsys.readouterr().err
    assert main(["gallery", "build", "--model", model, "--out", str(gallery), str(extra.parent)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_bag_is_never_declared(tmp_path):
    bags = make_blob_model(tmp_path / "bags.onnx")
    with pytest.raises(UsageError, match="inspects baggage"):
        Inspector(bags, threshold=1.0, declared="4011")
