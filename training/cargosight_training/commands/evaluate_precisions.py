"""`cargosight evaluate --precisions`: a model in fp32, int8 and bf16 beside each other, as its card shows it."""

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path

from cargosight_inference.processor import processor_name
from cargosight_inference.progress import Progress
from cargosight_inference.session import Session
from cargosight_models.catalog import find_model
from cargosight_models.errors import UsageError
from cargosight_training.datasets.cache import read_record
from cargosight_training.datasets.coco import read_coco
from cargosight_training.datasets.records import DataSet, check_apart
from cargosight_training.evaluation.precisions import SCHEMA, compare_precisions, markdown, ways

CALIBRATION_SCANS = 100


def evaluate_precisions(args: argparse.Namespace, dataset: DataSet) -> int:
    """Measure and print the table; returns the exit code.

    Raises:
        CargosightError: a model or the data is wrong.
    """
    model = find_model(args.model)
    with tempfile.TemporaryDirectory(prefix="cargosight-int8-") as folder:
        int8 = _int8(args, model.path, dataset, Path(folder))
        bar = Progress()

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.advance()

        try:
            rows = compare_precisions(ways(model.path, int8), dataset, progress=show)
        finally:
            bar.erase()
    processor = processor_name()
    text = markdown(rows, dataset.name, processor)
    document = {
        "schema": SCHEMA,
        "model": Session(model).fingerprint,
        "data": dataset.name,
        "processor": processor,
        "system": platform.system(),
        "rows": [row.to_dict() for row in rows],
    }
    if args.json:
        sys.stdout.write(json.dumps(document, allow_nan=False) + "\n")
    else:
        sys.stdout.write(text)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "precisions.json").write_text(
            json.dumps(document, indent=1, allow_nan=False) + "\n", "utf-8"
        )
        (args.out / "precisions.md").write_text(text, "utf-8")
    return 0


def _int8(args: argparse.Namespace, model: Path, dataset: DataSet, folder: Path) -> Path | None:
    """Return the int8 file that was given, or one that is made of the training scans that were."""
    if args.int8 is not None and args.calibrate_on is not None:
        raise UsageError("--int8 names a file and --calibrate-on makes one; give one of the two")
    if args.calibrate_on is None:
        return None if args.int8 is None else find_model(str(args.int8)).path
    from cargosight_training.export.quantise import quantise  # wants onnx

    training = read_coco(args.calibrate_on, images_dir=args.images)
    check_apart(training, dataset)
    contract = Session(model).contract
    shapes = contract.input.letterboxes
    count = min(CALIBRATION_SCANS, len(training))
    records = (training.images[number * len(training) // count] for number in range(count))
    scans = (read_record(record, contract.subject, shapes) for record in records)
    return quantise(model, scans, folder / f"{model.stem}-int8.onnx")
