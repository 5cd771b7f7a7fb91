"""What a network says of a picture as a whole."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_models.networks.detector import Detector, DetectorSettings
from cargosight_models.networks.embedding import pooled


def maps(seed=0):
    drawn = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(2, channels, side, side, generator=drawn) for channels, side in ((2, 8), (3, 4), (5, 2))
    )


def test_mean_and_spread_of_the_two_finer_maps():
    found = pooled(maps())
    assert found.shape == (2, 2 * (2 + 3))
    finer, coarser, _ = maps()
    expected = [
        part for each in (finer, coarser) for part in (each.mean((2, 3)), each.std((2, 3), correction=0))
    ]
    torch.testing.assert_close(found, torch.cat(expected, dim=1), atol=1e-4, rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_where_things_lie_does_not_matter(seed):
    turned = tuple(part.flip(2).transpose(2, 3) for part in maps(seed))
    torch.testing.assert_close(pooled(maps(seed)), pooled(turned))


def test_a_detector_embeds_pictures_of_any_size_and_learns_nothing_for_it():
    torch.manual_seed(0)
    detector = Detector(DetectorSettings(3, "csp-nano", 16)).eval()
    before = {name for name, _ in detector.named_parameters()}
    one = detector.embedding(torch.rand(2, 3, 64, 96))
    other = detector.embedding(torch.rand(1, 3, 96, 64))
    assert one.shape[1] == other.shape[1] == 2 * sum(detector.backbone.channels[:2])
    assert torch.isfinite(one).all()
    assert {name for name, _ in detector.named_parameters()} == before
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        apart = (detector.embedding(image) - detector.embedding(image * 0.5)).abs()
    assert float(apart.max()) > 1e-6  # random weights say little, and not the same
