"""A network made ready for export: batch norm folded into convolutions, weights rounded to half precision."""

import copy

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cargosight_models.networks.detector import Detector
from cargosight_models.networks.layers import ConvNormAct

HALF_MAX = torch.finfo(torch.float16).max


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
    """Round every weight of two or more dimensions to the nearest float16, in place; the type stays float32.

    Biases and scales, which are few, keep full precision. A weight tensor that float16 cannot hold (above
    65,504) is left alone as a whole.
    """
    for parameter in detector.parameters():
        if parameter.ndim >= 2 and float(parameter.abs().max()) <= HALF_MAX:
            parameter.copy_(_rounded(parameter))


def _rounded(values: Tensor) -> Tensor:
    return values.half().float()
