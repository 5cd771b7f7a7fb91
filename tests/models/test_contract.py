"""The contract that a model file carries."""

import hashlib
import json

import pytest

from cargosight_models.contract import Contract, DataTerms, InputContract, Suppression, file_fingerprint
from cargosight_models.errors import ContractError


def contract(**changes):
    settings = {
        "name": "baggage",
        "subject": "baggage",
        "kinds": ("pseudocolour", "display_grey"),
        "classes": ("knife", "gun"),
        "outputs": ("boxes", "scores"),
        "input": InputContract(shapes=((416, 416), (320, 416))),
        "suppression": Suppression(
            where="host", iou=0.6, score_floor=0.001, max_per_class=100, candidates=300
        ),
        "precision": "fp32",
        "training_data": (DataTerms("made", 12, "own", declared_simulated=True),),
        "code_version": "0.1.0",
    }
    return Contract(**{**settings, **changes})


def changed(*path, value=None, remove=False):
    """The contract as JSON with one key changed, added or removed."""
    found = json.loads(contract().to_json())
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(found)


def test_round_trip():
    assert Contract.from_json(contract().to_json()) == contract()


def test_json_is_canonical():
    text = contract().to_json()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert text == Contract.from_json(json.dumps(json.loads(text), indent=3)).to_json()


def test_names_outside_ascii_survive():
    assert Contract.from_json(contract(classes=("Messer", "nóż")).to_json()).classes == ("Messer", "nóż")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"contract"', "3", "[" * 200_000])
def test_no_contract(text):
    with pytest.raises(ContractError, match="contract"):
        Contract.from_json(text)


def test_a_newer_schema_asks_for_an_upgrade():
    with pytest.raises(ContractError, match="schema is 3; this version reads up to 2; upgrade"):
        Contract.from_json(changed("schema", value=3))
    newer_with_new_keys = json.dumps({"schema": 7, "anything": True})
    with pytest.raises(ContractError, match="schema is 7"):
        Contract.from_json(newer_with_new_keys)


def test_a_file_of_the_schema_before_reads_as_one_without_tiles():
    older = json.loads(contract().to_json())
    older["schema"] = 1
    del older["input"]["overlap"]
    assert Contract.from_json(json.dumps(older)) == contract()
    older["input"]["more"] = 3
    with pytest.raises(ContractError, match=r"input\.more"):
        Contract.from_json(json.dumps(older))


@pytest.mark.parametrize(
    "path",
    [(key,) for key in json.loads(contract().to_json())]
    + [("input", key) for key in json.loads(contract().to_json())["input"]]
    + [("suppression", "iou"), ("training_data", 0, "terms")],
)
def test_every_missing_key_is_named(path):
    with pytest.raises(ContractError, match=rf"lacks the key '.*{path[-1]}'"):
        Contract.from_json(changed(*path, remove=True))


def test_an_unknown_key_is_named_with_the_nearest():
    with pytest.raises(ContractError, match=r"unknown key 'clases' \(did you mean 'classes'\?\)"):
        Contract.from_json(changed("clases", value=[]))
    with pytest.raises(ContractError, match=r"unknown key 'input\.mean'"):
        Contract.from_json(changed("input", "mean", value=0.5))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("name",), ""),
        (("name",), 3),
        (("subject",), "unknown"),
        (("kinds",), []),
        (("kinds",), ["photo"]),
        (("kinds",), "pseudocolour"),
        (("classes",), ["gun", "gun"]),
        (("classes",), ["gun", 3]),
        (("classes",), []),
        (("outputs",), ["boxes"]),
        (("outputs",), ["boxes", "scores", "mask"]),
        (("outputs",), []),
        (("precision",), "fp8"),
        (("training_data",), {}),
        (("training_data", 0, "images"), -1),
        (("training_data", 0, "images"), True),
        (("training_data", 0, "declared_simulated"), "yes"),
        (("code_version",), None),
        (("schema",), 0),
        (("schema",), "1"),
        (("input",), []),
        (("input", "shapes"), []),
        (("input", "shapes"), [[416, 400]]),
        (("input", "shapes"), [[416]]),
        (("input", "shapes"), [[416.0, 416]]),
        (("input", "shapes"), [[0, 416]]),
        (("input", "shapes"), 416),
        (("input", "channels"), 4),
        (("input", "channels"), 1),
        (("input", "value_range"), [0, 255]),
        (("input", "dtype"), "uint8"),
        (("input", "layout"), "NHWC"),
        (("input", "colour"), "bgr"),
        (("input", "resize"), "stretch"),
        (("input", "pad_value"), 114),
        (("input", "stride"), 0),
        (("suppression",), None),
        (("suppression", "where"), "cloud"),
        (("suppression", "iou"), 1.5),
        (("suppression", "iou"), "high"),
        (("suppression", "score_floor"), -0.1),
        (("suppression", "score_floor"), float("nan")),
        (("suppression", "max_per_class"), 0),
        (("suppression", "candidates"), 2.5),
    ],
)
def test_a_wrong_value_is_named(path, value):
    with pytest.raises(ContractError):
        Contract.from_json(changed(*path, value=value))


def test_outputs_without_boxes_need_no_class():
    assert contract(classes=(), outputs=("anomaly_map", "embedding")).classes == ()


def test_fingerprint_is_the_sha256_of_the_file(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"graph" * 100_000)
    assert file_fingerprint(path) == hashlib.sha256(b"graph" * 100_000).hexdigest()
    assert file_fingerprint(str(path)) == file_fingerprint(path)
