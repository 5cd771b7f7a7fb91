"""Static int8: calibrated on scans, kept only where it costs next to nothing and is faster.

Convolutions and what lies between them compute in 8 bits: weights int8 by output channel, activations uint8, with
ranges from calibration scans that went through preprocess. What stays fp32:

- the last convolutions of the head and all that follows: their few channels hold logits and distances on which
  small steps decide (detectors were reported to find nothing after quantising them, onnxruntime issue 14233);
- the convolutions that see the picture at half its size or finer, whose errors reach everything.

Weights use 7 of their 8 bits, so that processors without VNNI instructions, whose 16-bit sums saturate, find the
same. Measured on an EfficientNet-Lite0 of mAP50 0.591 on 1,125 scans: 0.589 at 0.51 of fp32's CPU-time. With the
first convolutions in int8, too, 0.581 at 0.47. All 8 bits would make up for that (0.590 at 0.47), but only where
there is VNNI.
"""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.letterbox import choose_shape
from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.scan import Scan
from cargosight_inference.session import Session
from cargosight_models.contract import InputContract
from cargosight_models.errors import ExportError
from cargosight_models.geometry import FloatArray
from cargosight_training.datasets.records import DataSet
from cargosight_training.evaluation.accuracy import (
    ALLOWED_DETECTION,
    ALLOWED_MAP50,
    Accuracy,
    accuracy_on,
)
from cargosight_training.evaluation.run import open_inspector
from cargosight_training.export.storage import store_half, write_model
from cargosight_training.export.timing import alternate

_LAST_LAYERS = ("head.class_out.", "head.box_out.")
"""In the names of their weights."""

_FINEST_STRIDE = 2
"""Convolutions whose input has this stride or less stay fp32."""


@dataclass(frozen=True)
class Comparison:
    """An int8 file beside the fp32 file that it was made from.

    Attributes:
        accuracy: of fp32 and of int8 on the validation data.
        ratio: CPU-time of a run, int8 over fp32, by round.
    """

    accuracy: tuple[Accuracy, Accuracy]
    ratio: Spread

    @property
    def keeps_int8(self) -> bool:
        """Whether int8 is worth having: it loses as little as `Accuracy.keeps` allows, and is faster."""
        before, after = self.accuracy
        return before.keeps(after) and self.ratio.median < 1.0

    def sentence(self) -> str:
        """What was measured, and what follows."""
        before, after = self.accuracy
        return (
            f"{'int8 is kept' if self.keeps_int8 else 'fp32 stays'}: mAP50 {before.map50:.4f} in fp32 and "
            f"{after.map50:.4f} in int8 (it may lose less than {ALLOWED_MAP50:g}), {_found(before, after)}, int8 takes "
            f"{self.ratio.median:.2f} of the CPU-time of fp32 (it must take less than 1)"
        )


def _found(before: Accuracy, after: Accuracy) -> str:
    if before.detected is None or after.detected is None:
        return "no detection rate at a false-alarm rate of 5 %, since fewer than two scans are clean"
    return (
        f"{before.detected.count} and {after.detected.count} of {before.detected.of} boxes found at a false-alarm rate "
        f"of 5 % (it may lose less than {ALLOWED_DETECTION:.0%} of them)"
    )


def quantise(source: Path, scans: Iterable[Scan], out: Path) -> Path:
    """Write the int8 version of a model file.

    Args:
        source: an fp32 model file of this program.
        scans: of the training data, to calibrate on, at least one; a hundred are plenty. Drawn one by one.
        out: the file to write, ending in `.onnx`.

    Raises:
        ExportError: the source is quantised already, there are no scans, or the file cannot be written.
    """
    contract = Session(source).contract
    if contract.precision != "fp32":
        raise ExportError(f"{source} is {contract.precision}; expected an fp32 model to quantise")
    calibration = _Calibration(contract.input, scans)
    with tempfile.TemporaryDirectory() as folder:
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        # Folds the casts of stored weights and notes the shapes that the tool needs.
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantised,
            calibration,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_kept_single(onnx.load(prepared)),
        )
        model = onnx.load(quantised)
    _drop_unused_domains(model)
    store_half(model)
    return write_model(model, replace(contract, precision="int8"), out)


def compare(
    fp32: Path,
    int8: Path,
    dataset: DataSet,
    *,
    rounds: int = 30,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Measure accuracy and speed of both files.

    Args:
        fp32: a model file.
        int8: the same model quantised.
        dataset: validation data with boxes.
        rounds: how often each is timed, in turn, on one thread.
        progress: called with (done, total) after each inspection.

    Raises:
        DataSetError: the data has no box of a class that the model finds, or cannot be read.
    """
    measured: list[Accuracy] = []
    for path in (fp32, int8):
        offset = len(measured)

        def advance(done: int, total: int, offset: int = offset) -> None:
            if progress is not None:
                progress(offset * total + done, 2 * total)

        measured.append(accuracy_on(open_inspector(str(path)), dataset, progress=advance))
    return Comparison((measured[0], measured[1]), time_both(fp32, int8, rounds=rounds))


def time_both(fp32: Path, int8: Path, *, rounds: int = 30) -> Spread:
    """CPU-time of a run of the second file over that of the first, by round, at the largest shape."""
    sessions = [Session(fp32), Session(int8)]
    height, width = max(sessions[0].contract.input.shapes, key=lambda shape: shape[0] * shape[1])
    tensor = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
    rows = alternate([partial(session.run, tensor) for session in sessions], rounds)
    return Spread.of([second / first for first, second in rows])


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types
    """Hands out one preprocessed scan after the other, all in the shape that fits the first best."""

    def __init__(self, wanted: InputContract, scans: Iterable[Scan]) -> None:
        drawn = iter(scans)
        first = next(drawn, None)
        if first is None:
            raise ExportError("there are no scans to calibrate on; expected some of the training data")
        shape = choose_shape(first.width, first.height, wanted.shapes)
        fixed = replace(wanted, shapes=(shape,))
        self._name = wanted.name
        self._tensors = (preprocess(scan, fixed).tensor for scan in chain((first,), drawn))

    def get_next(self) -> dict[str, FloatArray] | None:
        """The next input by name, None at the end."""
        tensor = next(self._tensors, None)
        return None if tensor is None else {self._name: tensor}


def _kept_single(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that are not quantised."""
    return [*_from_last_layers_on(model), *_first_convolutions(model)]


def _first_convolutions(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions that see the picture at `_FINEST_STRIDE` or finer."""
    strides = {entry.name: 1 for entry in model.graph.input}
    names = []
    for node in model.graph.node:  # in order of computation
        known = [strides[name] for name in node.input if name in strides]
        if not known:
            continue
        if node.op_type == "Conv" and max(known) <= _FINEST_STRIDE:
            names.append(node.name)
        own = next((attribute.ints[0] for attribute in node.attribute if attribute.name == "strides"), 1)
        strides |= dict.fromkeys(node.output, max(known) * own)
    return names


def _from_last_layers_on(model: onnx.ModelProto) -> list[str]:
    """Names of the last convolutions of the head and of every node behind them.

    Raises:
        ExportError: there are none.
    """
    behind: set[str] = set()
    names = []
    for node in model.graph.node:  # in order of computation
        last = any(layer in name for name in node.input for layer in _LAST_LAYERS)
        if last or not behind.isdisjoint(node.input):
            behind.update(node.output)
            names.append(node.name)
    if not names:
        raise ExportError(
            "the graph has no layers of a detector's head; expected a file of `cargosight export`"
        )
    return names


def _drop_unused_domains(model: onnx.ModelProto) -> None:
    """Take out the operator sets that ONNX Runtime states and no node uses."""
    used = {node.domain for node in model.graph.node}
    kept = [onnx.helper.make_opsetid(o.domain, o.version) for o in model.opset_import if o.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
