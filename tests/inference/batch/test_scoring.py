"""The settings of a run's inspectors travel to the workers, and come to a fingerprint."""

import json

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from cargosight_inference.batch.scoring import Scoring
from cargosight_inference.benchmark.archive import TINY
from cargosight_inference.providers import Execution
from cargosight_models.errors import UsageError


def test_settings_come_back_from_json():
    given = Scoring(
        model=str(TINY),
        threshold=0.5,
        pixel_pitch_mm=(4.0, 4.5),
        policy={"refer_classes": ["dark"]},
        execution=Execution(provider="openvino", arithmetic="bf16"),
    )
    assert Scoring.from_dict(json.loads(json.dumps(given.to_dict()))) == given


def test_the_fingerprint_says_what_computed_and_in_which_precision():
    scoring = Scoring(model=str(TINY), threshold=0.5)
    inspector = scoring.inspector()
    what = scoring.fingerprint(inspector)
    assert (what.provider, what.precision) == (inspector.execution.provider, inspector.precision)
    assert (what.provider, what.precision) == ("cpu", "fp32")


def test_a_provider_that_is_not_here_is_refused_where_the_model_is_loaded():
    with pytest.raises(UsageError, match="tensorrt"):
        Scoring(model=str(TINY), threshold=0.5, execution=Execution(provider="tensorrt")).inspector()
