"""The bundled model, or a failure that says plainly that it is missing."""

import pytest

from cargosight_models.catalog import BUNDLED, ModelFile, find_model

NAME = "baggage"


def require_bundled(name: str = NAME) -> ModelFile:
    """The bundled model of a name; the test fails where there is none."""
    file = BUNDLED / name / f"{name}.onnx"
    if not file.is_file():
        pytest.fail(f"no model is bundled: {file} does not exist", pytrace=False)
    model = find_model(name)
    assert model.origin == "bundled"
    return model
