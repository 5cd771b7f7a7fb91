"""Empty, loaded, or unsure: a logistic regression on a few numbers of the cargo box.

The coefficients lie beside this file in `load_state.json` with a sentence on where they come from; a site refits them
on its own scans with `python -m cargosight_training.load_state`. Light loads, such as foam or empty packaging, look
empty to the beam and to this estimator.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.container import Container
from cargosight_inference.scans.load_features import FEATURES, load_features
from cargosight_inference.scans.radiograph import HABIT, Radiograph
from cargosight_models.errors import UsageError

LoadName = Literal["empty", "loaded", "unsure"]
Doubles = npt.NDArray[np.float64]

SCHEMA = 1
_FURTHEST = 4.0  # standard deviations at which a feature is cut, so that one odd number does not decide alone


@dataclass(frozen=True, eq=False)
class LoadModel:
    """A logistic regression.

    Attributes:
        features: names, the keys of `FEATURES` in their order.
        means: (F,) of the scans it was fitted on.
        spreads: (F,) their standard deviations, above 0.
        coefficients: (F,) of the standardised features, cut at four spreads.
        intercept: of the logit.
        empty_below: chance of a load under which a box is called empty.
        loaded_above: chance above which it is called loaded; between the two it is unsure.
        provenance: a sentence on the scans it was fitted on, and their terms.
    """

    features: tuple[str, ...]
    means: Doubles
    spreads: Doubles
    coefficients: Doubles
    intercept: float
    empty_below: float
    loaded_above: float
    provenance: str

    def __post_init__(self) -> None:
        if self.features != tuple(FEATURES):
            raise UsageError(
                f"a load model has the features {self.features}; expected {tuple(FEATURES)}: refit it"
            )
        numbers = (self.means, self.spreads, self.coefficients)
        if any(part.shape != (len(FEATURES),) or not np.isfinite(part).all() for part in numbers):
            raise UsageError(f"a load model needs {len(FEATURES)} finite means, spreads and coefficients")
        if not ((self.spreads > 0.0).all() and 0.0 < self.empty_below <= self.loaded_above < 1.0):
            raise UsageError(
                f"a load model's spreads are {self.spreads}, its limits {self.empty_below} and {self.loaded_above}; "
                "expected spreads above 0 and rising limits between 0 and 1"
            )

    def standardised(self, features: Doubles) -> Doubles:
        """Return features (..., F) in standard deviations from the mean, cut at four."""
        return np.clip((features - self.means) / self.spreads, -_FURTHEST, _FURTHEST)

    def chance(self, features: Doubles) -> Doubles:
        """Return the chance (...) of a load, in [0, 1], for features (..., F)."""
        logit = self.standardised(features) @ self.coefficients + self.intercept
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -40.0, 40.0))), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "schema": SCHEMA,
            "provenance": self.provenance,
            "features": list(self.features),
            "means": self.means.round(6).tolist(),
            "spreads": self.spreads.round(6).tolist(),
            "coefficients": self.coefficients.round(6).tolist(),
            "intercept": round(self.intercept, 6),
            "empty_below": self.empty_below,
            "loaded_above": self.loaded_above,
        }


@dataclass(frozen=True)
class LoadState:
    """What a cargo box holds.

    Attributes:
        state: `empty`, `loaded` or `unsure`.
        chance: of a load, in [0, 1]; None where there was no box to look into.
        reason: a sentence.
    """

    state: LoadName
    chance: float | None
    reason: str


def estimate_load(radiograph: Radiograph, container: Container, model: LoadModel | None = None) -> LoadState:
    """Say whether a cargo box is empty.

    Args:
        radiograph: of the scan.
        container: its cargo box.
        model: a site's own, None for the one that comes with the package.
    """
    features = load_features(radiograph, container)
    if features is None:
        return LoadState("unsure", None, f"no cargo box to look into: {container.reason}")
    model = model or bundled_load_model()
    chance = float(model.chance(features))
    if radiograph.meaning == "palette":
        return LoadState("unsure", chance, "the grey behind a pseudo-colour palette is guessed")
    if radiograph.polarity_sureness <= HABIT:
        return LoadState("unsure", chance, "nothing in the scan tells whether its air is bright or dark")
    if chance < model.empty_below:
        return LoadState("empty", chance, f"chance of a load {chance:.3f}, below {model.empty_below:g}")
    if chance > model.loaded_above:
        return LoadState("loaded", chance, f"chance of a load {chance:.3f}, above {model.loaded_above:g}")
    return LoadState("unsure", chance, f"chance of a load {chance:.3f}, neither low nor high")


@lru_cache(maxsize=1)
def bundled_load_model() -> LoadModel:
    """Return the model that comes with the package."""
    text = (
        resources.files("cargosight_inference.scans").joinpath("load_state.json").read_text(encoding="utf-8")
    )
    return _parsed(text, "the bundled load model")


def read_load_model(path: str | Path) -> LoadModel:
    """Read a model that a site has fitted.

    Raises:
        UsageError: the file is missing or is no load model of this version.
    """
    try:
        return _parsed(Path(path).read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the load model {path} cannot be read ({error}); check the path") from error


def _parsed(text: str, name: str) -> LoadModel:
    try:
        held = json.loads(text)
        if held["schema"] != SCHEMA:
            raise UsageError(f"{name} has the schema {held['schema']}; expected {SCHEMA}: refit it")
        means, spreads, coefficients = (
            np.array(held[key], dtype=np.float64) for key in ("means", "spreads", "coefficients")
        )
        return LoadModel(
            tuple(held["features"]), means, spreads, coefficients, float(held["intercept"]),
            float(held["empty_below"]), float(held["loaded_above"]), str(held["provenance"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{name} is no load model ({error!r}); expected JSON with schema {SCHEMA}"
        ) from error
