"""How a graph lies in its file: weights in half precision, one file, written whole or not at all."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from cargosight_models.contract import METADATA_KEY, Contract, file_fingerprint
from cargosight_models.errors import ExportError

LEAST_ELEMENTS = 256
"""Smaller tensors are not worth a node of their own."""


def store_half(model: onnx.ModelProto) -> int:
    """Store float32 weights as float16 with a `Cast` behind, in place; returns how many were.

    Only tensors that float16 holds without loss are touched, so that the graph computes the same, and all
    arithmetic stays float32: ONNX Runtime folds the casts into constants when a session starts (some 5 ms
    for a detector of 3.3 million weights). The file is half as large.
    """
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if values.ndim < 2 or values.size < LEAST_ELEMENTS or not np.array_equal(half, values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(
            onnx.helper.make_node(
                "Cast", [f"{name}.half"], [name], name=f"{name}.cast", to=onnx.TensorProto.FLOAT
            )
        )
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend((*casts, *nodes))
    return len(casts)


def write_model(
    model: onnx.ModelProto, contract: Contract, path: Path, *, check: Callable[[Path], object] | None = None
) -> Path:
    """Write a graph with its contract, atomically.

    Args:
        model: the graph; its metadata is replaced by the contract.
        contract: what it says of itself.
        path: of the file, ending in `.onnx`.
        check: called with the file before it gets its name; what it raises leaves no file behind.

    Raises:
        ExportError: the folder cannot be written to, or the name does not end in `.onnx`.
    """
    if path.suffix != ".onnx":
        raise ExportError(f"a model file was to be called {path.name}; expected a name that ends in .onnx")
    onnx.helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    model.producer_name = "cargosight"
    model.ClearField("producer_version")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
            waiting = Path(folder) / path.name
            with waiting.open("wb") as out:
                out.write(model.SerializeToString(deterministic=True))
                out.flush()
                os.fsync(out.fileno())
            if check is not None:
                check(waiting)
            waiting.replace(path)
    except OSError as error:
        raise ExportError(f"the model file {path} cannot be written: {error}") from error
    return path


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A folder for what is not ready yet, on the disk where a file will lie; it goes when the block ends.

    Raises:
        ExportError: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent)
    except OSError as error:
        raise ExportError(f"the model file {path} cannot be written: {error}") from error
    with folder:
        yield Path(folder.name)


def write_checksum(path: Path) -> Path:
    """Write the SHA-256 of a model file beside it, as sha256sum does and as the catalog wants it.

    Raises:
        ExportError: it cannot be written.
    """
    checksum = path.with_suffix(".sha256")
    waiting = checksum.with_suffix(".partial")
    try:
        waiting.write_text(f"{file_fingerprint(path)}  {path.name}\n", encoding="ascii")
        waiting.replace(checksum)
    except OSError as error:
        raise ExportError(f"the checksum {checksum} cannot be written: {error}") from error
    return checksum
