"""Files that come with the package are found by name; one's own by path."""

import re
from pathlib import Path

import pytest

from cargosight_models.errors import ConfigurationError
from cargosight_models.shipped import find_file, shipped_files

OF_A_SERVICE = re.compile("^lanes:", re.MULTILINE)
OF_AN_EXPERIMENT = re.compile("^phases:", re.MULTILINE)


def test_kinds_are_told_apart_by_what_they_hold() -> None:
    services, experiments = shipped_files(OF_A_SERVICE), shipped_files(OF_AN_EXPERIMENT)
    assert "service" in services and "baggage" in experiments
    assert not set(services) & set(experiments)


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    own = tmp_path / "service"
    own.write_text("data: here", encoding="utf-8")
    assert find_file(str(own), OF_A_SERVICE) == own
    assert find_file("service", OF_A_SERVICE).name == "service.yaml"


def test_what_is_neither_is_told_with_what_there_is() -> None:
    with pytest.raises(ConfigurationError, match=r"no configuration 'servise' \(did you mean 'service'\?\)"):
        find_file("servise", OF_A_SERVICE)
