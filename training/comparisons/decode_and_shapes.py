"""What the decode at reduced scale, and the input shapes, do to the accuracy and the cost of a model.

Real scans of the data set are copied as JPEG at their own size, and enlarged, into a temporary folder. Four questions:

- half the input: the model at half its input, on JPEGs at their own size, which are then decoded at half of it; beside
  it the same with every file decoded whole. Real pixels, but the model works below the size that it was trained for.
- enlarged: the model as it is on JPEGs of more than twice its input, decoded at half their size or whole.
- square: one square input in place of the model's shapes.
- more shapes: flat and tall shapes beside the model's own.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time

import cv2
import numpy as np
import onnx

from cargosight_inference.arguments import path_argument
from cargosight_inference.inspector import Inspector
from cargosight_inference.session import Session
from cargosight_models.catalog import find_model
from cargosight_models.errors import CargosightError, DataSetError
from cargosight_training.datasets.coco import merge, read_coco
from cargosight_training.datasets.records import DataSet, ImageRecord
from cargosight_training.evaluation.accuracy import Accuracy, accuracy_on
from cargosight_training.evaluation.rates import SCORE_FLOOR
from cargosight_training.export.storage import write_model

Shapes = tuple[tuple[int, int], ...]
QUALITY = 92
"""Of the JPEG copies; the scans of the project's data come as WebP of quality 80."""
ENLARGED = 2.5
QUESTIONS = ("half the input", "enlarged", "square", "more shapes")


@dataclass(frozen=True)
class Row:
    """One way of running the model.

    Attributes:
        name: of it.
        accuracy: on the scans.
        milliseconds: CPU-time of the whole process for one scan, evaluation included.
        reduced: share of the scans that were decoded at reduced scale.
    """

    name: str
    accuracy: Accuracy
    milliseconds: float
    reduced: float

    def line(self) -> str:
        """As a row of a Markdown table."""
        detected, alarmed = self.accuracy.detected, self.accuracy.alarmed
        rates = [
            "-" if rate is None or rate.value is None else f"{rate.value:.1%} ({rate.count} of {rate.of})"
            for rate in (detected, alarmed)
        ]
        return (
            f"| {self.name} | {self.reduced:.0%} | {self.accuracy.map50:.4f} | {rates[0]} | {rates[1]} | "
            f"{self.milliseconds:.1f} |"
        )


def with_shapes(model: Path, shapes: Shapes, out: Path) -> Path:
    """Write a model file that states other input shapes; the graph takes any multiple of its stride."""
    contract = Session(model).contract
    return write_model(onnx.load(model), replace(contract, input=replace(contract.input, shapes=shapes)), out)


def as_jpeg(dataset: DataSet, folder: Path, *, factor: float = 1.0) -> DataSet:
    """Copy a data set's images as JPEG, their sides multiplied by `factor`, boxes with them."""
    folder.mkdir()
    return replace(
        dataset,
        images=tuple(_copied(image, folder, number, factor) for number, image in enumerate(dataset.images)),
    )


def _copied(image: ImageRecord, folder: Path, number: int, factor: float) -> ImageRecord:
    pixels = cv2.imread(str(image.path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint8:
        raise DataSetError(f"image {image.path} is no 8-bit picture; expected one to copy as JPEG")
    width, height = round(image.width * factor), round(image.height * factor)
    if factor != 1.0:
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)
    path = folder / f"{number:05}.jpg"
    cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    scale = np.array([width / image.width, height / image.height] * 2)
    boxes = (image.annotations.boxes * scale).astype(np.float32)
    return replace(
        image, path=path, width=width, height=height, annotations=replace(image.annotations, boxes=boxes)
    )


def measure(name: str, model: Path, dataset: DataSet, *, whole: bool = False) -> Row:
    """Score one way of running a model."""
    inspector = Inspector(str(model), threshold=SCORE_FLOOR, whole=whole)
    started = process_time()
    accuracy = accuracy_on(inspector, dataset)
    spent = (process_time() - started) / accuracy.scans * 1e3
    # Told by the sizes alone: a sample says it of all.
    sample = dataset.images[:: max(1, len(dataset) // 64)]
    scales = [inspector.prepare(image.path).decode_scale for image in sample]
    return Row(name, accuracy, spent, float(np.mean([scale < 1.0 for scale in scales])))


def compare(model: Path, dataset: DataSet, folder: Path, questions: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of each question, those of the model as it is first."""
    shapes = Session(model).contract.input.shapes
    native = as_jpeg(dataset, folder / "native")
    if "half the input" in questions:
        half = with_shapes(model, tuple(_half(shape) for shape in shapes), folder / "half.onnx")
        yield measure("half the input, decoded whole", half, native, whole=True)
        yield measure("half the input, decoded at reduced scale", half, native)
    if "enlarged" in questions:
        large = as_jpeg(dataset, folder / "large", factor=ENLARGED)
        yield measure(f"enlarged {ENLARGED:g} times, decoded whole", model, large, whole=True)
        yield measure(f"enlarged {ENLARGED:g} times, decoded at reduced scale", model, large)
    if {"square", "more shapes"} & set(questions):
        yield measure("the model's shapes", model, dataset)
    side = max(max(shape) for shape in shapes)
    if "square" in questions:
        square = with_shapes(model, ((side, side),), folder / "square.onnx")
        yield measure("one square", square, dataset)
    if "more shapes" in questions:
        flat = [side // 2, side * 5 // 8, side * 3 // 4, side * 7 // 8]
        narrow = sorted({short - short % 32 for short in flat})
        more = tuple(
            dict.fromkeys([(side, side), *((n, side) for n in narrow), *((side, n) for n in narrow)])
        )
        yield measure(f"{len(more)} shapes", with_shapes(model, more, folder / "more.onnx"), dataset)


def _half(shape: tuple[int, int]) -> tuple[int, int]:
    """Half a shape, rounded up to the stride."""
    height, width = (-(-side // 64) * 32 for side in shape)
    return height, width


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m training.comparisons.decode_and_shapes", description=__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", help="by catalog name or file")
    parser.add_argument("--data", type=path_argument, nargs="+", required=True, metavar="FILE.json")
    parser.add_argument("--only", action="append", choices=QUESTIONS, help="this question; may be repeated")
    args = parser.parse_args(argv)
    cv2.setNumThreads(1)
    try:
        dataset = merge([read_coco(path) for path in args.data])
        sys.stdout.write(
            "| run | decoded at reduced scale | mAP50 | found at PFA 5 % | clean that alarm | CPU-ms |\n"
        )
        sys.stdout.write("|---|---|---|---|---|---|\n")
        with tempfile.TemporaryDirectory() as folder:
            for row in compare(find_model(args.model).path, dataset, Path(folder), args.only or QUESTIONS):
                sys.stdout.write(f"{row.line()}\n")
                sys.stdout.flush()
    except CargosightError as error:
        sys.stderr.write(f"decode_and_shapes: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
