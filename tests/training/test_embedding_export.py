"""The embedding in a model file: stated by the contract, equal to the network's, and refused where it differs."""

import numpy as np
import onnx
import pytest
import torch

from cargosight_inference.session import Session
from cargosight_models.errors import ContractError, ExportError
from cargosight_training.config import TrainConfig
from cargosight_training.export.detector import export_detector
from cargosight_training.export.parity import check_parity
from tests.made.exports import CLASSES, SHAPES, TERMS, export_config, lively_detector, written_network


def embedding_config():
    given = export_config().model_dump()
    given["model"]["embedding"] = True
    return TrainConfig.model_validate(given)


@pytest.fixture(scope="module")
def detector():
    return lively_detector()


@pytest.fixture(scope="module")
def path(detector, tmp_path_factory):
    """The very weights that are exported without an embedding elsewhere."""
    return export_detector(
        detector, CLASSES, embedding_config(), tmp_path_factory.mktemp("looks") / "looks.onnx", TERMS
    )


def test_any_weights_are_exported_with_an_embedding(detector, path):
    session = Session(path)
    assert session.contract.outputs == ("boxes", "scores", "embedding")
    images = np.random.default_rng(0).random((3, 3, *SHAPES[0]), dtype=np.float32)
    found = session.run(images)["embedding"]
    with torch.no_grad():
        expected = written_network(detector).embedding(torch.from_numpy(images)).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs(found[0] - found[1]).max() > 1e-4


def test_a_graph_that_embeds_otherwise_is_refused(detector, path, tmp_path):
    model = onnx.load(path)
    last = next(node for node in model.graph.node if "embedding" in node.output)
    last.input[0], last.input[1] = last.input[1], last.input[0]
    changed = tmp_path / "changed.onnx"
    changed.write_bytes(model.SerializeToString())
    images = np.random.default_rng(0).random((1, 3, *SHAPES[0]), dtype=np.float32)
    check_parity(written_network(detector), path, [images])
    with pytest.raises(ExportError, match="embeddings by up to"):
        check_parity(written_network(detector), changed, [images])


def test_a_graph_that_does_not_say_how_long_an_embedding_is_is_refused(path, tmp_path):
    model = onnx.load(path)
    model.graph.node.append(onnx.helper.make_node("Squeeze", ["scores"], ["other"]))
    next(output for output in model.graph.output if output.name == "embedding").name = "other"
    for node in model.graph.node:
        node.output[:] = [
            "was" if name == "embedding" else "embedding" if name == "other" else name for name in node.output
        ]
    next(output for output in model.graph.output if output.name == "other").name = "embedding"
    output = next(output for output in model.graph.output if output.name == "embedding")
    output.type.tensor_type.ClearField("shape")
    changed = tmp_path / "changed.onnx"
    changed.write_bytes(model.SerializeToString())
    with pytest.raises(ContractError, match="output embedding"):
        Session(changed)
