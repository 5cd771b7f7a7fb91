"""The network of a model file with the output that ultralytics expects, so that both run one network."""

from importlib.util import find_spec
from pathlib import Path

from cargosight_inference.session import Session
from cargosight_models.errors import UsageError

_JOIN = """
<ir_version: {ir_version}, opset_import: ["" : {opset}]>
join (float[N, K, 4] boxes, float[N, K, {classes}] scores) => (float[N, {rows}, K] output0)
<float wrapped_half = {{0.5}}, int64[2] wrapped_corners = {{2, 2}}>
{{
    wrapped_least, wrapped_most = Split <axis = 2> (boxes, wrapped_corners)
    wrapped_sum = Add (wrapped_least, wrapped_most)
    wrapped_middle = Mul (wrapped_sum, wrapped_half)
    wrapped_size = Sub (wrapped_most, wrapped_least)
    wrapped_columns = Concat <axis = 2> (wrapped_middle, wrapped_size, scores)
    output0 = Transpose <perm = [0, 2, 1]> (wrapped_columns)
}}
"""


def can_wrap() -> bool:
    """Return whether the package `onnx`, which writes the file, is installed."""
    return find_spec("onnx") is not None


def wrap_for_ultralytics(model: Path, out: Path) -> Path:
    """Write the wrapped network; its boxes become centre and size, one column for each candidate.

    Raises:
        UsageError: the model is no detector of one letterbox.
    """
    import onnx
    from onnx import compose, parser

    contract = Session(model).contract
    if (
        contract.input.resize != "letterbox"
        or contract.suppression.where != "host"
        or "boxes" not in contract.outputs
    ):
        raise UsageError(
            f"{contract.name} reads {contract.input.resize} and cannot be given to ultralytics; compare with a "
            "letterboxed detector, such as baggage"
        )
    graph = onnx.load(model)
    opset = next(entry.version for entry in graph.opset_import if entry.domain in ("", "ai.onnx"))
    count = len(contract.classes)
    text = _JOIN.format(ir_version=graph.ir_version, opset=opset, classes=count, rows=4 + count)
    joined = compose.merge_models(
        graph,
        parser.parse_model(text),
        io_map=[("boxes", "boxes"), ("scores", "scores")],
        prefix2=None,
        outputs=["output0"],
    )
    side = max(max(shape) for shape in contract.input.shapes)
    facts = {
        "task": "detect",
        "stride": str(contract.input.stride),
        "batch": "1",
        "imgsz": str([side, side]),
        "names": str(dict(enumerate(contract.classes))),
        "args": str({"dynamic": True}),
    }
    onnx.helper.set_model_props(joined, facts)
    onnx.save(joined, out)
    return out
