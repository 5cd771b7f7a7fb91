"""The whole road of a detector into a model file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from cargosight_inference.scans.scan import Scan
from cargosight_models.contract import DataTerms
from cargosight_models.errors import ExportError
from cargosight_models.networks.detector import Detector
from cargosight_training.config import TrainConfig
from cargosight_training.export.contract import make_contract
from cargosight_training.export.folding import as_saved, fold_norms, round_to_half
from cargosight_training.export.graph import build_graph
from cargosight_training.export.parity import check_parity, parity_inputs, simulated_scans
from cargosight_training.export.storage import store_half, write_model

_FOLDING_TOLERANCE = 1e-4
"""Of the largest logit (or of 1): folding changes the order of roundings and nothing else."""


def export_detector(
    detector: Detector,
    classes: tuple[str, ...],
    config: TrainConfig,
    path: Path,
    training_data: tuple[DataTerms, ...],
    *,
    precision: Literal["fp32"] = "fp32",
    scans: Sequence[Scan] = (),
) -> Path:
    """Write a detector as a model file, checked against torch before it gets its name.

    The weights lie in the file in half precision; arithmetic is fp32, as `precision` says. The file is what
    torch computes with the same rounded weights (see `parity.Tolerances`), and the same for a network and for
    the weights file that was saved of it. Takes some 5 s, about twice that
    for the first export of a process. For int8 see `quantise`.

    Args:
        detector: with the weights to export; it is not changed.
        classes: names by class id.
        config: name, subject, kinds, and the export settings.
        path: of the file, ending in `.onnx`.
        training_data: from `contract.training_terms`.
        precision: of the arithmetic.
        scans: tried in the parity check; simulated bags where there are none.

    Raises:
        ExportError: the network cannot be traced, differs from its graph, or the file cannot be written;
            nothing is left behind, and a file of that name stays as it was.
    """
    if len(classes) != detector.settings.classes:
        raise ExportError(
            f"the network scores {detector.settings.classes} classes, but {len(classes)} names were given"
        )
    contract = make_contract(config, classes, training_data, precision)
    saved = as_saved(detector)
    folded = fold_norms(saved)
    _check_folding(saved, folded)
    round_to_half(folded)
    model = build_graph(folded, config.export.candidates, embedding=config.model.embedding)
    store_half(model)
    inputs = parity_inputs(contract.input, scans or simulated_scans(contract))
    return write_model(model, contract, path, check=lambda file: check_parity(folded, file, inputs))


@torch.inference_mode()
def _check_folding(detector: Detector, folded: Detector) -> None:
    image = torch.rand((1, 3, 96, 128), generator=torch.Generator().manual_seed(0))
    expected = detector(image).logits
    found = folded(image).logits
    allowed = _FOLDING_TOLERANCE * max(1.0, float(expected.abs().max()))
    error = float((found - expected).abs().max())
    if not error <= allowed:  # also for NaN
        raise ExportError(
            f"the logits move by {error:.2g} when batch norms are folded into convolutions; allowed are "
            f"{allowed:.2g}; the weights may hold numbers that are not finite"
        )
