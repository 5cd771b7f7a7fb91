"""The bundled model, or a failure that says plainly that it is missing."""

import pytest

from cargosight_models.catalog import BUNDLED, ModelFile, find_model

NAME = "baggage"
FOLDER = BUNDLED / NAME


def require_bundled() -> ModelFile:
    """The bundled baggage model; the test fails where there is none."""
    if not (FOLDER / f"{NAME}.onnx").is_file():
        pytest.fail(f"no model is bundled: {FOLDER / NAME}.onnx does not exist", pytrace=False)
    model = find_model(NAME)
    assert model.origin == "bundled"
    return model
