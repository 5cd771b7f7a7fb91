from pathlib import Path

import pytest
import yaml

from cargosight_models.errors import ConfigurationError
from cargosight_training.config_files import dump_config, find_config, load_config, shipped_configs

MINIMAL = """
name: mine
out: runs/mine
data: {train: [{file: train.json}]}
phases: [{steps: 10, size: 320}, {steps: 5, size: 416, frozen_stages: 3}]
"""


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(MINIMAL)
    return path


def test_a_file_names_only_what_differs(minimal: Path) -> None:
    config = load_config(minimal)
    assert (config.name, config.optimiser.batch, config.model.backbone) == ("mine", 16, "lite0")
    assert config.total_steps == 15
    assert config.data.train[0].file == Path("train.json")


@pytest.mark.parametrize(("step", "size"), [(0, 320), (9, 320), (10, 416), (14, 416), (99, 416)])
def test_phases_follow_each_other(minimal: Path, step: int, size: int) -> None:
    assert load_config(minimal).phase_at(step).size == size


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("optimiser.lr=1e-2", lambda c: c.optimiser.lr == 0.01),
        ("phases.1.steps=7", lambda c: c.phases[1].steps == 7),
        ("data.train.0.simulated=true", lambda c: c.data.train[0].simulated),
        ("data.without=[a, b/1]", lambda c: c.data.without == ("a", "b/1")),
        ("data.weights={a: 2, b/1: 0.5}", lambda c: c.data.weights == {"a": 2.0, "b/1": 0.5}),
        ("data.terms.a=none stated", lambda c: c.data.terms == {"a": "none stated"}),
        ("export.shapes=[[64, 96], [96, 64]]", lambda c: c.export.shapes == ((64, 96), (96, 64))),
        ("name='a=b'", lambda c: c.name == "a=b"),
    ],
)
def test_overrides(minimal: Path, override: str, read) -> None:
    assert read(load_config(minimal, [override]))


def test_an_override_may_fill_a_heading_without_a_value(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(MINIMAL + "optimiser:\n")
    assert load_config(path, ["optimiser.batch=3"]).optimiser.batch == 3


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("nmae=x", "unknown key 'nmae' (did you mean 'name'?)"),
        ("optimiser.btach=2", "unknown key 'optimiser.btach' (did you mean 'batch'?); known are batch, lr"),
        ("phases.1.sise=64", "unknown key 'phases.1.sise' (did you mean 'size'?)"),
        ("data.train.0.flie=x", "unknown key 'data.train.0.flie' (did you mean 'file'?)"),
        ("augment.scale=[1.5, 0.5]", "expected the smaller zoom first"),
        ("optimiser.lr=0", "optimiser.lr: Input should be greater than 0, found 0"),
        ("data.weights={a: .inf}", "data.weights.a: Input should be a finite number"),
        ("data.weights={a: 1e308}", "data.weights.a: Input should be less than or equal to 1000000"),
        ("kinds=[pseudocolour, pseudocolour]", "expected each kind once"),
        ("name=" + 3000 * "[", "is nested too deeply to be read"),
        ("data.weights={a: 0}", "data.weights.a: Input should be greater than 0"),
        ("optimiser.lr=.nan", "optimiser.lr: Input should be a finite number"),
        ("phases.0.size=100", "phases.0.size: Input should be a multiple of 32, found 100"),
        ("export.shapes=[[100, 96]]", "export.shapes.0.0: Input should be a multiple of 32"),
        ("phases=[]", "phases: "),
        ("machine.device=tpu", "'auto', 'cpu' or 'cuda', found 'tpu'"),
        ("kinds=[]", "kinds: Tuple should have at least 1 item"),
        ("seed=99999999999999999999", "seed: Input should be less than 4294967296"),
        ("seed=-1", "seed: Input should be greater than or equal to 0"),
        ("model.backbone=csp-nano", "csp-nano has no pretrained weights: set model.pretrained=false"),
        ("phases.2.steps=1", "'2' is no place in a list of 2; expected 0 to 1"),
        ("phases.x.steps=1", "'x' is no place"),
        ("name.x=1", "there is no 'x' in the value 'mine'"),
        ("optimiser", "not of the form key=value"),
        ("optimiser..lr=1", "not of the form key=value"),
        ("=1", "not of the form key=value"),
        ("name={", "is not valid YAML"),
    ],
)
def test_what_is_wrong_is_said(minimal: Path, override: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_config(minimal, [override])
    assert sentence in str(error.value)


def test_every_wrong_key_is_named_at_once(minimal: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_config(minimal, ["modle.x=1", "log.evry=3"])
    assert "'modle' (did you mean 'model'?)" in str(error.value)
    assert "'log.evry' (did you mean 'every'?)" in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1, 2]", "holds list, expected a mapping"),
        ("", "holds NoneType, expected a mapping"),
        ("a: [", "is not valid YAML"),
        ("name: a\nname: b\n", "the key 'name' is given twice"),
        ("name: a\nout: b\ndata: {train: []}\n", "phases is missing: name it in the file or as phases=value"),
        ("!!python/object/apply:os.system [true]", "is not valid YAML"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"a\.yaml") as error:
        load_config(path)
    assert sentence in str(error.value)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="no text file in UTF-8"):
        load_config(tmp_path / "a.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_config(tmp_path / "b.yaml")


def test_the_written_configuration_reads_back_equal(minimal: Path, tmp_path: Path) -> None:
    config = load_config(minimal, ["data.without=[a]", "model.weights=w.pt", "name='bügel: x'"])
    path = tmp_path / "resolved.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    assert load_config(path) == config
    assert set(yaml.safe_load(path.read_text(encoding="utf-8"))) == set(type(config).model_fields)


def test_shipped_configurations_are_found_by_name_and_are_sound() -> None:
    shipped = shipped_configs()
    assert {"baggage", "baggage-nano", "baggage-tiny", "example"} <= set(shipped)
    assert "policy" not in shipped
    for name in shipped:
        assert load_config(find_config(name)).total_steps > 0


def test_a_path_goes_before_a_name_and_a_wrong_name_is_answered(minimal: Path) -> None:
    assert find_config(str(minimal)) == minimal
    with pytest.raises(ConfigurationError, match="did you mean 'baggage-nano'") as error:
        find_config("baggage-nan")
    assert "baggage-tiny" in str(error.value)


@pytest.mark.parametrize("override", ["phases=[{steps: 0, size: 320}]", "phases=[{steps: 5, size: 97}]"])
def test_a_wrong_entry_of_a_list_is_the_only_thing_said(minimal, override):
    with pytest.raises(ConfigurationError, match=r"phases\.0\.\w+: [^;]+$"):
        load_config(minimal, [override])


def test_a_list_without_entries_is_too_short(minimal):
    with pytest.raises(ConfigurationError, match="phases: Tuple should have at least 1 item"):
        load_config(minimal, ["phases=[]"])
