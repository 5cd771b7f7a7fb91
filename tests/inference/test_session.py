"""Loading a model file, and refusing one that does not say what it is."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cargosight_inference.session import Session, ThreadPolicy
from cargosight_models.catalog import find_model
from cargosight_models.contract import file_fingerprint
from cargosight_models.errors import CatalogError, ContractError, UsageError
from tests.made.models import CANDIDATES, SHAPES, blob_contract, make_blob_model


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return make_blob_model(tmp_path_factory.mktemp("models") / "blobs.onnx")


def test_a_session_reads_the_contract_and_runs(model_path):
    session = Session(model_path)
    assert session.contract == blob_contract()
    assert session.fingerprint == file_fingerprint(model_path)
    for height, width in SHAPES:
        outputs = session.run(np.ones((2, 3, height, width), np.float32))
        assert set(outputs) == {"boxes", "scores"}
        assert outputs["boxes"].shape == (2, CANDIDATES, 4)
        assert outputs["scores"].shape == (2, CANDIDATES, 2)
        assert (outputs["scores"] == 0.0).all()


def test_a_session_from_the_catalog_checks_that_the_file_is_still_the_same(tmp_path):
    path = make_blob_model(tmp_path / "blobs.onnx")
    found = find_model(path)
    assert Session(found).fingerprint == found.sha256
    make_blob_model(path, contract=blob_contract(code_version="9.9.9"))
    with pytest.raises(CatalogError, match="a moment ago"):
        Session(found)


def test_thread_policy_is_kept_and_checked(model_path):
    policy = ThreadPolicy(intra_op=2, inter_op=2, allow_spinning=True)
    session = Session(model_path, policy)
    assert session.threads == policy
    session.run(np.ones((1, 3, *SHAPES[0]), np.float32))
    assert Session(model_path).threads == ThreadPolicy(intra_op=1, inter_op=1, allow_spinning=False)
    with pytest.raises(UsageError, match="intra_op is 0"):
        ThreadPolicy(intra_op=0)
    with pytest.raises(UsageError, match="inter_op is 1000 threads; expected 1 to 256"):
        ThreadPolicy(inter_op=1000)


@pytest.mark.skipif(os.name != "posix", reason="only there names are bytes")
def test_a_model_whose_name_is_no_utf8_is_loaded(model_path, tmp_path):
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.onnx"))
    try:
        strange.write_bytes(model_path.read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    assert Session(strange).contract == blob_contract()


def test_results_do_not_depend_on_the_number_of_threads(model_path):
    tensor = np.random.default_rng(0).random((1, 3, *SHAPES[0]), dtype=np.float32)
    one = Session(model_path, ThreadPolicy(intra_op=1)).run(tensor)
    two = Session(model_path, ThreadPolicy(intra_op=2)).run(tensor)
    assert all(np.allclose(one[name], two[name], atol=1e-6) for name in one)


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x08\x07"])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ContractError, match=r"broken\.onnx is no ONNX model"):
        Session(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CatalogError, match="cannot be read"):
        Session(tmp_path / "none.onnx")


def test_a_model_without_contract_is_refused(tmp_path):
    path = make_blob_model(tmp_path / "bare.onnx", metadata=None)
    with pytest.raises(ContractError, match="no cargosight contract"):
        Session(path)


def test_a_contract_of_a_newer_schema_is_refused(tmp_path):
    newer = json.dumps(json.loads(blob_contract().to_json()) | {"schema": 3})
    path = make_blob_model(tmp_path / "newer.onnx", metadata=newer)
    with pytest.raises(ContractError, match=r"newer\.onnx.*upgrade cargosight"):
        Session(path)


CONTRADICTIONS = {
    "output scores": {"classes": ("dark", "blue", "third")},
    "outputs": {"outputs": ("boxes", "scores", "anomaly_map")},
    "inputs": {"input": replace(blob_contract().input, name="picture")},
    "input shape": {
        "input": replace(blob_contract().input, channels=1, colour="transmission"),
    },
    "output boxes": {"suppression": replace(blob_contract().suppression, candidates=CANDIDATES - 1)},
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_a_contract_that_contradicts_the_graph_is_refused(tmp_path, what):
    stated = blob_contract(**CONTRADICTIONS[what])
    path = make_blob_model(tmp_path / "liar.onnx", metadata=stated.to_json())
    with pytest.raises(ContractError, match=f"the graph's {what} is .* its contract says"):
        Session(path)


@pytest.mark.parametrize(
    "tensor",
    [
        np.ones((1, 3, 64, 64), np.float32),
        np.ones((1, 1, *SHAPES[0]), np.float32),
        np.ones((3, *SHAPES[0]), np.float32),
        np.ones((1, 3, *SHAPES[0]), np.float64),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(model_path, tensor):
    with pytest.raises(ContractError, match="reads float32"):
        Session(model_path).run(tensor)
