"""The manifest: what it holds comes back, what contradicts itself is refused, another run's settings are named."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cargosight_inference.batch.manifest import NAME, Fingerprint, Manifest, check_same, read_manifest
from cargosight_inference.batch.places import BatchError, open_place
from cargosight_models.errors import UsageError

WHAT = Fingerprint(
    model="container",
    model_fingerprint="ab" * 32,
    operating_point="balanced",
    thresholds={"threat": 0.4, "anomaly": 0.7},
    precision="fp32",
    provider="cpu",
    policy={"refer": ["threat"], "opaque": 0.2},
    air_level=None,
    polarity=None,
    pitch=(5.0, 5.0),
    correct=True,
    subject="cargo",
    max_pixels=100_000_000,
    code="0.1.0",
    rows=1,
)
MANIFEST = Manifest(
    created_at="2026-11-01T00:00:00+00:00",
    what=WHAT,
    inputs=2500,
    shards=3,
    shard_size=1000,
    extra_columns=("day",),
    sources=("s3://archive/2026",),
    plan="plan-0123456789abcdef",
)


def test_it_comes_back_as_it_was_written() -> None:
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    assert Manifest.from_json(MANIFEST.to_json()).fingerprint == WHAT.digest


def test_every_input_is_in_one_shard() -> None:
    numbers = [number for shard in range(3) for number in MANIFEST.numbers(shard)]
    assert numbers == list(range(2500))
    with pytest.raises(ValueError, match="there is no shard 3"):
        MANIFEST.numbers(3)
    assert MANIFEST.shard_name(2) == "plan-0123456789abcdef/shard-000002.parquet"
    assert MANIFEST.part_name(2) == "parts/part-000002.parquet"


def test_the_order_of_thresholds_does_not_change_the_fingerprint_and_every_setting_does() -> None:
    assert replace(WHAT, thresholds={"anomaly": 0.7, "threat": 0.4}).digest == WHAT.digest
    others: list[dict[str, Any]] = [
        {"model_fingerprint": "cd" * 32},
        {"thresholds": {"threat": 0.5, "anomaly": 0.7}},
        {"precision": "int8"},
        {"provider": "openvino"},
        {"policy": {"refer": []}},
        {"pitch": None},
        {"correct": False},
        {"code": "0.2.0"},
        {"rows": 2},
        {"air_level": 60000.0},
    ]
    assert len({replace(WHAT, **other).digest for other in others} | {WHAT.digest}) == len(others) + 1


@pytest.mark.parametrize(
    "wrong", [{"inputs": 0}, {"shards": 2}, {"shard_size": 0}, {"extra_columns": ("a", "a")}]
)
def test_contradictions_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"found; expected every input in one|a column comes twice"):
        replace(MANIFEST, **wrong)


def test_another_runs_settings_are_named(tmp_path: Path) -> None:
    other = replace(WHAT, precision="int8", thresholds={"threat": 0.5, "anomaly": 0.7}, pitch=None)
    with open_place(tmp_path) as place:
        check_same(MANIFEST, WHAT, place)
        with pytest.raises(UsageError) as told:
            check_same(MANIFEST, other, place)
    sentence = str(told.value)
    assert "precision (fp32 there, int8 now)" in sentence
    assert "thresholds.threat (0.4 there, 0.5 now)" in sentence
    assert "pitch ([5.0, 5.0] there, none now)" in sentence
    assert "anomaly" not in sentence


def test_many_thresholds_are_one_phrase() -> None:
    few = {"a": 0.1, "b": 0.1, "c": 0.1}
    many = few | {"d": 0.1}
    for thresholds, told in (
        (few, [f"thresholds.{name} (0.1 there, 0.2 now)" for name in few]),
        (many, ["thresholds of 4 classes"]),
    ):
        before = replace(WHAT, thresholds=thresholds)
        now = replace(WHAT, thresholds=dict.fromkeys(thresholds, 0.2), precision="int8")
        assert list(before.differences(now)) == ["precision (fp32 there, int8 now)", *told]


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        ({"schema": 2}, "schema 2 found, expected 1"),
        ({"inputs": None}, "missing or of a wrong type"),
        ({"fingerprint": "00"}, "it was edited"),
        ({"what": {}}, "expected an object of"),
        ({"shards": 7}, "expected every input in one"),
    ],
)
def test_a_damaged_manifest_is_told(tmp_path: Path, edit: dict[str, Any], sentence: str) -> None:
    with open_place(tmp_path) as place:
        assert read_manifest(place) is None
        place.publish(NAME, json.dumps(json.loads(MANIFEST.to_json()) | edit).encode())
        with pytest.raises(BatchError, match=sentence):
            read_manifest(place)


def test_what_is_no_manifest_is_told(tmp_path: Path) -> None:
    with open_place(tmp_path) as place:
        place.publish(NAME, b"[1")
        with pytest.raises(BatchError, match=r"manifest\.json in .* cannot be used"):
            read_manifest(place)
