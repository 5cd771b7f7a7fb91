"""Which thresholds an inspection uses: an operating point of the model's, or those given by hand."""

from collections.abc import Mapping

from cargosight_inference.findings import ANOMALY
from cargosight_models.catalog import ModelFile
from cargosight_models.contract import Contract
from cargosight_models.errors import CatalogError, UsageError, nearest_spelling


def choose_thresholds(
    model: ModelFile,
    fingerprint: str,
    contract: Contract,
    operating_point: str | None,
    threshold: float | Mapping[str, float] | None,
) -> tuple[str, dict[str, float]]:
    """Return the name of the operating point and a threshold for each class, and for `anomaly` where there is one.

    Args:
        model: the model file.
        fingerprint: of the file that was loaded.
        contract: of the model.
        operating_point: name of one of the model's points, None for its default or for a threshold by hand.
        threshold: by hand: one for all, or one for each class by name (`anomaly` may be left out).

    Raises:
        UsageError: both are given, neither is there, or a threshold is wrong.
        CatalogError: no such point, or the points are another model's.
    """
    if threshold is not None:
        if operating_point is not None:
            raise UsageError(
                f"both the operating point {operating_point} and a threshold are given; choose one of them"
            )
        return _hand_made_thresholds(contract, threshold)
    if model.sidecar is None:
        raise UsageError(
            f"the model {model.path} has no operating points beside it; give a threshold in [0, 1], or "
            "choose points with `cargosight evaluate --choose-operating-points`"
        )
    if model.sidecar.fingerprint != fingerprint:
        raise CatalogError(f"the operating points beside {model.path} belong to another model file")
    point = model.sidecar.point(model.sidecar.default if operating_point is None else operating_point)
    missing = [name for name in contract.classes if name not in point.thresholds]
    if missing:
        raise CatalogError(
            f"the operating point {point.name} of {model.path} has no threshold for {', '.join(missing)}; "
            "choose the operating points again"
        )
    return point.name, {
        name: float(point.thresholds[name]) for name in _names(contract) if name in point.thresholds
    }


def _names(contract: Contract) -> tuple[str, ...]:
    """What has a threshold."""
    return contract.classes + ((ANOMALY,) if "anomaly_map" in contract.outputs else ())


def _hand_made_thresholds(
    contract: Contract, threshold: float | Mapping[str, float]
) -> tuple[str, dict[str, float]]:
    names = _names(contract)
    if isinstance(threshold, Mapping):
        for name in threshold:
            if name not in names:
                hint = nearest_spelling(name, names)
                raise UsageError(f"a threshold for {name!r}{hint}, but the model finds {', '.join(names)}")
        missing = [name for name in contract.classes if name not in threshold]
        if missing:
            raise UsageError(f"there is no threshold for {', '.join(missing)}; give one for every class")
        thresholds, name = {name: float(value) for name, value in threshold.items()}, "thresholds by class"
    else:
        thresholds, name = dict.fromkeys(names, float(threshold)), f"threshold={threshold:g}"
    for label, value in thresholds.items():
        if not 0.0 <= value <= 1.0:
            raise UsageError(f"the threshold of {label} is {value}; expected one in [0, 1]")
    return name, thresholds
