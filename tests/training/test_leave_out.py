import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from cargosight_models.errors import ConfigurationError, DataSetError, UsageError
from cargosight_training import child_runs
from cargosight_training.commands import leave_out
from cargosight_training.config_files import find_config, load_config
from cargosight_training.evaluation.leave_out import READINGS, GroupScore, Rules, mean_ratio, score_group
from cargosight_training.evaluation.leave_out_table import leave_out_markdown
from tests.made.datasets import CocoDocument, annotation, findings_of, image_record, scored_of
from tests.made.models import blob_contract, make_blob_model

BOX = (10.0, 10.0, 40.0, 40.0)
FEW = Rules(boxes=4, unseen=2, elsewhere=4)
ELSEWHERE = {"bar": 50, "disc": 50, "ring": 0}


def group_of(found, *, images=12, classes=("bar", "disc", "ring")):
    """A group in which every image has one box of each class; `found(number, name)` says whether it is found."""
    pairs = []
    for number in range(images):
        truths = [(name, BOX) for name in classes]
        hits = [(name, 0.9 - 0.01 * number, BOX) for name in classes if found(number, name)]
        pairs.append((image_record(number + 1, truths, source="site"), findings_of(hits)))
    return scored_of(*pairs)


def unseen_of(images=12, count=4):
    unseen = np.zeros(images, dtype=np.bool_)
    unseen[-count:] = True
    return unseen


def score(held_out, full, **changes):
    settings = {
        "unseen": unseen_of(),
        "elsewhere": ELSEWHERE,
        "rules": FEW,
        "samples": 40,
        "seed": 0,
        **changes,
    }
    return score_group("site", held_out, full, **settings)


def everything(_number, _name):
    return True


def test_equal_runs_have_a_ratio_of_one_in_every_reading():
    one = group_of(everything)
    result = score(one, one)
    assert (result.images, result.unseen_images, result.boxes, result.unseen_boxes) == (12, 4, 36, 12)
    for reading in READINGS:
        ratio = result.ratios[reading]
        assert ratio.ratio == pytest.approx(1.0)
        assert (ratio.ratio_interval.low, ratio.ratio_interval.high) == (1.0, 1.0)


def test_each_reading_takes_its_own_images():
    # The held-out run finds two thirds of the seen images and half of the unseen ones; the full run finds every seen
    # one and three of four unseen ones.
    held_out = group_of(lambda number, _: number < 6 or number in (8, 9))
    full = group_of(lambda number, _: number != 11)
    result = score(held_out, full)
    (one,) = [c for c in result.classes if c.name == "bar"]
    assert one.held_out == pytest.approx(8 / 12, abs=0.01)
    assert one.held_out_unseen == pytest.approx(2 / 4, abs=0.01)
    assert one.full_unseen == pytest.approx(3 / 4, abs=0.01)
    assert one.full_all == pytest.approx(11 / 12, abs=0.01)
    assert result.ratios["headline"].ratio == pytest.approx(one.held_out / one.full_unseen)
    assert result.ratios["same_images"].ratio == pytest.approx(one.held_out_unseen / one.full_unseen)
    assert result.ratios["all_images"].ratio == pytest.approx(one.held_out / one.full_all)
    interval = result.ratios["headline"].ratio_interval
    assert interval.low < result.ratios["headline"].ratio < interval.high


def test_a_class_counts_only_where_it_can_be_learnt_and_measured():
    one = group_of(everything)
    assert score(one, one).ratios["headline"].classes == ("bar", "disc")
    reasons = {c.name: c.left_out_because for c in score(one, one).classes}
    assert reasons == {"bar": None, "disc": None, "ring": "no other group labels it"}
    few = score(one, one, elsewhere={"bar": 3, "disc": 50, "ring": 50})
    assert few.ratios["headline"].classes == ("disc", "ring")
    assert few.ratios["every_class"].classes == ("bar", "disc", "ring")
    assert few.classes[0].left_out_because == "3 boxes to learn from without the group, fewer than 4"
    rules = Rules(boxes=13, unseen=2, elsewhere=4)
    assert "12 boxes in the group, fewer than 13" in [
        c.left_out_because for c in score(one, one, rules=rules).classes
    ]
    rules = Rules(boxes=4, unseen=5, elsewhere=4)
    result = score(one, one, rules=rules)
    assert result.classes[0].left_out_because == "4 boxes on its validation images, fewer than 5"
    assert result.ratios["headline"].ratio is None


def test_a_full_run_that_finds_nothing_gives_no_ratio():
    result = score(group_of(everything), group_of(lambda _number, _name: False))
    assert result.ratios["headline"].full == 0.0
    assert result.ratios["headline"].ratio is None
    assert mean_ratio([result], "headline").value is None


def test_the_average_weighs_groups_alike_and_names_those_without_a_ratio():
    full = group_of(everything)
    half = group_of(lambda number, _: number % 2 == 0)
    nothing = group_of(lambda _number, _name: False)
    scores = [score(full, full), score(half, full), score(full, nothing)]
    mean = mean_ratio(scores, "headline")
    ratios = [one.ratios["headline"].ratio for one in scores[:2]]
    assert mean.value == pytest.approx(np.mean(ratios))
    assert len(mean.groups) == 2
    assert mean.interval.low <= mean.value <= mean.interval.high


def test_scores_survive_json_and_need_no_bootstrap():
    result = score(group_of(lambda number, _: number % 3 == 0), group_of(everything))
    back = GroupScore.from_dict(json.loads(json.dumps(result.to_dict())))
    assert back == result
    plain = score(group_of(everything), group_of(everything), samples=0)
    assert plain.ratios["headline"].ratio == pytest.approx(1.0)
    assert plain.ratios["headline"].ratio_interval is None
    assert mean_ratio([plain], "headline").interval is None


def test_runs_on_different_images_and_groups_without_unseen_ones_are_refused():
    one = group_of(everything)
    with pytest.raises(ValueError, match="different images"):
        score(one, group_of(everything, images=11))
    with pytest.raises(DataSetError, match="site has no image in the validation files"):
        score(one, one, unseen=np.zeros(12, dtype=np.bool_))
    with pytest.raises(ValueError, match="1 box on"):
        Rules(unseen=0)


def test_the_table_says_which_images_each_figure_uses():
    text = leave_out_markdown(
        [score(group_of(everything), group_of(everything))],
        title="A title",
        budget="10 steps",
        rules=FEW,
        waiting=["other"],
    )
    rows = [line for line in text.splitlines() if line.startswith("| site ")]
    assert ["12, 36 (all)" in row for row in rows[:4]] == [True, False, True, True]
    assert ["4, 12 (validation)" in row for row in rows[:4]] == [True, True, False, True]
    assert "Not done yet: other." in text
    assert "no other group labels it" in text
    assert len({line.count("|") for line in text.splitlines() if "1.000 [" in line}) == 1


# The command, with a made trainer.


def write_bags(folder, name, *, first):
    """Blue squares called bar: six bags of scanner 1, six of scanner 2, six of another source."""
    document = CocoDocument(
        categories=[{"id": 1, "name": "bar"}, {"id": 2, "name": "disc"}],
        sources={one: {"labelled": ["bar"]} for one in ("site", "other")},
    )
    rng = np.random.default_rng(first)
    for number in range(18):
        picture = np.full((128, 192, 3), 255, dtype=np.uint8)
        x, y = 16 * int(rng.integers(0, 9)), 16 * int(rng.integers(0, 5))
        picture[y : y + 48, x : x + 48] = (255, 120, 0)  # BGR
        file_name = f"{name}-{number}.png"
        (folder / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / "images" / file_name), picture)
        row = {"id": number + 1, "file_name": file_name, "width": 192, "height": 128, "source": "other"}
        if number < 12:
            row |= {"source": "site", "scanner": 1 + number % 2}
        document.images.append(row)
        document.annotations.append(annotation(number + 1, number + 1, 1, (x, y, 48, 48)))
    return document.write(folder / f"{name}.json")


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return Bench(tmp_path, monkeypatch)


class Bench:
    """Data, a configuration, and a trainer that only writes a model: a blind one without scanner 2."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.trained, self.codes = folder, [], {}
        self.train_file = write_bags(folder, "train", first=0)
        self.val_file = write_bags(folder, "val", first=1)
        settings = {
            "name": "made",
            "out": str(folder / "unused"),
            "data": {
                "train": [{"file": str(self.train_file)}],
                "val": [{"file": str(self.val_file)}],
                "cache": str(folder / "cache"),
            },
            "phases": [{"steps": 4, "size": 64}],
        }
        self.config = folder / "made.yaml"
        self.config.write_text(yaml.safe_dump(settings))
        monkeypatch.setattr(child_runs, "_run_child", self.train)

    def train(self, command):
        assert command[-1] == "--resume"
        config = load_config(Path(command[-2]))
        left_out = ",".join(config.data.without)
        self.trained.append(left_out)
        if self.codes.get(left_out):
            return self.codes[left_out]
        assert config.data.val == ()
        config.data.cache.mkdir(parents=True, exist_ok=True)
        make_blob_model(
            config.out / "best.onnx",
            contract=blob_contract(classes=("disc", "bar"), code_version=f"0+{left_out}"),
            score_scale=1e-6 if left_out == "site/2" else 1.0,
        )
        (config.out / "evaluations.csv").write_text(f"step,cpu_hours\n{config.total_steps},0.5\n")
        return 0

    def run(self, *words):
        parser = argparse.ArgumentParser()
        leave_out.add_arguments(parser)
        standard = [self.config, "--data", self.val_file, "--out", self.folder / "out", "--samples", 20]
        groups = [] if "--groups" in words else ["--groups", "site/1,site/2"]
        limits = ["--least-boxes", 4, "--least-unseen-boxes", 2]
        words = [str(word) for word in (*standard, *groups, *limits, *words)]
        return leave_out.run(parser.parse_args(words))

    @property
    def document(self):
        return json.loads((self.folder / "out" / "leave_out.json").read_text())


def test_every_group_is_left_out_once_and_compared_with_the_full_run(bench, capsys):
    assert bench.run() == 0
    assert bench.trained == ["", "site/1", "site/2"]
    document = bench.document
    assert document["runs"]["full"]["without"] == []
    assert document["runs"]["site/2"] | {"fingerprint": ""} == {
        "without": ["site/2"],
        "steps": 4,
        "cpu_hours": 0.5,
        "fingerprint": "",
    }
    first, second = (document["groups"][name] for name in ("site/1", "site/2"))
    assert (first["images"], first["unseen_images"]) == (12, 6)
    assert first["ratios"]["headline"]["ratio"] == pytest.approx(1.0)
    assert second["ratios"]["headline"]["ratio"] == pytest.approx(0.0)
    assert second["ratios"]["headline"]["full"] == pytest.approx(1.0)
    assert document["average_ratio"]["headline"]["value"] == pytest.approx(0.5)
    assert [one["name"] for one in first["classes"]] == ["bar"]
    assert first["classes"][0]["boxes_elsewhere"] == 12
    out = capsys.readouterr().out
    assert "| site/1 " in out
    assert (bench.folder / "out" / "leave_out.md").read_text() in out
    # The cache of a run that left something out goes with it, the common one stays.
    assert not (bench.folder / "out" / "without-site+1" / "cache").exists()
    assert (bench.folder / "cache").exists()


def test_finished_runs_and_groups_are_kept(bench, monkeypatch, capsys):
    bench.run()
    before = bench.document
    bench.trained.clear()
    monkeypatch.setattr(leave_out, "inspect_dataset", None)  # nothing is scored again
    assert bench.run("--json") == 0
    assert bench.trained == []
    assert bench.document == before == json.loads(capsys.readouterr().out.splitlines()[-1])


def test_other_labels_are_scored_again_without_training(bench):
    bench.run()
    assert bench.document["groups"]["site/1"]["ratios"]["headline"]["ratio"] == pytest.approx(1.0)
    before = bench.document["groups"]["site/1"]
    bench.trained.clear()
    document = json.loads(bench.val_file.read_text())
    for row in document["annotations"]:
        row["bbox"] = [0, 0, 10, 10]
    bench.val_file.write_text(json.dumps(document))
    bench.run()
    assert bench.trained == []
    assert bench.document["groups"]["site/1"] != before


def test_further_groups_join_the_finished_ones(bench):
    bench.run("--groups", "site/1")
    bench.run("--groups", "site/1,other")
    assert bench.trained == ["", "site/1", "other"]
    assert list(bench.document["groups"]) == ["site/1", "other"]


def test_another_bootstrap_scores_again_without_training(bench):
    bench.run()
    bench.trained.clear()
    bench.run("--samples", "0")
    assert bench.trained == []
    assert bench.document["groups"]["site/1"]["ratios"]["headline"]["ratio_interval"] is None


@pytest.mark.parametrize("code", [130, 143])
def test_a_stopped_run_is_told_and_resumed_by_the_same_command(bench, capsys, code):
    bench.codes["site/2"] = code
    assert bench.run() == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert list(bench.document["groups"]) == ["site/1"]
    assert "Not done yet: site/2." in (bench.folder / "out" / "leave_out.md").read_text()
    bench.codes.clear()
    bench.trained.clear()
    assert bench.run() == 0
    assert bench.trained == ["site/2"]
    assert list(bench.document["groups"]) == ["site/1", "site/2"]


def test_a_run_that_fails_ends_the_command(bench):
    bench.codes["site/1"] = 2
    with pytest.raises(ConfigurationError, match="ended with exit code 2"):
        bench.run()


def test_a_folder_with_other_settings_is_refused_before_anything_is_trained(bench):
    bench.run()
    bench.trained.clear()
    with pytest.raises(
        UsageError, match=r"other settings \(optimiser.lr; optimiser.lr is 0.001 there and 0.01"
    ):
        bench.run("optimiser.lr=0.01")
    assert bench.trained == []
    assert bench.run("machine.threads=1", "log.every=7") == 0  # these change nothing of what is learnt


def test_weights_that_may_know_the_group_are_refused(bench):
    with pytest.raises(ConfigurationError, match="--weights-saw-none"):
        bench.run("model.weights=some.pt")
    assert bench.run("model.weights=some.pt", "--weights-saw-none") == 0


def test_no_two_runs_share_a_folder(tmp_path):
    config = load_config(find_config("example"))
    names = ["a/b", "a-b", "a+b", "a%2Fb", "..", ".", "a"]
    runs = leave_out.plan_runs(config, names, tmp_path)
    folders = [child.folder for child in runs.values()]
    assert len(set(folders)) == len(names) + 1
    assert {folder.resolve().parent for folder in folders} == {tmp_path.resolve()}


def test_a_group_with_the_name_of_the_full_run_is_refused(bench):
    with pytest.raises(UsageError, match="'full' has the name of the run that leaves out none"):
        bench.run("--groups", "full")
    assert bench.trained == []


def test_a_seed_below_zero_is_refused_before_anything_is_trained(bench):
    with pytest.raises(UsageError, match="--seed -1 found"):
        bench.run("--seed", "-1")
    assert bench.trained == []


def test_wrong_groups_are_refused_before_anything_is_trained(bench):
    with pytest.raises(DataSetError, match="has no group 'site/3'"):
        bench.run("--groups", "site/3")
    document = json.loads(bench.val_file.read_text())
    for row in document["images"]:
        row["source"] = "site"
    bench.val_file.write_text(json.dumps(document))
    with pytest.raises(DataSetError, match="no validation file has an image of other"):
        bench.run("--groups", "other")
    with pytest.raises(UsageError, match="--groups names no group"):
        bench.run("--groups", " , ")
    with pytest.raises(UsageError, match="--least-boxes 0"):
        bench.run("--least-boxes", "0")
    assert bench.trained == []


def test_simulated_scans_are_trained_on_and_never_scored(bench):
    simulated = write_bags(bench.folder, "simulated", first=2)
    assert (
        bench.run(f"data.train=[{{file: {bench.train_file}}}, {{file: {simulated}, simulated: true}}]") == 0
    )
    score = bench.document["groups"]["site/1"]
    assert score["images"] == 12
    assert score["classes"][0]["boxes_elsewhere"] == 24
