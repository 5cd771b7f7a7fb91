import json
import multiprocessing
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from training.comparisons import cpu_time, rival_yolo
from training.comparisons.rival_yolo import CpuBudget, findings_from_rows
from training.comparisons.scoring import (
    FINDINGS,
    LEFT_OUT,
    VALIDATION,
    read_results,
    read_task,
    score_findings,
    slug,
    table,
    write_result,
)
from training.comparisons.yolo_labels import label_text, write_yolo_folder

from cargosight_models.errors import DataSetError, UsageError
from cargosight_models.labels import ClassSet
from cargosight_training.datasets.coco import read_coco
from cargosight_training.datasets.records import DataSet
from cargosight_training.datasets.yolo import read_yolo
from tests.made.datasets import (
    CLASSES,
    MadeSource,
    findings_of,
    image_record,
    make_dataset,
    train_and_val,
)

BURN = "import time\nwhile time.process_time() < {}: pass\nprint(flush=True)\n{}"


def test_cpu_time_counts_ended_and_running_children(monkeypatch):
    before = cpu_time.cpu_seconds()
    subprocess.run([sys.executable, "-c", BURN.format(0.3, "")], check=True, stdout=subprocess.DEVNULL)
    ended = cpu_time.cpu_seconds()
    assert ended - before >= 0.25
    with subprocess.Popen(
        [sys.executable, "-c", BURN.format(0.3, "time.sleep(30)")], stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        monkeypatch.setattr(multiprocessing, "active_children", lambda: [SimpleNamespace(pid=child.pid)])
        assert cpu_time.cpu_seconds() - ended >= 0.25
        child.kill()


# YOLO folders.


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(CLASSES),
            st.floats(0, 500),
            st.floats(0, 300),
            st.floats(1, 100),
            st.floats(1, 60),
        ),
        max_size=4,
    )
)
def test_label_lines_say_what_the_boxes_say(items):
    truths = [(name, (x, y, min(600.0, x + w), min(360.0, y + h))) for name, x, y, w, h in items]
    image = image_record(1, truths, size=(600, 360))
    lines = label_text(image).splitlines()
    assert len(lines) == len(items)
    for line, (name, box) in zip(lines, truths, strict=True):
        class_id, *shares = line.split()
        assert CLASSES[int(class_id)] == name
        cx, cy, w, h = (float(value) * side for value, side in zip(shares, (600, 360, 600, 360), strict=True))
        assert (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2) == pytest.approx(box, abs=1e-3)


def test_a_yolo_folder_reads_back_as_the_same_boxes(tmp_path):
    path = make_dataset(tmp_path, (MadeSource("site a", images=5), MadeSource("b", ("bar",), images=3)))
    dataset = read_coco(path)
    data = write_yolo_folder(tmp_path / "yolo", {"train": dataset, "val": dataset})
    write_yolo_folder(tmp_path / "yolo", {"train": dataset, "val": dataset})  # again over the first
    images, names = read_yolo(tmp_path / "yolo", split="train")
    assert tuple(names) == dataset.classes.names
    assert yaml.safe_load(data.read_text())["val"] == "images/val"
    assert len(images) == len(dataset)
    for image, record in zip(images, dataset.images, strict=True):
        assert image.path.resolve() == record.path.resolve()
        assert (image.width, image.height) == (record.width, record.height)
        assert image.names == tuple(dataset.classes.names[k] for k in record.annotations.class_ids)
        assert np.array(image.boxes).reshape(-1, 4) == pytest.approx(record.annotations.boxes, abs=1e-3)


def test_a_smaller_set_leaves_nothing_of_the_one_before(tmp_path):
    dataset = read_coco(make_dataset(tmp_path, (MadeSource("a", images=5),)))
    write_yolo_folder(tmp_path / "yolo", {"train": dataset})
    write_yolo_folder(tmp_path / "yolo", {"train": DataSet("less", dataset.classes, dataset.images[:2])})
    assert len(read_yolo(tmp_path / "yolo", split="train")[0]) == 2
    assert len(list((tmp_path / "yolo" / "labels" / "train").iterdir())) == 2
    assert all(image.path.is_file() for image in dataset.images)  # the links went, not what they name


def test_splits_of_different_classes_are_refused(tmp_path):
    one = DataSet("a", ClassSet(CLASSES), (image_record(1),))
    two = DataSet("b", ClassSet(CLASSES[:2]), (image_record(1, classes=CLASSES[:2]),))
    with pytest.raises(ValueError, match="the split val has the classes"):
        write_yolo_folder(tmp_path, {"train": one, "val": two})


# The rival.


class FakeTrainer:
    """Goes through epochs and batches in the order in which ultralytics calls back."""

    def __init__(self, batches, epochs=100):
        self.batches, self.epochs, self.start_epoch, self.epoch = batches, epochs, 0, 0
        self.args = SimpleNamespace(epochs=epochs)
        self.stop = False
        self.rates = []
        self._setup_scheduler()

    def _setup_scheduler(self):
        total = self.epochs
        self.scheduler = SimpleNamespace(last_epoch=-1, factor=lambda epoch: max(1 - epoch / total, 0.0))

    def train(self, budget, spend):
        budget.start(self)
        while not self.stop:
            self.rates.append(self.scheduler.factor(self.epoch))
            for _ in range(self.batches):
                spend()
                budget.after_batch(self)
                if self.stop:
                    break
            self.stop |= self.epoch + 1 >= self.epochs
            budget.after_epoch(self)
            if not self.stop:
                self.epoch += 1


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.floats(0.2, 3.0), st.floats(10.0, 300.0))
def test_the_budget_ends_training_within_a_batch_and_anneals_towards_it(batches, cost, seconds):
    clock = [5.0]

    def spend():
        clock[0] += cost

    budget = CpuBudget(seconds, clock=lambda: clock[0])
    trainer = FakeTrainer(batches, epochs=10_000)
    trainer.train(budget, spend)
    assert seconds <= budget.used <= seconds + cost * (1 + 1e-9)
    assert trainer.rates == sorted(trainer.rates, reverse=True)
    if trainer.epoch:
        assert trainer.rates[-1] <= 2.0 / (trainer.epoch + 1)  # all but annealed in the last epoch


def test_rows_become_findings_by_our_rules():
    rng = np.random.default_rng(0)
    count = 150
    boxes = np.sort(rng.uniform(-20, 220, (count, 2, 2)), axis=1).reshape(count, 4)
    scores = rng.uniform(0, 0.01, count)
    scores[:3] = (0.9, 0.0005, 1.00001)
    class_ids = rng.integers(0, 3, count).astype(np.float32)
    findings = findings_from_rows(boxes, scores, class_ids, names=CLASSES, width=200, height=100)
    assert len(findings) <= FINDINGS == 100
    assert findings.scores[0] == 1.0
    assert findings.scores.min() >= 0.001
    assert (np.diff(findings.scores) <= 0).all()
    assert findings.boxes[:, [0, 2]].max() <= 200
    assert findings.boxes[:, [1, 3]].max() <= 100
    assert findings.class_ids[0] == int(class_ids[2])
    none = findings_from_rows(np.empty((0, 4)), [], [], names=CLASSES, width=9, height=9)
    assert len(none) == 0


def test_the_rival_says_what_it_needs_where_it_is_not_installed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rival_yolo, "find_spec", lambda _name: None)
    words = ["--train", "a.json", "--val", "b.json", "--out", str(tmp_path / "out")]
    assert rival_yolo.main(words) == 2
    assert "ultralytics is not installed here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# What both sides are scored on.


def test_a_group_that_is_left_out_is_scored_on_all_its_images(tmp_path):
    train, val = train_and_val(tmp_path)
    task = read_task([(train, None)], [val], images=None, left_out="a/2")
    assert len(task.training) == 5
    assert {name: len(dataset) for name, dataset in task.scored.items()} == {VALIDATION: 7, LEFT_OUT: 4}
    assert {image.group for image in task.scored[LEFT_OUT].images} == {"a/2"}
    assert not any(image.group == "a/2" for image in task.training.images)
    whole = read_task([(train, None)], [val], images=None, left_out=None)
    assert len(whole.training) == 7
    assert list(whole.scored) == [VALIDATION]
    with pytest.raises(DataSetError, match="no group 'c'"):
        read_task([(train, None)], [val], images=None, left_out="c")


def test_findings_are_scored_on_labelled_images_alone():
    box = (10.0, 10.0, 40.0, 40.0)
    images = [image_record(number, [("bar", box)], labelled=("bar",)) for number in range(20)]
    images.append(image_record(99, labelled=()))
    right, wrong = findings_of([("bar", 0.9, box)]), findings_of([("ring", 0.8, box)])
    result = score_findings(images, ClassSet(CLASSES), [*[right] * 10, *[wrong] * 11], samples=10, seed=0)
    assert (result["images"], result["boxes"]) == (20, 20)
    assert result["headline"]["classes"] == ["bar"]
    assert result["headline"]["map50"] == pytest.approx(0.5, abs=0.01)
    assert result["headline"]["map50_bootstrap95"]["samples"] == 10
    assert result["classes"] == {"bar": {"ap50": result["headline"]["map50"], "boxes": 20}}


def test_as_many_findings_of_a_scan_count_for_either_side():
    box = (10.0, 10.0, 40.0, 40.0)
    images = [image_record(number, [("bar", box)], labelled=("bar",)) for number in range(20)]
    late = findings_of([*[("ring", 0.9, box)] * FINDINGS, ("bar", 0.8, box)])
    result = score_findings(images, ClassSet(CLASSES), [late] * 20, samples=0, seed=0)
    assert result["headline"]["map50"] == 0.0
    soon = findings_of([*[("ring", 0.9, box)] * (FINDINGS - 1), ("bar", 0.8, box), ("ring", 0.7, box)])
    result = score_findings(images, ClassSet(CLASSES), [soon] * 20, samples=0, seed=0)
    assert result["headline"]["map50"] == pytest.approx(1.0)


def result_of(map50, *, rival=False, left_out=None, used=1800.0, sets=(VALIDATION,), budget=1800.0, images=3):
    average = {"classes": ["bar"], "map50": map50, "map50_bootstrap95": None, "map": map50}
    scored = {"images": images, "boxes": 25, "headline": average, "all_classes": average, "classes": {}}
    return {
        "rival": rival,
        "left_out": left_out,
        "budget_cpu_seconds": budget,
        "used_cpu_seconds": used,
        "scored": dict.fromkeys(sets, scored),
    }


def test_the_table_sets_each_run_beside_the_rival_of_the_same_data(tmp_path):
    both = (VALIDATION, LEFT_OUT)
    write_result(tmp_path, "yolo", result_of(0.1, rival=True))
    write_result(tmp_path, "ours", result_of(0.3))
    write_result(tmp_path, "ours without a/1", result_of(0.2, left_out="a/1", sets=both))
    assert [one["name"] for one in read_results(tmp_path)] == ["ours", "ours without a/1", "yolo"]
    lines = (tmp_path / "table.md").read_text().splitlines()
    (ours,) = [line for line in lines if line.startswith("| ours |")]
    assert "| 0.600 |" in ours  # mAP50 per CPU-hour after half an hour
    assert ours.endswith("| 3.00 times |")
    # Beside the rival that was taught the left-out group, and in a table without any rival.
    assert [line.endswith("|  |") for line in lines if line.startswith("| ours without")] == [True, False]
    assert any(line.startswith("## Left out (a/1): 3 images") for line in lines)
    for part in (tmp_path / "table.md").read_text().split("## ")[1:]:
        assert len({line.count("|") for line in part.splitlines() if line.startswith("|")}) == 1
    assert table([]).startswith("# At equal CPU time")
    assert slug("a b/1: c") == "a-b-1--c"


def test_only_what_is_alike_shares_a_table_and_a_ratio(tmp_path):
    both = (VALIDATION, LEFT_OUT)
    write_result(tmp_path, "yolo", result_of(0.1, rival=True))
    write_result(tmp_path, "longer", result_of(0.3, budget=7200.0))
    write_result(tmp_path, "shorter", result_of(0.2, budget=900.0))
    write_result(tmp_path, "other scans", result_of(0.4, images=99))
    write_result(tmp_path, "without a/1", result_of(0.2, left_out="a/1", sets=both))
    write_result(tmp_path, "without a/2", result_of(0.2, left_out="a/2", sets=both))
    tables = (tmp_path / "table.md").read_text().split("## ")[1:]
    rows = {
        one.partition("\n")[0].partition(" images")[0]: [
            line.split(" | ")[0].strip("| ") for line in one.splitlines() if line.count("|") > 4
        ][2:]
        for one in tables
    }
    assert rows == {
        "Validation: 3": ["longer", "shorter", "without a/1", "without a/2", "yolo"],
        "Validation: 99": ["other scans"],
        "Left out (a/1): 3": ["without a/1"],
        "Left out (a/2): 3": ["without a/2"],
    }
    lines = "".join(tables).splitlines()
    assert [line.endswith("| larger budget |") for line in lines if line.startswith("| longer")] == [True]
    assert [line.endswith("| 2.00 times |") for line in lines if line.startswith("| shorter")] == [True]


def test_a_kept_run_of_the_rival_is_not_scored_with_other_options(tmp_path):
    words = ["--train", "t.json", "--val", "v.json", "--out", str(tmp_path)]
    task = SimpleNamespace(training=[1, 2, 3])
    args = rival_yolo.make_parser().parse_args(words)
    trained = {"budget_cpu_seconds": args.cpu_seconds, "settings": {**rival_yolo._asked(args), "images": 3}}
    (tmp_path / "trained.json").write_text(json.dumps(trained))
    (tmp_path / "last.pt").touch()
    assert rival_yolo._train_once(args, task, tmp_path) == trained
    for changed, said in (
        (["--nms-iou", "0.5"], "nms_iou 0.7 and not 0.5"),
        (["--size", "320"], "size 416 and not 320"),
        (["--cpu-seconds", "60"], "cpu_seconds 7200.0 and not 60.0"),
    ):
        other = rival_yolo.make_parser().parse_args([*words, *changed])
        with pytest.raises(UsageError, match=said):
            rival_yolo._train_once(other, task, tmp_path)
    task.training.pop()
    with pytest.raises(UsageError, match="images 3 and not 2"):
        rival_yolo._train_once(args, task, tmp_path)
