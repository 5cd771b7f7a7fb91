"""A small network with weights that matter, and its model file, made once for all tests of a process."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import nn

from cargosight_models.contract import DataTerms
from cargosight_models.networks.detector import Detector, DetectorSettings
from cargosight_training.config import TrainConfig
from cargosight_training.export.detector import export_detector
from cargosight_training.export.folding import as_saved, fold_norms, round_to_half
from tests.made import scans

CLASSES = ("bar", "disc", "ring")
"""Those of `tests.made.datasets`."""

SHAPES = ((96, 128), (128, 96))
CANDIDATES = 40
TERMS = (DataTerms("site-a", 10, "own"), DataTerms("site-b", 4, "made", declared_simulated=True))


def settings(backbone: str = "csp-nano", classes: int = len(CLASSES)) -> DetectorSettings:
    """Settings of a network as small as they come."""
    return DetectorSettings(classes, backbone, channels=8, head_depth=1, separable=True)


def lively_detector(backbone: str = "csp-nano", *, seed: int = 0) -> Detector:
    """Return a network with random weights and norms, scores and box sizes that differ from place to place."""
    torch.manual_seed(seed)
    detector = Detector(settings(backbone)).eval()
    for module in detector.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    nn.init.normal_(detector.head.class_out.weight)
    nn.init.normal_(detector.head.box_out.weight)
    image = torch.from_numpy(scans.colour(128, 160, seed).transpose(2, 0, 1).copy()).unsqueeze(0) / 255.0
    head = detector.head
    with torch.no_grad():
        maps = detector.features(image)
        _settle(head.class_out, [head.class_tower(x) for x in maps], mean=-1.0, spread=1.5)
        _settle(head.box_out, [head.box_tower(x) for x in maps], mean=0.3, spread=0.3)
    return detector


def _settle(layer: nn.Conv2d, maps: list[torch.Tensor], *, mean: float, spread: float) -> None:
    """Scale and shift a convolution so that each of its channels has this mean and deviation over all maps."""
    nn.init.zeros_(layer.bias)
    found = torch.cat([layer(x).flatten(2) for x in maps], dim=2)
    layer.weight *= spread / found.std(dim=2).view(-1, 1, 1, 1)
    layer.bias += mean - spread * (found.mean(dim=2) / found.std(dim=2)).view(-1)


def written_network(detector: Detector) -> Detector:
    """Return what torch computes with the weights that lie in the model file of a network."""
    folded = fold_norms(as_saved(detector))
    round_to_half(folded)
    return folded


def export_config(**export: object) -> TrainConfig:
    """Return the configuration of a run that the network could come from."""
    given = {
        "name": "tiny",
        "out": "run",
        "data": {"train": [{"file": "train.json"}]},
        "model": {
            "backbone": "csp-nano",
            "pretrained": False,
            "channels": 8,
            "head_depth": 1,
            "separable": True,
        },
        "phases": [{"steps": 1, "size": 96}],
        "export": {"shapes": SHAPES, "candidates": CANDIDATES, **export},
    }
    return TrainConfig.model_validate(given)


@cache
def exported() -> tuple[Detector, Path]:
    """Return the network and its model file; tests must change neither."""
    folder = Path(tempfile.mkdtemp(prefix="cargosight-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    detector = lively_detector()
    return detector, export_detector(detector, CLASSES, export_config(), folder / "tiny.onnx", TERMS)
