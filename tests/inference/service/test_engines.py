"""Engines as values, what is said when one cannot be loaded, and the golden scan."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cargosight_inference.inspector import Inspector
from cargosight_inference.service.engines import Engine, EngineFacts, facts_of, open_inspector
from cargosight_inference.service.golden import check_golden, default_golden
from cargosight_inference.service.sentences import without_folders
from cargosight_models.errors import EngineError, UsageError
from tests.made import scans
from tests.made.models import BLUE, DARK, blob_contract, make_blob_model, make_embedding_model, write_blobs

FULL = Engine(
    subject="cargo",
    model="container",
    operating_point="pfa=0.05",
    policy="policy.yaml",
    max_pixels=1000,
    air_level=50_000.0,
    polarity="air_dark",
    pixel_pitch_mm=(4.0, 5.5),
    correct=True,
    threads=2,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "blobs.onnx"
    return make_blob_model(path, operating_points={"pfa=0.05": 0.5, "pfa=0.01": 0.9})


@pytest.fixture
def bag(tmp_path) -> Path:
    return write_blobs(tmp_path / "golden bag.png", (64, 32, DARK))


class TestValue:
    @pytest.mark.parametrize("engine", [FULL, Engine(subject="baggage", model="baggage", threshold=0.25)])
    def test_comes_back_from_json(self, engine):
        back = Engine.from_json(engine.to_json())
        assert back == engine
        assert hash(back) == hash(engine)
        assert back.to_json() == engine.to_json()

    def test_equal_engines_give_equal_text(self):
        again = Engine(**dict(reversed(asdict(FULL).items())))
        assert again.to_json() == FULL.to_json()

    def test_reads_files_by_its_settings(self):
        options = FULL.read_options
        assert (options.subject, options.max_pixels, options.air_level) == ("cargo", 1000, 50_000.0)
        assert (options.polarity, options.pixel_pitch_mm) == ("air_dark", (4.0, 5.5))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"subject": "unknown"}, "expected baggage or cargo"),
            ({"model": ""}, "has no model"),
            ({"threshold": 0.5}, "choose one of them"),
            ({"operating_point": None, "threshold": 1.5}, "expected one in"),
            ({"operating_point": None, "threshold": float("nan")}, "expected one in"),
            ({"threads": 0}, "expected 1 or more"),
            ({"max_pixels": 0}, "pixel limit"),
            ({"air_level": 0.5}, "air level"),
            ({"polarity": "dark"}, "polarity"),
            ({"pixel_pitch_mm": (0.0, 1.0)}, "pixel pitch"),
        ],
    )
    def test_refuses(self, changes, message):
        with pytest.raises(UsageError, match=message):
            replace(FULL, **changes)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "{}",
            "[" * 100_000,
            json.dumps({**json.loads(FULL.to_json()), "more": 1}),
            json.dumps({**json.loads(FULL.to_json()), "subject": "train"}),
            json.dumps({**json.loads(FULL.to_json()), "threads": "two"}),
            json.dumps({**json.loads(FULL.to_json()), "pixel_pitch_mm": 4}),
        ],
    )
    def test_what_is_no_stored_engine_is_a_sentence(self, text):
        with pytest.raises(EngineError, match="choose the lane's model again"):
            Engine.from_json(text)


class TestLoading:
    def test_facts(self, model, bag, tmp_path):
        policy = tmp_path / "policy.yaml"
        policy.write_text("refer_classes: [blue]\n", encoding="utf-8")
        engine = Engine(subject="baggage", model=str(model), operating_point="pfa=0.01", policy=str(policy))
        inspector = open_inspector(engine)
        facts = facts_of(inspector, check_golden(inspector, bag, None))
        assert (facts.model, facts.operating_point, facts.precision) == ("blobs", "pfa=0.01", "fp32")
        assert facts.thresholds == {"dark": 0.9, "blue": 0.9}
        assert facts.classes == ("dark", "blue")
        assert facts.policy["refer_classes"] == ["blue"]
        assert facts.fingerprint == inspector.fingerprint
        assert facts.golden["scan"] == "golden bag.png"
        assert facts.golden["decision"] == "clear"  # dark does not refer
        assert facts.golden["findings"] == 1
        assert facts.golden["ms"] > 0.0
        assert EngineFacts.from_dict(json.loads(json.dumps(facts.to_dict()))) == facts

    def test_every_failure_is_a_sentence_without_folders(self, tmp_path):
        models = tmp_path / "secret place"
        models.mkdir()
        good = make_blob_model(models / "good.onnx", operating_points={"pfa=0.05": 0.5})
        (models / "corrupt.onnx").write_bytes(good.read_bytes()[:2000])
        make_blob_model(models / "bare.onnx")
        make_blob_model(models / "mute.onnx", metadata=None)
        make_blob_model(models / "later.onnx", metadata='{"schema": 99}')
        make_embedding_model(models / "embeds.onnx")
        make_blob_model(models / "swapped.onnx", score_scale=0.5)
        (models / "swapped.points.json").write_bytes((models / "good.points.json").read_bytes())
        (models / "wrong.yaml").write_text("refer_classes: [bomb]\n", encoding="utf-8")
        (models / "broken.yaml").write_text("refer_classes: [", encoding="utf-8")
        failures = {
            ("nowhere.onnx",): "there is no model file nowhere.onnx",
            ("corrupt.onnx", ("threshold", 0.5)): "corrupt.onnx is no ONNX model",
            ("bare.onnx",): "bare.onnx has no operating points beside it",
            ("mute.onnx", ("threshold", 0.5)): "mute.onnx has no cargosight contract",
            ("later.onnx", ("threshold", 0.5)): "later.onnx: .*schema is 99",
            ("embeds.onnx", ("threshold", 0.5)): "boxes",
            ("swapped.onnx",): "swapped.points.json belong to the model file",
            ("good.onnx", ("operating_point", "pfa=0.5")): "there is no operating point 'pfa=0.5'",
            ("good.onnx", ("subject", "cargo")): "the subject is cargo, but the model blobs inspects baggage",
            ("good.onnx", ("policy", str(models / "none.yaml"))): "none.yaml cannot be read",
            ("good.onnx", ("policy", str(models / "broken.yaml"))): "broken.yaml is not valid YAML",
            ("good.onnx", ("policy", str(models / "wrong.yaml"))): "the policy refers 'bomb'",
            ("good.onnx", ("threads", 100_000)): "100000 threads",
            ("good.onnx", ("correct", True)): "mends the detector's stripes",
        }
        for (name, *changes), message in failures.items():
            engine = Engine(**{"subject": "baggage", "model": str(models / name)} | dict(changes))
            with pytest.raises(EngineError, match=message) as caught:
                open_inspector(engine)
            assert "secret" not in str(caught.value)

    def test_a_model_by_name(self):
        with pytest.raises(EngineError, match=r"no model called 'bagage' \(did you mean 'baggage'\?\)"):
            open_inspector(Engine(subject="baggage", model="bagage"))


class TestGolden:
    @pytest.mark.parametrize("subject", ["baggage", "cargo"])
    @pytest.mark.parametrize("kind", ["pseudocolour", "display_grey", "transmission"])
    def test_there_is_a_sample_for_every_model(self, subject, kind):
        path = default_golden(subject, (kind,))
        assert path.is_file()
        assert path.parent.name == subject

    def test_the_bundled_model_passes_its_own(self):
        inspector = open_inspector(Engine(subject="baggage", model="baggage"))
        found = check_golden(inspector, None, "refer")
        assert found["decision"] == "refer"
        assert found["scan"] == default_golden("baggage", ("pseudocolour",)).name

    def test_another_decision_than_expected(self, model, bag):
        inspector = Inspector(model)
        assert check_golden(inspector, bag, "refer")["decision"] == "refer"
        with pytest.raises(EngineError) as caught:
            check_golden(inspector, bag, "clear")
        sentence = str(caught.value)
        assert "blobs did not pass its golden scan golden bag.png" in sentence
        assert "the decision is refer (dark 1.00), expected clear" in sentence
        assert str(bag.parent) not in sentence

    def test_only_decisions_can_be_expected(self, model, bag):
        with pytest.raises(UsageError, match="expected clear or refer"):
            check_golden(Inspector(model), bag, "unreadable")

    @pytest.mark.parametrize("content", [None, b"no scan"])
    def test_an_unreadable_scan(self, model, tmp_path, content):
        path = tmp_path / "scan.png"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(EngineError, match=r"golden scan scan.png: it is unreadable, the") as caught:
            check_golden(Inspector(model), path, None)
        assert str(tmp_path) not in str(caught.value)

    def test_two_answers(self, model, bag, tmp_path):
        other = write_blobs(tmp_path / "other.png", (0, 0, BLUE))

        class Wavering(Inspector):
            calls = 0

            def inspect(self, source, *, declared=None):
                self.calls += 1
                return super().inspect(other if self.calls == 3 else source, declared=declared)

        with pytest.raises(EngineError, match=r"inspected twice it gave two answers, .* expected the same"):
            check_golden(Wavering(model), bag, None)

    def test_a_model_that_fails(self, tmp_path, bag):
        broken = make_blob_model(tmp_path / "broken.onnx", score_scale=float("nan"))
        with pytest.raises(EngineError, match="blobs did not pass its golden scan") as caught:
            check_golden(Inspector(broken, threshold=0.5), bag, None)
        assert str(tmp_path) not in str(caught.value)

    def test_a_kind_that_the_model_was_not_made_for(self, tmp_path):
        contract = blob_contract(kinds=("display_grey",))
        grey = make_blob_model(tmp_path / "grey.onnx", contract=contract)
        with pytest.raises(EngineError, match="it is unreadable, the scan is pseudocolour"):
            check_golden(Inspector(grey, threshold=0.5), scans.write_scan(tmp_path, "png"), None)


def test_folders_are_left_out_of_sentences_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a" / "bag.onnx"
    text = f"'{path}' and a/bag.onnx: alpha/beta, gamma/bag.onnx, ({path.parent}/x)"
    expected = "'bag.onnx' and bag.onnx: alpha/beta, gamma/bag.onnx, (x)"
    assert without_folders(text, "a/bag.onnx", None) == expected
    assert without_folders("a/b bag.onnx", "bag.onnx", "/") == "a/b bag.onnx"
