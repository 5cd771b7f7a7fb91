import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from training.comparisons import equal_time
from training.comparisons.equal_time import PROBE_STEPS, SETTLING_STEPS, paces_from, prepared, scaled
from training.comparisons.scoring import (
    LEFT_OUT,
    VALIDATION,
)

from cargosight_models.errors import ConfigurationError, UsageError
from cargosight_training import child_runs
from cargosight_training.config_files import load_config
from tests.made.datasets import (
    train_and_val,
)
from tests.made.models import blob_contract, make_blob_model


def made_config(folder, *overrides, **settings_):
    path = folder / "made.yaml"
    document = {
        "name": "made",
        "out": str(folder / "unused"),
        "data": {"train": [{"file": "train.json"}], "cache": str(folder / "cache")},
        "phases": [
            {"steps": 3000, "size": 64, "frozen_stages": 9},
            {"steps": 1000, "size": 96, "frozen_stages": 3},
        ],
        **settings_,
    }
    path.write_text(yaml.safe_dump(document))
    return load_config(path, overrides)


def test_paces_are_measured_phase_by_phase_after_settling():
    costs = [9.0] * SETTLING_STEPS + [1.0] * (PROBE_STEPS - SETTLING_STEPS)
    costs += [7.0] * SETTLING_STEPS + [2.5] * (PROBE_STEPS - SETTLING_STEPS) + [100.0] * 8
    seconds = dict(enumerate(np.cumsum(costs).tolist(), start=1))
    assert paces_from(seconds, 2) == pytest.approx([1.0, 2.5])
    with pytest.raises(ConfigurationError, match="no row of step 40 or 60"):
        paces_from(dict.fromkeys(range(1, 50), 1.0), 2)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 3.0), st.floats(0.01, 3.0), st.floats(5.0, 20_000.0))
def test_all_phases_are_scaled_alike_to_the_budget(tmp_path_factory, first, second, seconds):
    config = made_config(tmp_path_factory.mktemp("c"))
    result = scaled(config, [first, second], seconds)
    steps = [phase.steps for phase in result.phases]
    assert min(steps) >= 1
    assert abs(steps[0] * first + steps[1] * second - seconds) <= first + second
    assert [phase.size for phase in result.phases] == [64, 96]
    assert result.optimiser.warm_up <= result.total_steps / 10


def test_random_weights_are_never_frozen_and_nothing_is_chosen_by_validation_scans(tmp_path):
    config = made_config(tmp_path, "data.val=[{file: val.json}]", "data.without=[x]")
    out = prepared(config, tmp_path / "run", tmp_path, without=None)
    assert [phase.frozen_stages for phase in out.phases] == [9, 3]
    assert out.data.val == ()
    assert out.log.evaluate_every == 0
    assert out.data.cache == config.data.cache
    scratch = made_config(tmp_path, "model.pretrained=false", "data.without=[x]")
    out = prepared(scratch, tmp_path / "run", tmp_path, without="a/1")
    assert [phase.frozen_stages for phase in out.phases] == [0, 0]
    assert out.data.without == ("x", "a/1")
    assert out.data.cache == tmp_path / "cache"


def test_variants_are_named_or_told_in_full():
    assert equal_time.chosen_variants(None) == equal_time.VARIANTS
    nano, own = equal_time.chosen_variants(["nano from scratch", "mine: a.yaml optimiser.lr=0.1 'x=[1, 2]'"])
    assert nano == equal_time.VARIANTS[0]
    assert (own.name, own.config, own.settings) == ("mine", "a.yaml", ("optimiser.lr=0.1", "x=[1, 2]"))
    for wrong in ("nosuch", "name:", ": a.yaml"):
        with pytest.raises(UsageError, match="expected one of nano from scratch"):
            equal_time.chosen_variants([wrong])


def test_the_shipped_variants_exist():
    for variant in equal_time.VARIANTS:
        equal_time.load_config(equal_time.find_config(variant.config), variant.settings)


def test_a_variant_is_measured_trained_and_scored_once(tmp_path, monkeypatch, capsys):
    train, val = train_and_val(tmp_path)
    made_config(tmp_path, data={"train": [{"file": str(train)}], "cache": str(tmp_path / "cache")})
    begun = []

    def fake(command):
        config = load_config(Path(command[-2]))
        begun.append(config)
        steps = config.total_steps
        probe = config.out.name == "probe"
        if not probe and len(begun) == 2:
            return 130
        rows = "".join(f"{step},{(step + 1) / 3600}\n" for step in range(steps))
        (config.out / "log.csv").write_text(f"step,cpu_hours\n{rows}")
        make_blob_model(config.out / "best.onnx", contract=blob_contract(classes=("disc", "bar")))
        (config.out / "evaluations.csv").write_text(f"step,cpu_hours\n{steps},{steps / 3600}\n")
        return 0

    monkeypatch.setattr(child_runs, "_run_child", fake)
    words = [
        "--variant",
        f"mine: {tmp_path / 'made.yaml'}",
        "--val",
        str(val),
        "--out",
        str(tmp_path / "out"),
    ]
    words += ["--cpu-seconds", "400", "--without", "a/1", "--samples", "0"]
    assert equal_time.main(words) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert equal_time.main(words) == 0
    assert [config.out.name for config in begun] == ["probe", "mine-without-a-1", "mine-without-a-1"]
    assert begun[1] == begun[2]
    assert [phase.steps for phase in begun[1].phases] == [300, 100]
    assert begun[1].data.without == ("a/1",)
    document = json.loads((tmp_path / "out" / "mine-without-a-1.result.json").read_text())
    assert document["used_cpu_seconds"] == pytest.approx(400)
    assert document["settings"]["cpu_seconds_per_step"] == pytest.approx([1.0, 1.0])
    assert set(document["scored"]) == {VALIDATION, LEFT_OUT}
    assert "| mine without a/1 | a/1 | 400 | 400 |" in capsys.readouterr().out
    assert not (tmp_path / "out" / "mine-without-a-1" / "probe").exists()
    equal_time.main(words)
    assert len(begun) == 3


def test_misuse_is_a_sentence(tmp_path, capsys):
    words = ["--val", "v.json", "--out", str(tmp_path), "--cpu-seconds", "0"]
    assert equal_time.main(words) == 2
    assert "--cpu-seconds 0.0 found" in capsys.readouterr().err
    assert equal_time.main([*words[:-1], "5", "--variant", "nosuch"]) == 2
    assert "'nosuch' found" in capsys.readouterr().err
