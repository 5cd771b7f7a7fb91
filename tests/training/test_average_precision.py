import contextlib
import io

import numpy as np
import pytest

from cargosight_training.evaluation import bootstrap
from cargosight_training.evaluation.average_precision import average_precisions, precision_at_recall, rank
from cargosight_training.evaluation.bootstrap import (
    draw_weights,
    interval_of_mean,
    resampled_precisions,
    weighted_average_precision,
)
from cargosight_training.evaluation.matching import match
from tests.made.datasets import CLASSES, findings_of, image_record, random_pairs, scored_of

BOX = (10.0, 10.0, 50.0, 30.0)


def ranked_of(pairs):
    return rank(match(scored_of(*pairs)))


def coco_figures(pairs, class_id):
    """AP and AP50 of one class by pycocotools, on the images whose source labels it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": [], "annotations": [], "categories": [], "info": {}}
        truth.dataset["categories"] = [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)]
        results = []
        for record, findings in pairs:
            truth.dataset["images"].append({"id": record.image_id, "width": 200, "height": 100})
            for box, one in zip(record.annotations.boxes, record.annotations.class_ids, strict=True):
                x1, y1, x2, y2 = box.tolist()
                truth.dataset["annotations"].append(
                    {
                        "id": len(truth.dataset["annotations"]) + 1,
                        "image_id": record.image_id,
                        "category_id": int(one) + 1,
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "area": (x2 - x1) * (y2 - y1),
                        "iscrowd": 0,
                    }
                )
            for box, score, one in zip(findings.boxes, findings.scores, findings.class_ids, strict=True):
                x1, y1, x2, y2 = box.tolist()
                results.append(
                    {
                        "image_id": record.image_id,
                        "category_id": int(one) + 1,
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "score": float(score),
                    }
                )
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.params.catIds = [class_id + 1]
        evaluation.params.imgIds = [record.image_id for record, _ in pairs if record.labelled[class_id]]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[0], evaluation.stats[1]


@pytest.mark.parametrize("distinct_scores", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_equals_pycocotools_on_the_same_images(seed, distinct_scores):
    pairs = random_pairs(seed, 60, distinct_scores=distinct_scores)
    for class_id, one in enumerate(ranked_of(pairs)):
        ap, ap50 = coco_figures(pairs, class_id)
        ours = average_precisions(one)
        assert ours.mean() == pytest.approx(ap, abs=5e-5)
        assert ours[0] == pytest.approx(ap50, abs=5e-5)
        assert 0.0 < ours.mean() < 1.0


def test_equals_pycocotools_when_a_scan_has_more_than_a_hundred_findings():
    rng = np.random.default_rng(3)
    pairs = []
    for number in range(4):
        stray = [
            ("bar", float(rng.random()), (x, y, x + 20.0, y + 20.0))
            for x, y in rng.integers(0, 80, (130, 2)).astype(float)
        ]
        truths = [("bar", box) for _, _, box in stray[:8]]
        pairs.append((image_record(number + 1, truths), findings_of(stray)))
    ap, ap50 = coco_figures(pairs, 0)
    ours = average_precisions(ranked_of(pairs)[0])
    assert (ours.mean(), ours[0]) == (pytest.approx(ap, abs=5e-5), pytest.approx(ap50, abs=5e-5))


def test_a_perfect_model_has_one_and_a_blind_one_zero():
    record = image_record(1, [("bar", BOX), ("disc", BOX)])
    perfect = ranked_of([(record, findings_of([("bar", 0.9, BOX)]))])
    assert average_precisions(perfect[0]).tolist() == [1.0] * 10
    assert average_precisions(perfect[1]).tolist() == [0.0] * 10


def test_a_class_without_a_box_has_no_figure():
    ranked = ranked_of([(image_record(1), findings_of([("bar", 0.9, BOX)]))])
    assert np.isnan(average_precisions(ranked[0])).all()
    with pytest.raises(ValueError, match="without a box"):
        precision_at_recall(ranked[0])


def test_findings_on_images_that_do_not_label_the_class_change_nothing():
    labelled = (image_record(1, [("ring", BOX)]), findings_of([("ring", 0.5, BOX)]))
    noise = (image_record(2, labelled=["bar"], source="part"), findings_of([("ring", 0.9, BOX)]))
    assert average_precisions(ranked_of([labelled, noise])[2])[0] == 1.0
    counted = (image_record(2), findings_of([("ring", 0.9, BOX)]))
    assert average_precisions(ranked_of([labelled, counted])[2])[0] == pytest.approx(0.5)


def test_restricting_to_images_equals_taking_only_those():
    pairs = random_pairs(5, 40)
    keep = np.array([record.source == "full" for record, _ in pairs])
    alone = ranked_of([pair for pair, kept in zip(pairs, keep, strict=True) if kept])
    for part, whole in zip((one.within(keep) for one in ranked_of(pairs)), alone, strict=True):
        assert np.array_equal(average_precisions(part), average_precisions(whole))


def test_bootstrap_with_every_scan_once_is_the_figure_itself():
    for one in ranked_of(random_pairs(6, 50)):
        for threshold in (0, 5):
            values = weighted_average_precision(one, np.ones((1, 50)), threshold)
            assert values[0] == pytest.approx(average_precisions(one)[threshold])


def test_bootstrap_equals_drawing_the_scans_themselves():
    pairs = random_pairs(7, 30)
    weights = draw_weights(30, samples=5, seed=1)
    assert (weights.sum(axis=1) == 30).all()
    ranked = ranked_of(pairs)
    for sample, times in enumerate(weights.astype(int)):
        drawn = [pair for pair, count in zip(pairs, times, strict=True) for _ in range(count)]
        for one, again in zip(ranked, ranked_of(drawn), strict=True):
            ours = weighted_average_precision(one, weights)[sample]
            # Copies of one scan tie in score; their order within the tie may move a point a little.
            assert ours == pytest.approx(average_precisions(again)[0], abs=0.02)


def test_bootstrap_in_blocks_of_hits_is_the_same(monkeypatch):
    ranked = ranked_of(random_pairs(9, 60))
    weights = draw_weights(60, samples=20, seed=2)
    whole = [weighted_average_precision(one, weights) for one in ranked]
    assert max(int(one.hit[:, 0].sum()) for one in ranked) > 6
    monkeypatch.setattr(bootstrap, "HITS_AT_ONCE", 3)
    for one, expected in zip(ranked, whole, strict=True):
        assert np.array_equal(weighted_average_precision(one, weights), expected)


def test_the_interval_holds_the_figure_and_is_the_same_for_the_same_seed():
    ranked = ranked_of(random_pairs(8, 80))
    point = np.mean([average_precisions(one)[0] for one in ranked])
    intervals = [
        interval_of_mean(resampled_precisions(ranked, draw_weights(80, samples=200, seed=3), (0,)))
        for _ in range(2)
    ]
    assert intervals[0] == intervals[1]
    assert intervals[0].low < point < intervals[0].high


def test_no_interval_without_a_box():
    ranked = ranked_of([(image_record(1), findings_of())])
    assert interval_of_mean(resampled_precisions(ranked, draw_weights(1, samples=3), (0,))) is None
