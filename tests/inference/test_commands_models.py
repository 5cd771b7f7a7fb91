"""`cargosight models`: list, show, verify, install."""

import json

import pytest

from cargosight_inference import cli
from cargosight_models.contract import file_fingerprint
from tests.made.models import blob_contract, make_blob_model, make_embedding_model


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CARGOSIGHT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def model(tmp_path):
    return make_blob_model(tmp_path / "blobs.onnx", operating_points={"pfa=0.05": 0.5, "pfa=0.01": 0.9})


def run(*arguments) -> int:
    return cli.main(["models", *map(str, arguments)])


def test_an_installed_model_is_listed_shown_and_verified(model, capsys):
    assert run("install", model, "--name", "site-7") == 0
    assert "installed site-7" in capsys.readouterr().out
    for listing in ((), ("list",)):
        assert run(*listing) == 0
        (line,) = [row for row in capsys.readouterr().out.splitlines() if row.startswith("site-7")]
        assert "pfa=0.05, pfa=0.01" in line
        assert line.endswith("ok")
    assert run("show", "site-7") == 0
    shown = capsys.readouterr().out
    for text in ("baggage", "dark, blue", "128 x 192", file_fingerprint(model), "made by hand"):
        assert text in shown
    assert run("verify", "site-7") == 0
    verified = capsys.readouterr().out
    assert "matches site-7.sha256" in verified
    assert verified.count("well-formed") == 3
    assert "2, bound to this file" in verified


def test_json(model, capsys):
    run("install", model, "--name", "site-7")
    capsys.readouterr()
    assert run("list", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["site-7"]["sha256"] == file_fingerprint(model)
    assert rows["site-7"]["origin"] == "cache"
    assert run("show", model, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["contract"] == json.loads(blob_contract().to_json())
    assert shown["thresholds"]["pfa=0.01"] == {"dark": 0.9, "blue": 0.9}


def test_the_card_is_shown(model, capsys):
    assert run("show", model, "--card") == 0
    assert "no model card" in capsys.readouterr().out
    (model.parent / "card.md").write_text("# Blobs\n")
    assert run("show", model, "--card") == 0
    assert capsys.readouterr().out == "# Blobs\n\n"


def test_a_damaged_model_is_listed_as_such_and_fails_verification(model, home, capsys):
    run("install", model, "--name", "site-7")
    path = home / "models" / "site-7" / "site-7.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    capsys.readouterr()
    assert run() == 0
    assert "SHA-256" in capsys.readouterr().out
    assert run("verify", "site-7") == 2
    assert "SHA-256" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metadata": None}, "no cargosight contract"),
        ({"score_scale": float("nan")}, "gave scores from nan"),
        ({"metadata": blob_contract(classes=("one", "two", "three")).to_json()}, "contract says"),
    ],
)
def test_verify_fails_on_what_an_inspection_would_fail_on(tmp_path, capsys, settings, message):
    path = make_blob_model(tmp_path / "bad.onnx", **settings)
    assert run("verify", path) == 2
    assert message in capsys.readouterr().err


def test_a_model_that_gives_no_findings_is_listed_and_shown_but_fails_verification(tmp_path, capsys):
    path = make_embedding_model(tmp_path / "embed.onnx")
    assert run("install", path, "--name", "embed") == 0
    assert run("list") == 0
    assert run("show", "embed") == 0
    assert "outputs           embedding" in capsys.readouterr().out
    assert run("verify", "embed") == 2
    assert "expected boxes with scores" in capsys.readouterr().err


def test_verify_refuses_operating_points_of_another_file(model, capsys):
    make_blob_model(model, contract=blob_contract(code_version="9"))
    assert run("verify", model) == 2
    assert "belong to the model file" in capsys.readouterr().err


def test_a_file_without_contract_is_not_installed(tmp_path, home, capsys):
    path = make_blob_model(tmp_path / "bare.onnx", metadata=None)
    assert run("install", path, "--name", "bare") == 2
    assert not (home / "models" / "bare").exists()


def test_a_taken_name_needs_replace(model, capsys):
    assert run("install", model, "--name", "site-7") == 0
    assert run("install", model, "--name", "site-7") == 2
    assert run("install", model, "--name", "site-7", "--replace") == 0


@pytest.mark.parametrize("arguments", [("show", "nosuch"), ("verify", "nosuch"), ("frobnicate",), ("show",)])
def test_misuse(arguments, capsys):
    assert run(*arguments) == 2
    assert capsys.readouterr().err
