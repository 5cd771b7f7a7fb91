"""The ONNX Runtime session of one model file, with an explicit thread policy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cargosight_inference.preprocess import Tiles
from cargosight_inference.providers import CPU, Execution, check, open_session
from cargosight_inference.runtime import RUNTIME_ERRORS, onnxruntime
from cargosight_models.catalog import ModelFile
from cargosight_models.contract import METADATA_KEY, Contract, file_fingerprint
from cargosight_models.errors import CatalogError, ContractError, UsageError
from cargosight_models.geometry import FloatArray

MOST_THREADS = 256
"""More than one session gains from; ONNX Runtime takes minutes to start some ten thousands, or dies of them."""

Outputs = dict[str, npt.NDArray[Any]]

_WARNINGS_AND_WORSE = 3
"""ONNX Runtime's severity "error": its warnings are about fusions, and an operator can do nothing about
them."""


@dataclass(frozen=True, kw_only=True)
class ThreadPolicy:
    """How many threads a session may use.

    One thread without spinning is the default: several workers of one thread each get more scans through a
    machine than one worker of several, and a waiting thread that spins takes the CPU from the decoders.

    Attributes:
        intra_op: threads inside one operator, 1 to `MOST_THREADS`.
        inter_op: operators run side by side, 1 to `MOST_THREADS`.
        allow_spinning: whether waiting threads may burn CPU for lower latency.
    """

    intra_op: int = 1
    inter_op: int = 1
    allow_spinning: bool = False

    def __post_init__(self) -> None:
        for name, value in (("intra_op", self.intra_op), ("inter_op", self.inter_op)):
            if not 1 <= value <= MOST_THREADS:
                raise UsageError(f"{name} is {value} threads; expected 1 to {MOST_THREADS}")


class Session:
    """A model ready to run.

    The file's SHA-256 is the same before and after ONNX Runtime has loaded it: what was hashed is what runs.

    Attributes:
        contract: what the model says of itself, checked against its graph.
        fingerprint: SHA-256 of the model file.
        path: of the model file.
        threads: the thread policy in force.
        execution: where the network runs, and in which arithmetic.
    """

    def __init__(
        self,
        model: ModelFile | Path,
        threads: ThreadPolicy | None = None,
        execution: Execution = CPU,
    ) -> None:
        """Load a model file.

        Args:
            model: from the catalog, or a path.
            threads: the default `ThreadPolicy()` when None.
            execution: where to run, and in which arithmetic.

        Raises:
            CatalogError: the file cannot be read, or changed since the catalog checked it.
            ContractError: no ONNX graph, no contract, a newer one, or one that contradicts the graph.
            UsageError: a provider or an arithmetic that is not to be had here, or one that has already quantised the
                file is asked for another.
        """
        check(execution)
        self.execution = execution
        self.threads = threads or ThreadPolicy()
        self.path = model.path if isinstance(model, ModelFile) else Path(model)
        before = model.sha256 if isinstance(model, ModelFile) else _hash(self.path)
        self._session = _open(self.path, self.threads, execution)
        self.fingerprint = _hash(self.path)
        if before != self.fingerprint:
            raise CatalogError(
                f"{self.path} is {self.fingerprint[:12]}…, but was {before[:12]}… a moment ago; "
                "it is being written to: wait, then start again"
            )
        self.contract = _read_contract(self._session, self.path)
        _check_graph(self._session, self.contract, self.path)
        if execution.arithmetic != "fp32" and self.contract.precision != "fp32":
            raise UsageError(
                f"{self.path} is {self.contract.precision} and runs as it is; {execution.arithmetic} is for models in "
                "fp32: leave it out, or name such a model"
            )
        self._output_names = list(self.contract.outputs)

    @property
    def precision(self) -> str:
        """Of the arithmetic: that of the model file, or the coarser one that was asked for."""
        return self.contract.precision if self.execution.arithmetic == "fp32" else self.execution.arithmetic

    def run(self, tiles: Tiles) -> Outputs:
        """Run the network on one tile after the other, which bounds what it holds, however large the scan.

        Args:
            tiles: float32 (N, C, H, W) with (H, W) among the contract's shapes, values in [0, 1].

        Returns:
            Arrays by output name, those that the contract states.

        Raises:
            ContractError: the tensor does not fit, or the graph fails on it.
        """
        wanted = self.contract.input
        shape = tiles.shape
        fits = len(shape) == 4 and shape[1] == wanted.channels and shape[2:] in wanted.shapes
        if tiles.dtype != np.float32 or not fits:
            raise ContractError(
                f"the input tensor is {tiles.dtype} {shape}; {self.contract.name} reads float32 "
                f"(N, {wanted.channels}, H, W) with (H, W) one of {', '.join(map(str, wanted.shapes))}"
            )
        try:
            parts = [self._run_one(tiles[tile][np.newaxis]) for tile in range(shape[0])]
        except RUNTIME_ERRORS as error:
            raise ContractError(
                f"{self.path} fails on an input of {shape}: {_first_line(error)}; export the model again"
            ) from error
        if len(parts) == 1:
            return dict(zip(self._output_names, parts[0], strict=True))
        joined = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return dict(zip(self._output_names, joined, strict=True))

    def _run_one(self, tile: FloatArray) -> list[npt.NDArray[Any]]:
        """Run (1, C, H, W); on a device input and outputs are bound, so that each crosses to it once."""
        name = self.contract.input.name
        if not self.execution.on_device:  # the CPU reads the array where it lies
            outputs: list[npt.NDArray[Any]] = self._session.run(self._output_names, {name: tile})
            return outputs
        binding = self._session.io_binding()
        binding.bind_cpu_input(name, tile)
        for output in self._output_names:
            binding.bind_output(output, "cuda")  # its size is not known beforehand: ONNX Runtime makes room
        self._session.run_with_iobinding(binding)
        bound: list[npt.NDArray[Any]] = binding.copy_outputs_to_cpu()
        return bound


def _hash(path: Path) -> str:
    try:
        return file_fingerprint(path)
    except OSError as error:
        raise CatalogError(f"the model file {path} cannot be read: {error.strerror}") from error


def _open(path: Path, threads: ThreadPolicy, execution: Execution) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads.intra_op
    options.inter_op_num_threads = threads.inter_op
    # The plan of one block for all tensors is kept for each input shape; without it memory is a fifth less
    # for a mix of shapes, at no cost in time that could be measured.
    options.enable_mem_pattern = False
    options.log_severity_level = _WARNINGS_AND_WORSE
    if threads.inter_op > 1:
        options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    spin = "1" if threads.allow_spinning else "0"
    options.add_session_config_entry("session.intra_op.allow_spinning", spin)
    options.add_session_config_entry("session.inter_op.allow_spinning", spin)
    try:
        return open_session(_path_or_bytes(path), options, execution, threads.intra_op)
    except RUNTIME_ERRORS as error:
        raise ContractError(
            f"{path} is no ONNX model that ONNX Runtime {onnxruntime.__version__} can load: "
            f"{_first_line(error)}"
        ) from error


def _path_or_bytes(path: Path) -> str | bytes:
    """Return the path; the content in its place where the name is no UTF-8, which ONNX Runtime does not open."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return path.read_bytes()
    return str(path)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _read_contract(session: onnxruntime.InferenceSession, path: Path) -> Contract:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ContractError(
            f"{path} has no cargosight contract in its metadata; only models written by `cargosight export` "
            "can be inspected with, since nothing is guessed about a model"
        )
    try:
        return Contract.from_json(text)
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from error


def _check_graph(session: onnxruntime.InferenceSession, contract: Contract, path: Path) -> None:
    """Compare what the graph declares with what the contract says; dynamic dimensions agree with anything."""
    wanted = contract.input
    inputs = session.get_inputs()
    if [entry.name for entry in inputs] != [wanted.name]:
        _contradict(path, "inputs", [entry.name for entry in inputs], [wanted.name])
    if inputs[0].type != "tensor(float)":
        _contradict(path, "input type", inputs[0].type, "tensor(float)")
    shape = inputs[0].shape
    if len(shape) != 4 or not _agree(shape[1], wanted.channels):
        _contradict(path, "input shape", shape, f"(N, {wanted.channels}, H, W)")
    for height, width in wanted.shapes:
        if not (_agree(shape[2], height) and _agree(shape[3], width)):
            _contradict(path, "input shape", shape, f"one that takes {height} x {width}")

    outputs = {entry.name: entry.shape for entry in session.get_outputs()}
    if set(outputs) != set(contract.outputs):
        _contradict(path, "outputs", sorted(outputs), sorted(contract.outputs))
    for name, last in (("boxes", 4), ("scores", len(contract.classes))):
        if name not in outputs:
            continue
        found = outputs[name]
        few_enough = len(found) == 3 and (
            not isinstance(found[1], int) or found[1] <= contract.suppression.candidates
        )
        if not few_enough or not _agree(found[2], last):
            _contradict(path, f"output {name}", found, f"(N, {contract.suppression.candidates}, {last})")
    looks = outputs.get("embedding")
    if looks is not None and (len(looks) != 2 or not isinstance(looks[1], int) or looks[1] < 1):
        _contradict(path, "output embedding", looks, "(N, D), D a number that the graph states")


def _agree(found: object, wanted: int) -> bool:
    return not isinstance(found, int) or found == wanted


def _contradict(path: Path, what: str, found: object, stated: object) -> None:
    raise ContractError(
        f"{path}: the graph's {what} is {found}, its contract says {stated}; export the model again"
    )
