"""Finding, checking and installing model files."""

import pickle

import pytest

from cargosight_models import catalog
from cargosight_models.catalog import find_model, install_model, list_models
from cargosight_models.contract import file_fingerprint
from cargosight_models.errors import CargosightError, CatalogError, MissingExtraError
from cargosight_models.operating_points import OperatingPoint, Sidecar, sidecar_path


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """An empty bundle and an empty cache."""
    monkeypatch.setenv("CARGOSIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(catalog, "BUNDLED", tmp_path / "bundled")
    return tmp_path


def model_file(folder, name, content=b"graph", *, points=True):
    """A file that stands for a model: the catalog never looks inside."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    path.write_bytes(content)
    if points:
        point = OperatingPoint("pfa=0.05", 0.05, {"gun": 0.5}, {}, "made")
        Sidecar(file_fingerprint(path), (point,), "pfa=0.05").write(sidecar_path(path))
    return path


def bundle(places, name, content=b"graph"):
    path = model_file(places / "bundled" / name, name, content)
    path.with_suffix(".sha256").write_text(f"{file_fingerprint(path)}  {name}.onnx\n")
    (path.parent / "card.md").write_text("card")
    return path


def test_a_bundled_model(places):
    path = bundle(places, "baggage")
    found = find_model("baggage")
    assert (found.name, found.path, found.origin) == ("baggage", path, "bundled")
    assert found.sha256 == file_fingerprint(path)
    assert found.sidecar.point("pfa=0.05").thresholds == {"gun": 0.5}
    assert found.card.read_text() == "card"
    assert found.problem is None


def test_a_path(places):
    path = model_file(places / "mine", "site", points=False)
    for given in (path, str(path)):
        found = find_model(given)
        assert (found.name, found.origin, found.sidecar, found.card) == ("site", "path", None, None)


def test_unknown_names_list_what_exists(places):
    with pytest.raises(CatalogError, match=r"no model called 'x'.*none"):
        find_model("x")
    bundle(places, "baggage")
    with pytest.raises(CatalogError, match=r"'bagage' \(did you mean 'baggage'\?\); known are baggage"):
        find_model("bagage")
    with pytest.raises(CatalogError, match=r"no model file .*none\.onnx.*baggage"):
        find_model("none.onnx")


def test_a_folder_named_like_a_model_file_is_none(places):
    (places / "odd.onnx").mkdir()
    with pytest.raises(CatalogError, match="no model file"):
        find_model(places / "odd.onnx")


def test_install_and_find_again(places):
    source = model_file(places / "mine", "export")
    (source.parent / "card.md").write_text("my card")
    (source.parent / "TERMS.md").write_text("my terms")
    installed = install_model(source, "site-7")
    assert installed == find_model("site-7")
    assert installed.origin == "cache"
    assert installed.path == places / "home" / "models" / "site-7" / "site-7.onnx"
    assert installed.sidecar is not None
    assert (installed.path.parent / "TERMS.md").read_text() == "my terms"
    assert [entry.name for entry in installed.path.parent.parent.iterdir()] == ["site-7"]


def test_install_again_only_on_demand(places):
    source = model_file(places / "mine", "export")
    install_model(source, "site")
    model_file(places / "mine", "export", b"better graph")
    with pytest.raises(CatalogError, match="already installed"):
        install_model(source, "site")
    assert find_model("site").path.read_bytes() == b"graph"
    assert install_model(source, "site", replace=True).path.read_bytes() == b"better graph"


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "x.onnx", "a b", "x" * 65])
def test_install_refuses_names(places, name):
    with pytest.raises(CatalogError, match="cannot be called"):
        install_model(model_file(places / "mine", "export"), name)


def test_install_refuses_bundled_names_and_other_files(places):
    bundle(places, "baggage")
    source = model_file(places / "mine", "export")
    with pytest.raises(CatalogError, match="bundled"):
        install_model(source, "baggage")
    with pytest.raises(CatalogError, match=r"ends in \.onnx"):
        install_model(sidecar_path(source), "site")


def test_a_bundled_model_hides_a_cached_one(places):
    install_model(model_file(places / "mine", "export"), "site")
    path = bundle(places, "site", b"bundled graph")
    assert find_model("site").path == path
    assert [(model.name, model.origin) for model in list_models()] == [("site", "bundled")]


class TestBroken:
    def test_changed_bytes(self, places):
        path = bundle(places, "baggage")
        path.write_bytes(b"changed")
        with pytest.raises(CatalogError, match="SHA-256"):
            find_model("baggage")

    @pytest.mark.parametrize("text", ["", "nonsense", "é"])
    def test_unreadable_checksum(self, places, text):
        bundle(places, "baggage").with_suffix(".sha256").write_text(text, encoding="utf-8")
        with pytest.raises(CatalogError):
            find_model("baggage")

    def test_no_checksum(self, places):
        bundle(places, "baggage").with_suffix(".sha256").unlink()
        with pytest.raises(CatalogError, match="no checksum"):
            find_model("baggage")

    def test_operating_points_of_another_file(self, places):
        path = model_file(places / "mine", "export")
        path.write_bytes(b"exported again")
        with pytest.raises(CatalogError, match=r"operating points.*belong to"):
            find_model(path)

    def test_unreadable_operating_points(self, places):
        path = model_file(places / "mine", "export")
        sidecar_path(path).write_text("{")
        with pytest.raises(CatalogError, match="cannot be read"):
            find_model(path)

    def test_the_list_goes_on_and_says_so(self, places):
        bundle(places, "good")
        bundle(places, "bad").write_bytes(b"changed")
        good, bad = sorted(list_models(), key=lambda model: model.problem or "")
        assert (good.name, good.problem) == ("good", None)
        assert bad.name == "bad"
        assert "SHA-256" in bad.problem


def test_the_cache_need_not_exist():
    assert list_models() == ()


def test_a_cache_that_may_not_be_read_hides_no_bundled_model(places, monkeypatch):
    bundle(places, "baggage")
    listing = type(places).iterdir

    def refuse(folder):
        if folder == catalog.cache_folder():
            raise PermissionError(13, "Permission denied", str(folder))
        return listing(folder)

    monkeypatch.setattr(type(places), "iterdir", refuse)
    assert [model.name for model in list_models()] == ["baggage"]
    assert find_model("baggage").origin == "bundled"


def test_default_cache_is_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("CARGOSIGHT_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert catalog.cache_folder() == tmp_path / ".cache" / "cargosight" / "models"


def test_a_missing_extra_says_what_to_install():
    error = MissingExtraError("train", "cargosight export")
    assert 'pip install "cargosight[train]"' in str(error)
    assert isinstance(error, CargosightError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
