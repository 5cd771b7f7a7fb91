import numpy as np
import pytest

from cargosight_inference.scans.scan import Scan
from cargosight_training.evaluation.global_look import area_under_roc, look_auc, look_of


def scan_of(pixels, kind="pseudocolour"):
    return Scan.in_memory(pixels, kind=kind, subject="baggage")


def noisy_bag(rng, background, width=60, height=40):
    pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    pixels[:4] = pixels[-4:] = background
    pixels[:, :4] = pixels[:, -4:] = background
    return scan_of(pixels)


def split(count):
    positive = np.arange(2 * count) < count
    return positive, ~positive


def test_a_background_gives_the_class_away():
    rng = np.random.default_rng(0)
    looks = np.array([look_of(noisy_bag(rng, 255)) for _ in range(30)])
    others = np.array([look_of(noisy_bag(rng, 225)) for _ in range(30)])
    assert look_auc(np.concatenate([looks, others]), *split(30)).auc > 0.95


def test_a_size_gives_the_class_away():
    rng = np.random.default_rng(0)
    looks = [look_of(noisy_bag(rng, 255, width=60)) for _ in range(20)]
    looks += [look_of(noisy_bag(rng, 255, width=61)) for _ in range(20)]
    assert look_auc(np.array(looks), *split(20)).auc > 0.95


def test_equal_looks_give_nothing_away():
    rng = np.random.default_rng(1)
    looks = np.array([look_of(noisy_bag(rng, 255)) for _ in range(120)])
    assert 0.35 < look_auc(looks, *split(60)).auc < 0.65


def test_identical_features_tie_at_one_half():
    looks = np.zeros((40, 27))  # identical features, so every score ties
    assert look_auc(looks, *split(20)).auc == 0.5


def test_too_few_scans_have_no_figure():
    figure = look_auc(np.zeros((8, 27)), *split(4))
    assert figure.to_dict() == {"auc": None, "positives": 4, "negatives": 4}


def test_scans_outside_both_groups_have_no_say():
    rng = np.random.default_rng(2)
    looks = rng.normal(size=(60, 27))
    positive, negative = split(30)
    used = np.ones(60, bool)
    used[25:35] = False
    wild = looks.copy()
    wild[~used] = 1e6
    assert look_auc(wild, positive & used, negative & used) == look_auc(
        looks, positive & used, negative & used
    )


@pytest.mark.parametrize(
    ("pixels", "kind"),
    [
        (np.full((30, 40, 3), 200, np.uint8), "pseudocolour"),
        (np.full((30, 40), 200, np.uint8), "display_grey"),
        (np.full((30, 40, 1), 200 / 255, np.float32), "transmission"),
        (np.full((30, 40, 2), 200 / 255, np.float32), "transmission"),
    ],
)
def test_every_kind_of_scan_has_the_same_features(pixels, kind):
    look = look_of(scan_of(pixels, kind))
    assert look == pytest.approx(look_of(scan_of(np.full((30, 40, 3), 200, np.uint8))), abs=1e-5)
    assert np.isfinite(look_of(scan_of(np.zeros((1, 1, 3), np.uint8)))).all()


def test_area_under_roc_by_hand():
    positive = np.array([True, True, False, False])
    assert area_under_roc(np.array([0.9, 0.8, 0.2, 0.1]), positive) == 1.0
    assert area_under_roc(np.array([0.9, 0.1, 0.2, 0.3]), positive) == 0.5
    assert area_under_roc(np.array([0.5, 0.5, 0.5, 0.5]), positive) == 0.5
    assert area_under_roc(np.array([0.5, 0.4, 0.5, 0.1]), positive) == 0.625
    with pytest.raises(ValueError, match="no AUC"):
        area_under_roc(np.zeros(2), np.array([True, True]))
