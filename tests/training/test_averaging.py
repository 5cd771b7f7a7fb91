"""The mean of several networks' weights."""

from pathlib import Path

import pytest
import torch

from cargosight_models.contract import DataTerms
from cargosight_models.errors import ConfigurationError
from cargosight_models.networks.detector import Detector
from cargosight_training.trainer import checkpoint
from cargosight_training.trainer.averaging import mean_detector, training_data_of_all
from tests.made.exports import CLASSES, lively_detector, settings


def saved(
    path: Path,
    detector: Detector,
    classes: tuple[str, ...] = CLASSES,
    training_data: tuple[DataTerms, ...] = (),
) -> Path:
    checkpoint.save_weights(path, detector, detector.settings, classes, training_data=training_data)
    return path


def test_the_mean_is_taken_number_by_number(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{seed}.pt", lively_detector(seed=seed)) for seed in range(3)]
    states = [checkpoint.load_detector(path)[0].state_dict() for path in paths]
    found, classes = mean_detector(paths)
    assert classes == CLASSES
    assert not found.training
    for key, value in found.state_dict().items():
        if value.is_floating_point():
            mean = sum(state[key].double() for state in states) / 3
            torch.testing.assert_close(value, mean.float(), rtol=1e-6, atol=1e-9)


def test_counters_are_those_of_the_first(tmp_path: Path) -> None:
    paths = []
    for count in (7, 1000):
        detector = lively_detector()
        detector.backbone.stem.norm.num_batches_tracked.fill_(count)
        paths.append(saved(tmp_path / f"{count}.pt", detector))
    assert int(mean_detector(paths)[0].backbone.stem.norm.num_batches_tracked) == 7


def test_of_one_file_the_mean_is_itself(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", lively_detector())
    expected = checkpoint.load_detector(path)[0].state_dict()
    for paths in ([path], [path, path]):
        found = mean_detector(paths)[0].state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in found.items())


@pytest.mark.parametrize(
    ("other", "classes", "message"),
    [
        (settings("csp-tiny"), CLASSES, "backbone csp-nano and csp-tiny; give weights of runs that began"),
        (settings(classes=2), CLASSES[:2], "classes bar, disc, ring and bar, disc;"),
        (settings(), CLASSES[::-1], "classes bar, disc, ring and ring, disc, bar;"),
    ],
)
def test_networks_that_differ_are_refused(
    tmp_path: Path, other: object, classes: tuple[str, ...], message: str
) -> None:
    paths = [
        saved(tmp_path / "a.pt", lively_detector()),
        saved(tmp_path / "b.pt", Detector(other), classes),
    ]
    with pytest.raises(ConfigurationError, match=rf"a\.pt and .*b\.pt cannot be averaged.*{message}"):
        mean_detector(paths)


def test_terms_of_all_files_go_on_to_hold(tmp_path: Path) -> None:
    own, foreign = DataTerms("lane-3", 12, "own"), DataTerms("web", 5, "academic use only")
    more, stricter = DataTerms("lane-3", 20, "own"), DataTerms("lane-3", 9, "not to be published")
    given = {"a": (own, foreign), "b": (more,), "c": (stricter,), "d": ()}
    paths = {
        name: saved(tmp_path / f"{name}.pt", lively_detector(), training_data=terms)
        for name, terms in given.items()
    }
    assert training_data_of_all([paths[name] for name in "abc"]) == (more, foreign, stricter)
    unknown = DataTerms("what d.pt was trained on", 0, "none stated")
    assert training_data_of_all([paths["d"], paths["b"]]) == (unknown, more)
    assert training_data_of_all([paths["d"], paths["d"]]) == ()
