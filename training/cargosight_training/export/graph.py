"""The detector as an ONNX graph: normalisation, network, choice of the best locations, boxes, scores.

Tracing the whole detector with symbolic height and width costs 25 CPU-seconds, nearly all of it algebra on
sizes. So the network is traced at one size, which leaves no size behind in a graph of convolutions, and the
small part that does depend on sizes is written here in ONNX's own text form and joined on. The parity check
holds it against `networks.head` in every export. A network that mentions sizes, as some torchvision backbones
do, is traced again with symbolic ones.
"""

from importlib.util import find_spec
from string import Template

import onnx
import torch
from onnx import compose, parser
from torch import Tensor, nn
from torch.export import Dim

from cargosight_models.errors import ExportError, MissingExtraError
from cargosight_models.networks.detector import Detector
from cargosight_models.networks.embedding import pooled
from cargosight_models.networks.head import STRIDES

OPSET = 18
INPUT = "image"
OUTPUTS = ("boxes", "scores")
ANOMALY_MAP = "anomaly_map"
"""The further output of a network that has a map of the unusual, (N, 1, H / 8, W / 8) in [0, 1]."""
EMBEDDING = "embedding"
"""The further output where one is asked for, (N, D)."""
INNER = ("decode/edges", "decode/logits", "decode/chosen")
"""Names of inner values that parity looks at: boxes (N, 4, A) and logits (N, C, A) of all locations before the
choice, and the locations (N, K) that were chosen."""
_TRACED_SIZE = (2, 3, 128, 160)
_MAPS = tuple(f"{part}_{stride}" for part in ("logits", "distances") for stride in STRIDES)
_SIZE_FREE = (
    "Add AveragePool BatchNormalization Clip Concat Constant Conv Div Elu Erf Exp Gelu Gemm GlobalAveragePool "
    "HardSigmoid HardSwish LeakyRelu Log MatMul Max MaxPool Min Mul Neg Pad Pow ReduceMean Relu Sigmoid Softmax "
    "Split Sqrt Sub Tanh Transpose"
)
"""Operators that no size can be hidden in, beside `Resize` by a factor."""


_LEVEL = Template("""
    size_$s = Shape <start = 2, end = 4> (logits_$s)
    everywhere_$s = ConstantOfShape <value = int64[1] {1}> (size_$s)
    row_column_$s = NonZero (everywhere_$s)
    place_$s = Cast <to = 1> (row_column_$s)
    centre_$s = Add (place_$s, half)
    points_$s = Mul (centre_$s, stride_$s)
    pixels_$s = Mul (distances_$s, stride_$s)
    reach_$s = Reshape (pixels_$s, flat)
    flat_logits_$s = Reshape (logits_$s, flat)""")
"""Grid of one level, the network's distances in pixels; `NonZero` lists places row by row."""

_DECODE = Template("""
<ir_version: $ir_version, opset_import: ["" : $opset]>
decode (float[N, $classes, H8, W8] logits_8, float[N, $classes, H16, W16] logits_16,
        float[N, $classes, H32, W32] logits_32, float[N, 4, H8, W8] distances_8,
        float[N, 4, H16, W16] distances_16, float[N, 4, H32, W32] distances_32)
    => (float[N, K, 4] boxes, float[N, K, $classes] scores)
<
    float half = {0.5}, float stride_8 = {8}, float stride_16 = {16}, float stride_32 = {32},
    int64[3] flat = {0, 0, -1}, int64[1] channels = {1}, int64[2] x_before_y = {1, 0},
    int64[1] candidates = {$candidates}, int64[3] four = {1, 4, 1}, int64[3] every_class = {1, $classes, 1}
> {
    $levels
    logits = Concat <axis = 2> (flat_logits_8, flat_logits_16, flat_logits_32)
    reach = Concat <axis = 2> (reach_8, reach_16, reach_32)
    points_yx = Concat <axis = 1> (points_8, points_16, points_32)
    points = Gather <axis = 0> (points_yx, x_before_y)
    left_top, right_bottom = Split <axis = 1, num_outputs = 2> (reach)
    least = Sub (points, left_top)
    most = Add (points, right_bottom)
    edges = Concat <axis = 1> (least, most)
    best = ReduceMax <keepdims = 0> (logits, channels)
    locations = Shape <start = 1> (best)
    count = Min (locations, candidates)
    best_scores, chosen = TopK <axis = 1> (best, count)
    places = Unsqueeze (chosen, channels)
    edge_places = Expand (places, four)
    class_places = Expand (places, every_class)
    chosen_edges = GatherElements <axis = 2> (edges, edge_places)
    chosen_logits = GatherElements <axis = 2> (logits, class_places)
    boxes = Transpose <perm = [0, 2, 1]> (chosen_edges)
    chosen_scores = Sigmoid (chosen_logits)
    scores = Transpose <perm = [0, 2, 1]> (chosen_scores)
}""")
"""The maps of `Trunk` to the best locations of all levels, as boxes and scores by falling best score."""


class Trunk(nn.Module):
    """Backbone, neck and heads: three maps of logits, three of edge distances, and the outputs of `_further`."""

    def __init__(self, detector: Detector, *, embedding: bool = False) -> None:
        super().__init__()
        self.detector = detector
        self.embedding = embedding

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) in [0, 1] to (N, C, h, w) logits and (N, 4, h, w) distances in strides, each by level."""
        below = self.detector.backbone_maps(image)
        maps = self.detector.neck(below)
        levels = [self.detector.head.at_level(level, x) for level, x in enumerate(maps)]
        found = [logits for logits, _ in levels] + [distances for _, distances in levels]
        if self.detector.anomaly is not None:
            found.append(torch.sigmoid(self.detector.anomaly(maps[0])))
        if self.embedding:
            found.append(pooled(below))
        return tuple(found)


def build_graph(detector: Detector, candidates: int, *, embedding: bool = False) -> onnx.ModelProto:
    """Return the graph of a detector.

    Input `image` float32 (batch, 3, height, width) in [0, 1], height and width multiples of 32; outputs `boxes`
    float32 (batch, K, 4), x1, y1, x2, y2 in input pixels, and `scores` float32 (batch, K, C) in [0, 1], by
    falling best score; K is `candidates`, or the number of locations where that is smaller; `anomaly_map`
    float32 (batch, 1, height / 8, width / 8) in [0, 1] where the detector has one; `embedding` float32 (batch, D)
    where it is asked for.

    Args:
        detector: from `fold_norms`.
        candidates: most locations to return, 1 or more.
        embedding: whether the graph also says what the picture looks like as a whole.

    Raises:
        ExportError: torch cannot trace the network.
        MissingExtraError: what torch exports with is not installed.
    """
    if find_spec("onnxscript") is None:
        raise MissingExtraError("train", "the export of a network")
    try:
        whole = Trunk(detector, embedding=embedding).eval()
        trunk = _trace_trunk(whole, symbolic=False)
        if not _is_size_free(trunk):
            trunk = _trace_trunk(whole, symbolic=True)
    except (torch.onnx.errors.OnnxExporterError, torch._dynamo.exc.TorchDynamoException) as error:
        raise ExportError(
            f"torch cannot trace the backbone {detector.settings.backbone} into a graph: {error}; choose another"
        ) from error
    decode = _decode_graph(detector.settings.classes, candidates, trunk.ir_version)
    model = compose.merge_models(
        compose.add_prefix(trunk, "network/", rename_inputs=False, rename_outputs=False),
        compose.add_prefix(decode, "decode/", rename_inputs=False, rename_outputs=False),
        io_map=[(name, name) for name in _MAPS],
        outputs=[*OUTPUTS, *_further(whole)],
    )
    _describe(model, whole)
    onnx.checker.check_model(model, full_check=True)
    return model


def _further(trunk: Trunk) -> dict[str, list[str | int]]:
    """The outputs beside boxes and scores in their order, with what their sides are called."""
    found: dict[str, list[str | int]] = {}
    if trunk.detector.anomaly is not None:
        found[ANOMALY_MAP] = ["batch", 1, "cell_rows", "cell_columns"]
    if trunk.embedding:
        found[EMBEDDING] = ["batch", embedding_size(trunk.detector)]
    return found


def embedding_size(detector: Detector) -> int:
    """Return D, the numbers of an embedding."""
    with torch.no_grad():
        return detector.embedding(torch.zeros(1, 3, STRIDES[-1], STRIDES[-1])).shape[1]


def _trace_trunk(trunk: Trunk, *, symbolic: bool) -> onnx.ModelProto:
    shapes = None
    if symbolic:
        stride = STRIDES[-1]
        shapes = {INPUT: {0: Dim("batch"), 2: stride * Dim("rows"), 3: stride * Dim("columns")}}
    with torch.no_grad():
        program = torch.export.export(
            trunk, (torch.zeros(_TRACED_SIZE),), dynamic_shapes=shapes, strict=False
        )
    exported = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=OPSET,
        input_names=(INPUT,),
        output_names=(*_MAPS, *_further(trunk)),
        verbose=False,
    )
    assert exported is not None  # always a program when no file is named
    return exported.model_proto


def _decode_graph(classes: int, candidates: int, ir_version: int) -> onnx.ModelProto:
    levels = "".join(_LEVEL.substitute(s=stride) for stride in STRIDES)
    text = _DECODE.substitute(
        levels=levels, classes=classes, candidates=candidates, opset=OPSET, ir_version=ir_version
    )
    return parser.parse_model(text)


def _is_size_free(trunk: onnx.ModelProto) -> bool:
    """Whether the traced size can have left no trace in the graph."""
    known = _SIZE_FREE.split()
    for node in trunk.graph.node:
        by_factor = node.op_type == "Resize" and not (len(node.input) > 3 and node.input[3])
        if node.op_type not in known and not by_factor:
            return False
    return True


def _describe(model: onnx.ModelProto, trunk: Trunk) -> None:
    """Name the dynamic sizes and take out what the tracer noted: source lines and paths of this machine."""
    graph = model.graph
    image = onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, ["batch", 3, "height", "width"])
    outputs = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", "candidates", last])
        for name, last in zip(OUTPUTS, (4, trunk.detector.settings.classes), strict=True)
    ]
    outputs += [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sides)
        for name, sides in _further(trunk).items()
    ]
    for values, described in ((graph.input, [image]), (graph.output, outputs)):
        del values[:]
        values.extend(described)
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    for node in graph.node:
        node.name = node.name or node.output[0]
    graph.name = "detector"
    del model.opset_import[1:]  # joined parts state the same operator set twice
