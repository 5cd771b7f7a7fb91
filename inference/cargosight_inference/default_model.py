"""The bundled model of each subject, without what runs it."""

from collections.abc import Mapping

from cargosight_inference.scans.scan import Subject
from cargosight_models.errors import UsageError

_DEFAULT_MODELS: Mapping[Subject, str] = {"baggage": "baggage", "cargo": "container"}


def default_model(subject: Subject | None) -> str:
    """Return the bundled model for a subject when none is named.

    Raises:
        UsageError: the subject was not stated (None), or is `unknown`: nothing is guessed from the image. The message
            lists the choices.
    """
    if subject is not None and subject in _DEFAULT_MODELS:
        return _DEFAULT_MODELS[subject]
    choices = ", ".join(f"{name} (model {model})" for name, model in _DEFAULT_MODELS.items())
    raise UsageError(
        f"the subject {'was not stated' if subject is None else f'is {subject}'}, which chooses no model; "
        f"state a subject that has one: {choices}, or name a model or an .onnx file (`cargosight models` "
        "lists them)"
    )
