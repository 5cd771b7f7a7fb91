"""Made JPEGs to measure on where no images are given."""

from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 900, 600
COUNT = 16
_QUALITY = 90
_ITEMS = 60


def make_images(folder: Path, count: int = COUNT, *, width: int = WIDTH, height: int = HEIGHT) -> list[Path]:
    """Write JPEGs that cost a decoder about what a pseudo-colour bag of that size does; return their paths.

    Coloured, overlapping, multiplied shapes with some noise on white: they stand for the work, not for a bag.
    """
    generator = np.random.default_rng(0)
    paths: list[Path] = []
    for number in range(count):
        transmission = np.ones((height, width, 3), dtype=np.float32)
        for _ in range(_ITEMS):
            layer = np.ones_like(transmission)
            centre = generator.integers((width // 8, height // 8), (width * 7 // 8, height * 7 // 8))
            axes = generator.integers(max(1, height // 100), max(3, height // 5), 2)
            colour = generator.uniform(0.55, 0.98, 3).tolist()
            angle = float(generator.uniform(0.0, 180.0))
            cv2.ellipse(layer, centre.tolist(), axes.tolist(), angle, 0.0, 360.0, colour, cv2.FILLED)
            transmission *= layer
        transmission += generator.normal(0.0, 0.01, transmission.shape).astype(np.float32)
        pixels = np.rint(np.clip(transmission, 0.0, 1.0) * 255.0).astype(np.uint8)
        path = folder / f"made-{number:02}.jpg"
        cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        paths.append(path)
    return paths
