"""What an exported file holds and computes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cargosight_inference.session import Session
from cargosight_models.contract import Contract
from cargosight_models.errors import ExportError, MissingExtraError
from cargosight_models.networks.head import STRIDES
from cargosight_training.config import TrainConfig
from cargosight_training.datasets.coco import read_coco
from cargosight_training.datasets.records import without
from cargosight_training.export import graph
from cargosight_training.export.contract import NO_TERMS, code_version, training_terms, unused_terms
from cargosight_training.export.folding import fold_norms, round_to_half
from cargosight_training.export.graph import build_graph
from cargosight_training.export.storage import store_half, write_checksum, write_model
from tests.made.datasets import MadeSource, make_dataset
from tests.made.exports import (
    CANDIDATES,
    CLASSES,
    SHAPES,
    TERMS,
    export_config,
    exported,
    lively_detector,
    written_network,
)


def raw_session(path: Path, **options: object) -> onnxruntime.InferenceSession:
    """A session that takes any shape, on one thread."""
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = 1
    chosen.log_severity_level = 3
    for name, value in options.items():
        setattr(chosen, name, value)
    return onnxruntime.InferenceSession(str(path), chosen, providers=["CPUExecutionProvider"])


def random_images(batch: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width + batch).random((batch, 3, height, width), dtype=np.float32)


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    return raw_session(exported()[1])


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
def test_batch_height_and_width_are_free(batch: int, rows: int, columns: int) -> None:
    height, width = 32 * rows, 32 * columns
    boxes, scores = raw_session(exported()[1]).run(None, {"image": random_images(batch, height, width)})
    count = min(CANDIDATES, sum((height // s) * (width // s) for s in STRIDES))
    assert boxes.shape == (batch, count, 4)
    assert scores.shape == (batch, count, len(CLASSES))
    assert scores.min() >= 0.0
    assert scores.max() <= 1.0
    assert (boxes[..., 2:] > boxes[..., :2]).all()
    best = scores.max(axis=2)
    assert (np.diff(best, axis=1) <= 0.0).all()


def test_every_location_comes_out_where_there_are_few(session: onnxruntime.InferenceSession) -> None:
    """On 32 x 32 the candidates are all 21 locations: boxes and scores are the network's own, in another order."""
    image = random_images(1, 32, 32)
    boxes, scores = session.run(None, {"image": image})
    folded = written_network(exported()[0])
    with torch.no_grad():
        logits, expected, _ = folded(torch.from_numpy(image))
    wanted = np.concatenate([expected[0].numpy(), logits[0].sigmoid().numpy()], axis=1)
    found = np.concatenate([boxes[0], scores[0]], axis=1)
    by_row = wanted[np.argsort(-wanted[:, 4:].max(axis=1), kind="stable")]
    np.testing.assert_allclose(found, by_row, rtol=1e-4, atol=1e-3)


def test_a_batch_gives_what_its_scans_give(session: onnxruntime.InferenceSession) -> None:
    images = random_images(3, 96, 64)
    together = session.run(None, {"image": images})
    for index in range(3):
        alone = session.run(None, {"image": images[index : index + 1]})
        for whole, part in zip(together, alone, strict=True):
            np.testing.assert_allclose(whole[index], part[0], rtol=1e-4, atol=1e-4)


def test_the_file_is_clean() -> None:
    path = exported()[1]
    model = onnx.load(path, load_external_data=False)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert [(o.domain, o.version >= 17) for o in model.opset_import] == [("", True)]
    assert all(t.data_location == onnx.TensorProto.DEFAULT for t in model.graph.initializer)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    content = path.read_bytes()
    for trace in (b"site-packages", b".py", str(Path.cwd()).encode(), str(path.parent).encode()):
        assert trace not in content


def test_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    detector, path = exported()
    folded = written_network(detector)
    model = build_graph(folded, CANDIDATES)
    store_half(model)
    again = write_model(model, Session(path).contract, tmp_path / "again.onnx")
    assert again.read_bytes() == path.read_bytes()


def test_weights_lie_in_half_precision_and_are_constants_when_run(tmp_path: Path) -> None:
    path = exported()[1]
    model = onnx.load(path)
    stored = {t.name: t for t in model.graph.initializer}
    halves = [t for t in stored.values() if t.data_type == onnx.TensorProto.FLOAT16]
    singles = [t for t in stored.values() if t.data_type == onnx.TensorProto.FLOAT]
    assert sum(np.prod(t.dims) for t in halves) > 10 * sum(np.prod(t.dims) for t in singles)
    assert path.stat().st_size < 3 * sum(np.prod(t.dims) for t in halves)
    optimised = tmp_path / "optimised.onnx"
    basic = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    raw_session(path, optimized_model_filepath=str(optimised), graph_optimization_level=basic)
    run = onnx.load(optimised)
    constants = {t.name for t in run.graph.initializer}
    assert not any(node.op_type == "Cast" and node.input[0] in constants for node in run.graph.node)
    assert onnx.TensorProto.FLOAT16 not in {t.data_type for t in run.graph.initializer}


def test_only_what_half_precision_holds_is_stored_so() -> None:
    values = {
        "exact": np.full((32, 32), 0.5),
        "inexact": np.full((32, 32), 0.1),
        "large": np.full((32, 32), 1e6),
    }
    tensors = [onnx.numpy_helper.from_array(v.astype(np.float32), name) for name, v in values.items()]
    node = onnx.helper.make_node("Sum", list(values), ["out"])
    out = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [32, 32])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "sum", [], [out], tensors))
    assert store_half(model) == 1
    assert {t.name: t.data_type for t in model.graph.initializer} == {
        "exact.half": onnx.TensorProto.FLOAT16,
        "inexact": onnx.TensorProto.FLOAT,
        "large": onnx.TensorProto.FLOAT,
    }
    onnx.checker.check_model(model, full_check=True)


def test_rounding_touches_weights_alone_and_spares_what_would_overflow() -> None:
    detector = fold_norms(lively_detector())
    with torch.no_grad():
        detector.head.class_out.weight[0, 0, 0, 0] = 1e6
        detector.head.box_out.bias.fill_(0.1)
    before = detector.head.class_out.weight.clone()
    round_to_half(detector)
    assert torch.equal(detector.head.class_out.weight, before)
    assert torch.equal(detector.head.box_out.weight, detector.head.box_out.weight.half().float())
    assert detector.head.box_out.bias.unique().item() == pytest.approx(0.1, rel=1e-7)


def test_folding_leaves_the_network_as_it_was_and_computes_the_same() -> None:
    detector = lively_detector(seed=3).train()
    state = {key: value.clone() for key, value in detector.state_dict().items()}
    folded = fold_norms(detector)
    assert detector.training
    assert all(torch.equal(value, state[key]) for key, value in detector.state_dict().items())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        for found, expected in zip(folded(image)[:2], detector.eval()(image)[:2], strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


class Shuffled(nn.Module):
    """A backbone that reshapes by the size of its input, as ShuffleNet does."""

    mean = std = (0.5, 0.5, 0.5)
    channels = (8, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList(nn.Conv2d(c, 8, s, s) for c, s in ((3, 8), (8, 2), (8, 2)))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        maps = []
        for step in self.steps:
            x = step(x)
            n, c, h, w = x.shape
            x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
            maps.append(x)
        return tuple(maps)


def test_a_network_that_reshapes_by_size_still_takes_every_size(tmp_path: Path) -> None:
    detector = lively_detector()
    detector.backbone = Shuffled()
    detector.neck = type(detector.neck)(Shuffled.channels, 8, separable=True).eval()
    folded = fold_norms(detector)
    model = build_graph(folded, CANDIDATES)
    session = raw_session(write_model(model, Session(exported()[1]).contract, tmp_path / "shuffled.onnx"))
    for batch, height, width in ((1, 64, 96), (3, 96, 32)):
        image = random_images(batch, height, width)
        boxes, scores = session.run(None, {"image": image})
        with torch.no_grad():
            logits = folded(torch.from_numpy(image)).logits
        best = logits.sigmoid().amax(dim=2).sort(dim=1, descending=True).values[:, :CANDIDATES]
        np.testing.assert_allclose(scores.max(axis=2), best.numpy(), rtol=1e-4, atol=1e-5)
        assert boxes.shape == (batch, CANDIDATES, 4)


def test_the_contract_is_read_without_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = None\n"
        "from pathlib import Path\n"
        "from cargosight_inference.session import Session\n"
        "print(Session(Path(sys.argv[1])).contract.to_json())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(exported()[1])], capture_output=True, text=True, check=True
    )
    contract = Contract.from_json(done.stdout)
    assert (contract.name, contract.subject, contract.precision) == ("tiny", "baggage", "fp32")
    assert contract.classes == CLASSES
    assert contract.outputs == ("boxes", "scores")
    assert contract.input.shapes == SHAPES
    assert contract.input.stride == 32
    assert contract.suppression.where == "host"
    assert contract.suppression.candidates == CANDIDATES
    assert contract.suppression.iou == export_config().export.suppression_iou
    assert contract.training_data == TERMS
    assert contract.code_version == code_version()
    assert contract.code_version.startswith("0.")


def made_run(folder: Path, **data: object) -> tuple[TrainConfig, Path]:
    sources = (
        MadeSource("site-a", images=5, scanners=("1", "2")),
        MadeSource("drawn", images=3, origin="simulated"),
    )
    path = make_dataset(folder, sources)
    config = export_config()
    given = config.data.model_copy(update=data)
    return config.model_copy(update={"data": given}), path


def test_terms_name_each_source_once(tmp_path: Path) -> None:
    config, path = made_run(tmp_path, terms={"site-a": "own"})
    found = training_terms(config, read_coco(path))
    assert [(t.source, t.images, t.terms, t.declared_simulated) for t in found] == [
        ("drawn", 3, NO_TERMS, True),
        ("site-a", 5, "own", False),
    ]


def test_terms_count_what_was_trained_on(tmp_path: Path) -> None:
    config, path = made_run(tmp_path, terms={"drawn": "own"}, without=("drawn", "site-a/1"))
    found = training_terms(config, without(read_coco(path), config.data.without))
    assert [(t.source, t.images) for t in found] == [("site-a", 2)]


def test_terms_of_a_source_that_the_data_lacks_are_told_and_left_out(tmp_path: Path) -> None:
    config, path = made_run(tmp_path, terms={"site-b": "own", "elsewhere": "own", "drawn": "made"})
    data = read_coco(path)
    assert [(t.source, t.terms) for t in training_terms(config, data)] == [
        ("drawn", "made"),
        ("site-a", NO_TERMS),
    ]
    told = unused_terms(config, data)
    assert told is not None
    assert "'site-b' (did you mean 'site-a'?), 'elsewhere'" in told
    assert "the training data has drawn, site-a" in told


@pytest.mark.parametrize("without", [(), ("site-b",), ("site-b/1",)])
def test_terms_of_a_source_that_is_left_out_are_no_mistake(tmp_path: Path, without: tuple[str, ...]) -> None:
    terms = {"site-b": "own"} if without else {"site-a": "own"}
    config, path = made_run(tmp_path, terms=terms, without=without)
    assert unused_terms(config, read_coco(path)) is None


def test_a_name_without_its_ending_is_refused(tmp_path: Path) -> None:
    path = exported()[1]
    with pytest.raises(ExportError, match=r"tiny\.model.*\.onnx"):
        write_model(onnx.load(path), Session(path).contract, tmp_path / "tiny.model")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    path = exported()[1]
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ExportError, match="cannot be written"):
        write_model(onnx.load(path), Session(path).contract, tmp_path / "taken" / "tiny.onnx")


def test_a_checksum_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").write_bytes(b"")
    checksum = write_checksum(tmp_path / "empty.onnx")
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert checksum.name == "empty.sha256"
    assert checksum.read_text() == f"{digest}  empty.onnx\n"


def test_export_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"cargosight\[train\]"):
        build_graph(fold_norms(lively_detector()), CANDIDATES)
