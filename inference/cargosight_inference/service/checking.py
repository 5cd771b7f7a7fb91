"""What can be checked of the lanes' settings before the service starts: a typing mistake is told at once.

What is found later, as a model file that is damaged, leaves the lane without findings and every other one at work.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cargosight_inference.default_model import default_model
from cargosight_inference.policy import Policy
from cargosight_inference.service.settings import LaneSettings, ServiceSettings
from cargosight_models.catalog import ModelFile, look_up_model
from cargosight_models.errors import CatalogError, ConfigurationError


def check_settings(settings: ServiceSettings) -> None:
    """Make sure that every lane's model, operating point, policy and golden scan are there.

    Raises:
        ConfigurationError: one is not; the sentence names the lane, what was found and what was expected.
    """
    if settings.data.exists() and not settings.data.is_dir():
        raise ConfigurationError(
            f"the data folder {settings.data} is a file; expected a folder, or a name that is not taken yet (data)"
        )
    for lane in settings.lanes:
        for check in _CHECKS:
            with _of_lane(lane):
                check(lane)


@contextmanager
def _of_lane(lane: LaneSettings) -> Iterator[None]:
    try:
        yield
    except (CatalogError, ConfigurationError) as error:
        raise ConfigurationError(f"lane {lane.name}: {error}") from error


def _check_model(lane: LaneSettings) -> None:
    model = _model_of(lane)
    if lane.threshold is not None or model.problem is not None:
        return
    if model.sidecar is None:
        raise ConfigurationError(
            f"the model {lane.model} has no operating points beside it; expected a threshold in [0, 1] (threshold)"
        )
    if lane.operating_point is not None:
        model.sidecar.point(lane.operating_point)


def _check_policy(lane: LaneSettings) -> None:
    if lane.policy is None:
        return
    _check_file(lane.policy, "policy", "a file of YAML that says which findings refer")
    policy, sidecar = Policy.read(lane.policy), _model_of(lane).sidecar
    if sidecar is not None:
        policy.check_classes(tuple(sidecar.point(lane.operating_point or sidecar.default).thresholds))


def _check_golden(lane: LaneSettings) -> None:
    if lane.golden is None:
        return
    _check_file(lane.golden, "golden", "a scan that the lane's model must pass")


def _check_file(path: Path, setting: str, expected: str) -> None:
    """Refuse a file that cannot be opened.

    Raises:
        ConfigurationError: it cannot.
    """
    try:
        with path.open("rb"):
            return
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"{setting} is {path}, which cannot be read ({reason}); expected {expected}"
        ) from error


def _model_of(lane: LaneSettings) -> ModelFile:
    """Return the model that the settings name for a lane; one that is damaged carries a problem."""
    return look_up_model(lane.model or default_model(lane.subject))


_CHECKS: tuple[Callable[[LaneSettings], None], ...] = (_check_model, _check_policy, _check_golden)
