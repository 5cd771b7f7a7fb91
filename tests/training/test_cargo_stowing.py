"""Loads of which a part has come down."""

import numpy as np

from cargosight_inference.scans.attenuation import CELLULOSE
from cargosight_training.simulation.cargo import stowing
from cargosight_training.simulation.cargo.sheet import Sheet
from cargosight_training.simulation.cargo.stage import Hold


def hold() -> Hold:
    sheets = tuple(Sheet(0.0, 500.0, pitch=10.0, top=2500.0, size=(250, 600)) for _ in range(4))
    found = Hold(500.0, 5500.0, 100.0, 2400.0, sheets)
    for sheet in sheets:
        sheet.box(found.x0, found.floor, found.x1, 1900.0, CELLULOSE, 20.0)
    return found


def test_now_and_then_a_part_of_a_stack_comes_down_and_nothing_else_changes() -> None:
    fallen = 0
    for seed in range(40):
        before, after, rng = hold(), hold(), np.random.default_rng(seed)
        stowing.tumbled(after, rng, CELLULOSE, 0.4, 500.0)
        assert (
            rng.random() == np.random.default_rng(seed).random()
        )  # what is drawn afterwards stays as it was
        pairs = list(zip(before.sheets, after.sheets, strict=True))
        changed = [bool((a.plane(CELLULOSE) != b.plane(CELLULOSE)).any()) for a, b in pairs]
        fallen += any(changed)
        assert sum(changed) <= 2
        for (old, new), is_changed in zip(pairs, changed, strict=True):
            left = new.plane(CELLULOSE)
            assert (left >= 0.0).all()
            if is_changed:
                assert 0.7 * old.plane(CELLULOSE).sum() < left.sum() < old.plane(CELLULOSE).sum() * 1.05
                assert (left[:, :49] == 0.0).all() and (left[:59] == 0.0).all()
    assert 4 <= fallen <= 18
