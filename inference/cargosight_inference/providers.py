"""Where a network runs, by name, and in which arithmetic: nothing faster or coarser is ever chosen silently.

| name | ONNX Runtime's provider | comes with | arithmetic |
|---|---|---|---|
| `cpu` | CPUExecutionProvider | `onnxruntime` | fp32 |
| `openvino` | OpenVINOExecutionProvider | `cargosight[openvino]` (Intel), `onnxruntime-openvino` | fp32, bf16 |
| `cuda` | CUDAExecutionProvider | `onnxruntime-gpu` | fp32 |
| `tensorrt` | TensorrtExecutionProvider, CUDA for the rest | `onnxruntime-gpu` and TensorRT | fp32, bf16, fp16 |

OpenVINO computes in bf16 where the processor has it unless it is told otherwise, CUDA in TF32; both are told. ONNX
Runtime falls back to its CPU provider when another cannot be made; a session that did so is refused.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, Literal, get_args

from cargosight_inference.processor import has_bf16
from cargosight_inference.runtime import RUNTIME_ERRORS, onnxruntime
from cargosight_models.errors import UsageError, nearest_spelling

ProviderName = Literal["cpu", "openvino", "cuda", "tensorrt"]
Arithmetic = Literal["fp32", "bf16", "fp16"]
Settings = dict[str, str]

PROVIDERS: Final = get_args(ProviderName)
ARITHMETICS: Final[dict[str, tuple[Arithmetic, ...]]] = {
    "cpu": ("fp32",),
    "openvino": ("fp32", "bf16"),
    "cuda": ("fp32",),
    "tensorrt": ("fp32", "bf16", "fp16"),
}
"""What each provider can be asked for, the default first."""

_INNER: Final = {
    "cpu": "CPUExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_REMEDY: Final = {
    "cpu": "install onnxruntime again",
    "openvino": (
        "install cargosight[openvino] on an Intel processor, or onnxruntime-openvino in place of onnxruntime on another"
    ),
    "cuda": "install onnxruntime-gpu in place of onnxruntime, with the CUDA and cuDNN that it wants",
    "tensorrt": "install onnxruntime-gpu in place of onnxruntime, and TensorRT",
}
_PLUGIN: Final = "onnxruntime_ep_openvino"
_REGISTERED: Final = "cargosight.openvino"
_HINTS: Final = {"fp32": "f32", "bf16": "bf16"}


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where a network runs and in which arithmetic.

    Attributes:
        provider: one of `PROVIDERS`.
        arithmetic: of what the model file has not quantised, one of the provider's.
    """

    provider: ProviderName = "cpu"
    arithmetic: Arithmetic = "fp32"

    def __post_init__(self) -> None:
        if self.provider not in PROVIDERS:
            raise UsageError(
                f"the provider is {self.provider!r}{nearest_spelling(self.provider, PROVIDERS)}; expected one of "
                f"{', '.join(PROVIDERS)}"
            )
        offered = ARITHMETICS[self.provider]
        if self.arithmetic not in offered:
            raise UsageError(
                f"the arithmetic {self.arithmetic!r} is asked for, but the provider {self.provider} computes in "
                f"{' or '.join(offered)}; choose one of these, or another provider"
            )

    @property
    def on_device(self) -> bool:
        """Whether inputs and outputs have to be brought to another memory, and are bound to it."""
        return self.provider in ("cuda", "tensorrt")

    @property
    def inner_name(self) -> str:
        """ONNX Runtime's name of the provider."""
        return _INNER[self.provider]


CPU: Final = Execution()


def available() -> tuple[ProviderName, ...]:
    """Return the providers that this ONNX Runtime has, or can be given by an installed plug-in."""
    inner = onnxruntime.get_available_providers()
    return tuple(
        name for name in PROVIDERS if _INNER[name] in inner or (name == "openvino" and _plugin_devices())
    )


def check(execution: Execution) -> None:
    """Refuse what is not to be had here.

    Raises:
        UsageError: the provider is missing, or the processor lacks the arithmetic; the message says what to install.
    """
    if execution.provider == "cpu":  # every build has it; plug-ins are not looked for
        return
    here = available()
    if execution.provider not in here:
        raise UsageError(
            f"the provider {execution.provider} is not available: this ONNX Runtime {onnxruntime.__version__} has "
            f"{', '.join(here) or 'none'}; {_REMEDY[execution.provider]}, or choose one that is there"
        )
    if execution.provider == "openvino" and execution.arithmetic == "bf16" and not has_bf16():
        raise UsageError(
            "bf16 is asked for, but this processor does not compute in it (no AVX-512 BF16, no AMX): OpenVINO would "
            "run fp32 and say nothing; leave bf16 out"
        )


def open_session(
    model: str | bytes, options: onnxruntime.SessionOptions, execution: Execution, threads: int
) -> onnxruntime.InferenceSession:
    """Make a session on a provider that `check` let pass.

    Args:
        model: path or content of a file.
        options: of the session; a plug-in's devices are added to them.
        execution: where and how.
        threads: for a provider that has threads of its own.

    Raises:
        UsageError: ONNX Runtime fell back to another provider.
    """
    name, settings = execution.inner_name, _settings(execution, threads)
    if name in onnxruntime.get_available_providers():
        chain: list[Any] = [(name, settings)]
        if execution.provider == "tensorrt":  # what TensorRT does not take
            chain.append((_INNER["cuda"], _settings(Execution(provider="cuda"), threads)))
        session = onnxruntime.InferenceSession(model, options, providers=chain)
    else:
        options.add_provider_for_devices(_plugin_devices(), settings)
        session = onnxruntime.InferenceSession(model, options)
    made = session.get_providers()
    if name not in made:
        raise UsageError(
            f"the provider {execution.provider} could not be started, ONNX Runtime fell back to {', '.join(made)}; its "
            f"libraries are not found or no device is there: {_REMEDY[execution.provider]}"
        )
    return session


def _settings(execution: Execution, threads: int) -> Settings:
    """Return the provider's options; arithmetic is pinned in each."""
    if execution.provider == "openvino":
        own = {
            "INFERENCE_PRECISION_HINT": _HINTS[execution.arithmetic],
            "INFERENCE_NUM_THREADS": str(threads),
            "NUM_STREAMS": "1",
        }
        return {"device_type": "CPU", "load_config": json.dumps({"CPU": own})}
    if execution.provider == "cuda":
        return {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
    if execution.provider == "tensorrt":
        return {
            "trt_fp16_enable": str(int(execution.arithmetic == "fp16")),
            "trt_bf16_enable": str(int(execution.arithmetic == "bf16")),
            "trt_int8_enable": "0",
        }
    return {}


def _plugin_devices() -> Sequence[Any]:
    """Return the CPU devices of OpenVINO's plug-in; none where it is not installed, or not for this processor."""
    register: Callable[[str, str], None] | None = getattr(
        onnxruntime, "register_execution_provider_library", None
    )
    if register is None or find_spec(_PLUGIN) is None:
        return ()
    devices = _devices()
    if not devices:
        import onnxruntime_ep_openvino as plugin

        try:
            register(_REGISTERED, plugin.get_library_path())
        except RUNTIME_ERRORS as error:
            if "already" not in str(error):  # registered, and without a device for this processor
                raise UsageError(
                    f"OpenVINO's plug-in cannot be loaded: {error}; {_REMEDY['openvino']}"
                ) from error
        devices = _devices()
    return devices


def _devices() -> list[Any]:
    return [
        device
        for device in onnxruntime.get_ep_devices()
        if device.ep_name == _INNER["openvino"] and device.ep_metadata.get("ov_device") == "CPU"
    ][:1]
