"""Tiny real ONNX models, hand-built, with a contract: an inspection in a test needs no trained network.

The blob model looks at every 48 x 48 window on a grid of 16 pixels. It has two classes: `dark` scores 1
minus the window's mean brightness, `blue` scores the mean of blue minus red (so swapped channels show).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from cargosight_models.contract import (
    METADATA_KEY,
    Contract,
    DataTerms,
    InputContract,
    Suppression,
    file_fingerprint,
)
from cargosight_models.operating_points import OperatingPoint, Sidecar, sidecar_path

WINDOW = 48
GRID = 16
CANDIDATES = 30
SHAPES = ((128, 192), (192, 128), (160, 160))
DARK, BLUE = (0, 0, 0), (0, 0, 255)
OPSET = 17
IR_VERSION = 9
"""Old enough for every ONNX Runtime that the project supports."""


def blob_contract(**changes: object) -> Contract:
    """The contract of the blob model; `changes` replace its fields."""
    contract = Contract(
        name="blobs",
        subject="baggage",
        kinds=("pseudocolour", "display_grey"),
        classes=("dark", "blue"),
        outputs=("boxes", "scores"),
        input=InputContract(shapes=SHAPES),
        suppression=Suppression(
            where="host", iou=0.3, score_floor=0.001, max_per_class=100, candidates=CANDIDATES
        ),
        precision="fp32",
        training_data=(DataTerms("made by hand", 0, "none", declared_simulated=True),),
        code_version="0.1.0",
    )
    return replace(contract, **changes)  # type: ignore[arg-type]


def make_blob_model(
    path: Path,
    *,
    contract: Contract | None = None,
    metadata: str | None = "from contract",
    operating_points: Mapping[str, float] | None = None,
    score_scale: float = 1.0,
) -> Path:
    """Write the blob model.

    Args:
        path: where to, ending in `.onnx`.
        contract: written into the file; the graph follows its input name and candidates.
        metadata: raw text in place of the contract, None for none at all.
        operating_points: name -> threshold of both classes, written as a sidecar; the first is the default.
        score_scale: multiplies the scores; NaN makes a broken model.
    """
    contract = contract or blob_contract()
    graph = _blob_graph(contract, score_scale)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="tests"
    )
    onnx.checker.check_model(model, full_check=True)
    text = contract.to_json() if metadata == "from contract" else metadata
    if text is not None:
        helper.set_model_props(model, {METADATA_KEY: text})
    path.write_bytes(model.SerializeToString())
    if operating_points:
        write_points(path, operating_points, contract.classes)
    return path


def make_embedding_model(path: Path) -> Path:
    """Write a model whose one output, `embedding` (N, K), gives no findings: the best score of each location."""
    contract = blob_contract(outputs=("embedding",))
    model = onnx.load(make_blob_model(path))
    del model.graph.output[:], model.metadata_props[:]
    model.graph.node.append(helper.make_node("Identity", ["chosen_best"], ["embedding"]))
    shape = ["batch", contract.suppression.candidates]
    model.graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, shape))
    helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
    return path


def make_cargo_model(path: Path, *, name: str = "loads") -> Path:
    """Write a blob model of radiographs in tiles with a further output `embedding` (N, 6).

    It holds mean and mean square of the three input planes over windows of a tile.
    """
    tiles = InputContract(shapes=((128, 192),), colour="radiograph", resize="tiles", overlap=32)
    contract = blob_contract(
        name=name,
        subject="cargo",
        kinds=("transmission", "display_grey"),
        input=tiles,
        outputs=("boxes", "scores", "embedding"),
    )
    model = onnx.load(make_blob_model(path, contract=contract))
    del model.metadata_props[:]
    node = helper.make_node
    model.graph.node.extend(
        [
            node("Mul", ["means", "means"], ["squares"]),
            node("Concat", ["means", "squares"], ["moments"], axis=1),
            node("GlobalAveragePool", ["moments"], ["pooled"]),
            node("Flatten", ["pooled"], ["embedding"]),
        ]
    )
    model.graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 6]))
    helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
    return path


def write_points(path: Path, thresholds: Mapping[str, float], classes: tuple[str, ...]) -> Sidecar:
    """Write operating points beside a model file: name -> one threshold for all classes."""
    points = tuple(
        OperatingPoint(
            name=name,
            wanted_pfa=float(name.removeprefix("pfa=")) if name.startswith("pfa=") else None,
            thresholds=dict.fromkeys(classes, value),
            measured={},
            data="made",
        )
        for name, value in thresholds.items()
    )
    sidecar = Sidecar(file_fingerprint(path), points, default=points[0].name)
    sidecar.write(sidecar_path(path))
    return sidecar


def blob_pixels(
    *blobs: tuple[int, int, tuple[int, int, int]], size: tuple[int, int] = SHAPES[0]
) -> npt.NDArray[np.uint8]:
    """Return uint8 (H, W, 3) RGB: white with a `WINDOW`-sized square of a colour at each (x, y, colour).

    At a multiple of `GRID`, in a scan of one of `SHAPES`, a square fills a window of the model exactly.
    """
    pixels = np.full((*size, 3), 255, dtype=np.uint8)
    for x, y, colour in blobs:
        pixels[y : y + WINDOW, x : x + WINDOW] = colour
    return pixels


def write_blobs(
    path: Path, *blobs: tuple[int, int, tuple[int, int, int]], size: tuple[int, int] = SHAPES[0]
) -> Path:
    """Write `blob_pixels` in the format of the path's suffix; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(blob_pixels(*blobs, size=size), cv2.COLOR_RGB2BGR)):
        raise OSError(f"{path} was not written")
    return path


def _blob_graph(contract: Contract, score_scale: float) -> onnx.GraphProto:
    image, candidates = contract.input.name, contract.suppression.candidates
    constants = {
        "one": np.float32(1.0),
        "zero": np.array(0, dtype=np.int64),
        "scale": np.float32(score_scale),
        "blue_minus_red": np.array([[[[-1.0]], [[0.0]], [[1.0]]]], dtype=np.float32),
        "k": np.array([candidates], dtype=np.int64),
        "flat_scores": np.array([0, 2, -1], dtype=np.int64),
        "last": np.array([2], dtype=np.int64),
        "four": np.array([1, 1, 4], dtype=np.int64),
        "two": np.array([1, 1, 2], dtype=np.int64),
        "step": np.array(1, dtype=np.int64),
        "grid": np.array(GRID, dtype=np.int64),
        "row_axis": np.array(2, dtype=np.int64),
        "column_axis": np.array(3, dtype=np.int64),
        "flat": np.array([1, -1, 1], dtype=np.int64),
        "window": np.float32(WINDOW),
        "ones": np.array([1], dtype=np.int64),
        "locations_and_edges": np.array([1, 1], dtype=np.int64),
    }
    node = helper.make_node
    nodes = [
        node("AveragePool", [image], ["means"], kernel_shape=[WINDOW, WINDOW], strides=[GRID, GRID]),
        node("ReduceMean", ["means"], ["brightness"], axes=[1], keepdims=1),
        node("Sub", ["one", "brightness"], ["dark"]),
        node("Mul", ["means", "blue_minus_red"], ["signed"]),
        node("ReduceSum", ["signed", "channel_axis"], ["blueness"], keepdims=1),
        node("Concat", ["dark", "blueness"], ["maps"], axis=1),
        node("Clip", ["maps", "low", "one"], ["unscaled"]),
        node("Mul", ["unscaled", "scale"], ["in_range"]),
        node("Reshape", ["in_range", "flat_scores"], ["by_class"]),
        node("Transpose", ["by_class"], ["all_scores"], perm=[0, 2, 1]),
        node("ReduceMax", ["all_scores"], ["best"], axes=[2], keepdims=0),
        node("TopK", ["best", "k"], ["chosen_best", "chosen"], axis=1),
        node("Unsqueeze", ["chosen", "last"], ["chosen_column"]),
        *_window_boxes(),
        node("Expand", ["chosen_column", "four"], ["chosen_boxes"]),
        node("Expand", ["chosen_column", "two"], ["chosen_scores"]),
        node("GatherElements", ["batch_boxes", "chosen_boxes"], ["boxes"], axis=1),
        node("GatherElements", ["all_scores", "chosen_scores"], ["scores"], axis=1),
    ]
    constants |= {"channel_axis": np.array([1], dtype=np.int64), "low": np.float32(0.0)}
    floats = TensorProto.FLOAT
    return helper.make_graph(
        nodes,
        "blobs",
        [helper.make_tensor_value_info(image, floats, ["batch", 3, "height", "width"])],
        [
            helper.make_tensor_value_info("boxes", floats, ["batch", candidates, 4]),
            helper.make_tensor_value_info("scores", floats, ["batch", candidates, 2]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )


def _window_boxes() -> list[onnx.NodeProto]:
    """Nodes that make `batch_boxes` (N, rows * columns, 4): the window of every place on the grid."""
    node = helper.make_node
    return [
        node("Shape", ["dark"], ["map_shape"]),
        node("Gather", ["map_shape", "row_axis"], ["rows"]),
        node("Gather", ["map_shape", "column_axis"], ["columns"]),
        node("Mul", ["rows", "columns"], ["count"]),
        node("Range", ["zero", "count", "step"], ["place"]),
        node("Div", ["place", "columns"], ["row"]),
        node("Mod", ["place", "columns"], ["column"]),
        node("Mul", ["row", "grid"], ["row_pixel"]),
        node("Mul", ["column", "grid"], ["column_pixel"]),
        node("Cast", ["row_pixel"], ["y_flat"], to=TensorProto.FLOAT),
        node("Cast", ["column_pixel"], ["x_flat"], to=TensorProto.FLOAT),
        node("Reshape", ["y_flat", "flat"], ["y1"]),
        node("Reshape", ["x_flat", "flat"], ["x1"]),
        node("Add", ["y1", "window"], ["y2"]),
        node("Add", ["x1", "window"], ["x2"]),
        node("Concat", ["x1", "y1", "x2", "y2"], ["window_boxes"], axis=2),
        node("Gather", ["map_shape", "zero"], ["batch"]),
        node("Reshape", ["batch", "ones"], ["batch_count"]),
        node("Concat", ["batch_count", "locations_and_edges"], ["batch_shape"], axis=0),
        node("Expand", ["window_boxes", "batch_shape"], ["batch_boxes"]),
    ]
