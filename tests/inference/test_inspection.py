"""The inspection, and its JSON."""

import json

import numpy as np
import pytest

from cargosight_inference.findings import Findings
from cargosight_inference.inspection import Inspection

FOUND = Findings.of_items(
    np.array([[1, 2, 3, 4]], np.float32),
    np.array([0.75], np.float32),
    np.array([1], np.int32),
    ("dark", "blue"),
)


def inspection(**changes) -> Inspection:
    settings = {
        "path": "bags/é.png",
        "sha256": "ab" * 32,
        "width": 60,
        "height": 40,
        "kind": "pseudocolour",
        "subject": "baggage",
        "decision": "refer",
        "reasons": ("blue 0.75",),
        "findings": FOUND,
        "timings_ms": {"read": 1.23456, "total": 1.23456},
        "model": "blobs",
        "fingerprint": "cd" * 32,
        "operating_point": "pfa=0.05",
        "thresholds": {"dark": 0.5, "blue": 0.7},
        "precision": "fp32",
        "assumptions": ("page 0 is first",),
    }
    return Inspection(**(settings | changes))


def test_the_json_holds_everything_that_was_said():
    found = json.loads(json.dumps(inspection().to_dict(), allow_nan=False))
    assert found == {
        "schema": 1,
        "path": "bags/é.png",
        "sha256": "ab" * 32,
        "width": 60,
        "height": 40,
        "kind": "pseudocolour",
        "subject": "baggage",
        "decision": "refer",
        "reasons": ["blue 0.75"],
        "findings": [{"label": "blue", "kind": "item", "score": 0.75, "box": [1.0, 2.0, 3.0, 4.0]}],
        "opaque_fraction": None,
        "load_state": None,
        "load_chance": None,
        "cargo_box": None,
        "decode_scale": 1.0,
        "provider": "cpu",
        "container_length_m": None,
        "declared": None,
        "materials": None,
        "opaque_regions": [],
        "model": "blobs",
        "fingerprint": "cd" * 32,
        "precision": "fp32",
        "operating_point": "pfa=0.05",
        "thresholds": {"dark": 0.5, "blue": 0.7},
        "assumptions": ["page 0 is first"],
        "error": None,
        "timings_ms": {"read": 1.235, "total": 1.235},
    }


def test_an_unreadable_scan_is_an_inspection_too():
    empty = Findings.empty(("dark", "blue"))
    made = inspection(
        decision="unreadable",
        error="the file is empty",
        reasons=("the file is empty",),
        findings=empty,
        kind=None,
        width=0,
        height=0,
        sha256=None,
    )
    assert made.to_dict()["error"] == "the file is empty"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decision": "maybe"}, "clear, refer, unreadable"),
        ({"decision": "unreadable"}, "has an error"),
        ({"error": "broken"}, "has an error"),
        ({"decision": "unreadable", "error": "broken"}, "1 findings; expected none"),
        ({"reasons": ()}, "no reasons"),
        ({"decision": "clear"}, "expected none"),
        ({"width": 0}, "expected a size"),
        ({"kind": None}, "expected a size and a kind"),
        ({"timings_ms": {"lunch": 1.0}}, "lunch"),
    ],
)
def test_an_inspection_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        inspection(**changes)
