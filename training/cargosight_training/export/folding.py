"""A network made ready for export: batch norm folded into convolutions, weights rounded to half precision."""

import copy

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cargosight_models.networks.detector import Detector
from cargosight_models.networks.layers import ConvNormAct

HALF_MAX = torch.finfo(torch.float16).max


def as_saved(detector: Detector) -> Detector:
    """Return a float32 copy on the CPU, in evaluation mode, with its weights rounded as a weights file rounds them.

    So a network and the weights file that was saved of it give the same model file.
    """
    saved = copy.deepcopy(detector).to("cpu", torch.float32).to(memory_format=torch.contiguous_format)
    saved.eval().requires_grad_(False)
    round_to_half(saved)
    return saved


def fold_norms(detector: Detector) -> Detector:
    """Return a float32 copy on the CPU, in evaluation mode, in which convolutions carry the batch norms.

    EfficientNet-Lite has none by construction. In a torchvision backbone the norms that directly follow a
    convolution are folded; others (before a convolution, as in DenseNet) stay, which is correct and slower.
    """
    folded = copy.deepcopy(detector).to("cpu", torch.float32).to(memory_format=torch.contiguous_format)
    folded.eval().requires_grad_(False)
    for module in folded.modules():
        if isinstance(module, ConvNormAct):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.add_module("norm", nn.Identity())
    body = getattr(folded.backbone, "body", None)
    if isinstance(body, fx.GraphModule):
        # Copying torchvision's two-graph module would put it back into training mode, so one graph is kept.
        plain = fx.GraphModule(body, body.graph).eval()
        folded.backbone.body = fuse(plain, inplace=True, no_trace=True)
    return folded


@torch.no_grad()
def round_to_half(detector: Detector) -> None:
    """Round the weights that are kept in half precision to the nearest float16, in place; the type stays float32."""
    for parameter in detector.parameters():
        if kept_in_half(parameter):
            parameter.copy_(parameter.half().float())


def kept_in_half(values: Tensor) -> bool:
    """Whether files keep a tensor in half precision: weights of two or more dimensions.

    Biases and scales, which are few, keep full precision. So does, as a whole, a tensor that float16 cannot hold
    (above 65,504).
    """
    return values.is_floating_point() and values.ndim >= 2 and float(values.abs().max()) <= HALF_MAX
