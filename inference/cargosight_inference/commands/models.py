"""`cargosight models`: what can be inspected with."""

import argparse
import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np

from cargosight_inference.findings import decode_findings
from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.scan import Scan
from cargosight_inference.session import Session
from cargosight_models.catalog import ModelFile, cache_folder, find_model, install_model, list_models
from cargosight_models.contract import Contract

SUMMARY = "List, show, verify and install model files."

_MADE_SIZE = (300, 450)
"""Height and width of the made scan that `verify` inspects; it has to be shrunk for most models."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `models`."""
    parser.epilog = (
        "Without an action the models are listed. Models are bundled with the package or installed."
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", help="list bundled and installed models")
    listing.add_argument("--json", action="store_true", help="write JSON")
    show = actions.add_parser("show", help="show what a model says of itself")
    show.add_argument("model", metavar="NAME|FILE.onnx")
    show.add_argument("--json", action="store_true", help="write JSON")
    show.add_argument("--card", action="store_true", help="write the model card instead")
    verify = actions.add_parser("verify", help="check SHA-256, contract, operating points, and a run")
    verify.add_argument("model", metavar="NAME|FILE.onnx")
    install = actions.add_parser("install", help="copy a model file into the user's models")
    install.add_argument("file", metavar="FILE.onnx")
    install.add_argument("--name", required=True, help="name to find it by afterwards")
    install.add_argument("--replace", action="store_true", help="replace an installed model of that name")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; a failed check is an error (exit code 2)."""
    if arguments.action == "show":
        _show(arguments.model, as_json=arguments.json, card=arguments.card)
    elif arguments.action == "verify":
        _verify(arguments.model)
    elif arguments.action == "install":
        _install(arguments)
    else:
        _list(as_json=getattr(arguments, "json", False))
    return 0


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")


def _list(*, as_json: bool) -> None:
    models = list_models()
    if as_json:
        _write(json.dumps([_row(model) for model in models], indent=2))
    elif not models:
        _write(f"no model is bundled, and none is installed in {cache_folder()}")
    for model in () if as_json else models:
        points = ", ".join(_point_names(model)) or "no operating points"
        state = "ok" if model.problem is None else model.problem
        _write(f"{model.name:<16}  {model.origin:<8}  {model.sha256[:12]}  {points}  {state}")


def _point_names(model: ModelFile) -> list[str]:
    """Return the names of the operating points, the default first."""
    sidecar = model.sidecar
    if sidecar is None:
        return []
    names = [point.name for point in sidecar.operating_points]
    return sorted(names, key=lambda name: name != sidecar.default)


def _row(model: ModelFile) -> dict[str, Any]:
    return {
        "name": model.name,
        "origin": model.origin,
        "path": str(model.path),
        "sha256": model.sha256,
        "operating_points": _point_names(model),
        "problem": model.problem,
    }


def _show(name: str, *, as_json: bool, card: bool) -> None:
    model = find_model(name)
    if card:
        _write(model.card.read_text(encoding="utf-8") if model.card else f"{model.name} has no model card")
        return
    contract = Session(model).contract
    if as_json:
        points = [] if model.sidecar is None else model.sidecar.operating_points
        thresholds = {point.name: dict(point.thresholds) for point in points}
        stated = json.loads(contract.to_json())
        _write(json.dumps(_row(model) | {"thresholds": thresholds, "contract": stated}, indent=2))
        return
    for label, text in _facts(model, contract):
        _write(f"{label:<18}{text}")


def _facts(model: ModelFile, contract: Contract) -> list[tuple[str, str]]:
    suppression = contract.suppression
    facts = [
        (
            "name",
            model.name if model.name == contract.name else f"{model.name} (calls itself {contract.name})",
        ),
        ("file", f"{model.path} ({model.origin})"),
        ("fingerprint", model.sha256),
        ("subject", contract.subject),
        ("kinds", ", ".join(contract.kinds)),
        ("classes", ", ".join(contract.classes)),
        ("outputs", ", ".join(contract.outputs)),
        (
            "input",
            f"{contract.input.channels} x " + " or ".join(f"{h} x {w}" for h, w in contract.input.shapes),
        ),
        ("precision", contract.precision),
        (
            "suppression",
            f"{suppression.where}, IoU {suppression.iou:g}, floor {suppression.score_floor:g}, at most "
            f"{suppression.max_per_class} findings of each class of {suppression.candidates} candidates",
        ),
        ("made by", f"cargosight {contract.code_version}"),
        ("operating points", ", ".join(_point_names(model)) or "none: a threshold has to be given"),
        ("card", str(model.card) if model.card else "none"),
    ]
    facts += [
        ("trained on", f"{data.source}: {data.images:,} images, terms: {data.terms}")
        for data in contract.training_data
    ]
    return facts


def _verify(name: str) -> None:
    """Run every check; the first that fails raises."""
    model = find_model(name)
    _write(f"SHA-256           {model.sha256} ({_compared(model)})")
    session = Session(model)
    contract = session.contract
    _write(f"contract          schema {contract.schema}, agrees with the graph")
    if model.sidecar is not None:
        count = len(model.sidecar.operating_points)
        _write(f"operating points  {count}, bound to this file")
    else:
        _write("operating points  none")
    scan = _made_scan(contract)
    for shape in contract.input.shapes:
        network_input = preprocess(scan, replace(contract.input, shapes=(shape,)))
        outputs = session.run(network_input.tensor)
        thresholds = np.zeros(len(contract.classes), dtype=np.float32)
        findings = decode_findings(outputs, contract, network_input, thresholds)
        _write(f"run               {shape[0]} x {shape[1]}: well-formed, {len(findings)} findings in noise")
    _write(f"{model.name} is in order")


def _compared(model: ModelFile) -> str:
    """Say what the SHA-256 was compared with; `find_model` has refused a file that does not match."""
    checksum = model.path.with_suffix(".sha256")
    return f"matches {checksum.name}" if checksum.is_file() else "no checksum beside the file to compare with"


def _made_scan(contract: Contract) -> Scan:
    """Return a scan of noise in a kind that the model reads."""
    generator = np.random.default_rng(0)
    if contract.input.colour == "rgb":
        pixels = generator.integers(0, 256, (*_MADE_SIZE, 3), dtype=np.uint8)
        return Scan.in_memory(pixels, kind="pseudocolour", subject=contract.subject)
    energies = min(contract.input.channels, 2)
    transmission = generator.random((*_MADE_SIZE, energies), dtype=np.float32)
    return Scan.in_memory(transmission, kind="transmission", subject=contract.subject)


def _install(arguments: argparse.Namespace) -> None:
    """Install a file that passes the checks of `verify`."""
    Session(find_model(arguments.file))
    model = install_model(arguments.file, arguments.name, replace=arguments.replace)
    _write(f"installed {model.name} into {model.path.parent}")
