"""The three calls that no inspection can do without, alone: `cv2.imdecode`, `cv2.resize` and `session.run`."""

from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.letterbox import choose_shape, size_inside
from cargosight_inference.session import Session, ThreadPolicy
from cargosight_models.catalog import ModelFile, find_model
from cargosight_models.errors import UsageError
from cargosight_models.geometry import FloatArray


class Bare:
    """The calls for each image, prepared so that they can be timed alone.

    They get the bytes already in memory, resize bilinearly straight to the size that the network needs, and run the
    session on tensors that were made beforehand.
    """

    def __init__(self, model: ModelFile | str, paths: Sequence[str | Path], threads: int) -> None:
        """Read the files and make a session.

        Raises:
            UsageError: OpenCV cannot decode an image.
        """
        cv2.setNumThreads(1)
        file = model if isinstance(model, ModelFile) else find_model(model)
        self._session = Session(file, ThreadPolicy(intra_op=threads))
        contract = self._session.contract.input
        self._work: list[tuple[npt.NDArray[np.uint8], tuple[int, int], FloatArray]] = []
        for path in paths:
            encoded = np.frombuffer(Path(path).read_bytes(), dtype=np.uint8)
            image = _decode(encoded)
            shape = choose_shape(image.shape[1], image.shape[0], contract.shapes)
            inner = size_inside(image.shape[1], image.shape[0], shape)
            tensor = np.ones((1, contract.channels, *shape), dtype=np.float32)
            self._work.append((encoded, inner, tensor))

    def run_sessions(self, count: int | None = None) -> None:
        """Only `session.run`, on the first `count` images, on all where it is None."""
        for _, _, tensor in self._work[:count]:
            self._session.run(tensor)

    def run_all(self, count: int | None = None) -> float:
        """Run all three calls, likewise; return their CPU-seconds, nothing between them counted."""
        total = 0.0
        for encoded, inner, tensor in self._work[:count]:
            started = process_time()
            cv2.resize(_decode(encoded), inner, interpolation=cv2.INTER_LINEAR)
            self._session.run(tensor)
            total += process_time() - started
        return total


def _decode(encoded: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    if image is None:
        raise UsageError("an image cannot be decoded; measure on images that are whole")
    return image
