"""Providers by name: what is asked of ONNX Runtime, and what is said where one is missing; none but the CPU is run."""

import json

import numpy as np
import onnxruntime
import pytest

from cargosight_inference import processor, providers
from cargosight_inference.inspector import Inspector
from cargosight_inference.providers import Execution
from cargosight_inference.scans.scan import Scan
from cargosight_inference.session import Session
from cargosight_models.errors import UsageError
from tests.made import models

REAL = onnxruntime.InferenceSession


@pytest.fixture
def model(tmp_path):
    return models.make_blob_model(tmp_path / "blobs.onnx")


class Device:
    """A session that runs on the CPU and says that it runs elsewhere; `cuda` memory is the CPU's."""

    asked: tuple = ()

    def __init__(self, model, options, providers):
        Device.asked = tuple(providers)
        self.bound = []
        self._names = [name if isinstance(name, str) else name[0] for name in providers]
        self._real = REAL(model, options, providers=["CPUExecutionProvider"])

    def get_providers(self):
        return [*self._names, "CPUExecutionProvider"]

    def io_binding(self):
        return Binding(self._real.io_binding(), self.bound)

    def run_with_iobinding(self, binding):
        self._real.run_with_iobinding(binding.real)

    def __getattr__(self, name):
        if name == "run":
            raise AssertionError("a session on a device was run without bound inputs and outputs")
        return getattr(self._real, name)


class Binding:
    def __init__(self, real, bound):
        self.real, self._bound = real, bound

    def bind_cpu_input(self, name, array):
        self._bound.append(name)
        self.real.bind_cpu_input(name, array)

    def bind_output(self, name, device):
        assert device == "cuda"
        self._bound.append(name)
        self.real.bind_output(name, "cpu")

    def copy_outputs_to_cpu(self):
        return self.real.copy_outputs_to_cpu()


def have(monkeypatch, *names, session=Device):
    monkeypatch.setattr(providers.onnxruntime, "get_available_providers", lambda: list(names))
    monkeypatch.setattr(providers.onnxruntime, "InferenceSession", session)


def test_the_cpu_is_the_default_and_fp32(model):
    session = Session(model)
    assert (session.execution, session.precision) == (Execution(provider="cpu", arithmetic="fp32"), "fp32")
    assert "cpu" in providers.available()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"provider": "tensort"}, "did you mean 'tensorrt'"),
        ({"provider": "cpu", "arithmetic": "bf16"}, "cpu computes in fp32"),
        ({"provider": "cuda", "arithmetic": "fp16"}, "cuda computes in fp32"),
        ({"provider": "openvino", "arithmetic": "fp16"}, "fp32 or bf16"),
    ],
)
def test_refuses_what_no_provider_does(facts, message):
    with pytest.raises(UsageError, match=message):
        Execution(**facts)


@pytest.mark.parametrize(
    ("provider", "remedy"),
    [("cuda", "onnxruntime-gpu"), ("tensorrt", "and TensorRT"), ("openvino", r"cargosight\[openvino\]")],
)
def test_a_missing_provider_says_what_is_there_and_what_to_install(monkeypatch, model, provider, remedy):
    have(monkeypatch, "CPUExecutionProvider")
    with pytest.raises(UsageError, match=rf"{provider} is not available: .* has cpu; .*{remedy}"):
        Session(model, execution=Execution(provider=provider))


def test_providers_that_are_there_are_listed_by_our_names(monkeypatch):
    have(monkeypatch, "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider", "Other")
    assert providers.available() == ("cpu", "cuda", "tensorrt")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_on_a_device_inputs_and_outputs_are_bound(monkeypatch, model, provider):
    tensor = np.random.default_rng(0).random((1, 3, 160, 160), dtype=np.float32)
    on_cpu = Session(model).run(tensor)
    have(monkeypatch, "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
    session = Session(model, execution=Execution(provider=provider))
    found = session.run(tensor)
    assert session._session.bound == ["image", "boxes", "scores"]
    assert all(np.array_equal(found[name], on_cpu[name]) for name in on_cpu)


def test_cuda_computes_in_fp32_and_not_in_tf32(monkeypatch, model):
    have(monkeypatch, "CUDAExecutionProvider", "CPUExecutionProvider")
    Session(model, execution=Execution(provider="cuda"))
    ((name, settings),) = Device.asked
    assert (name, settings["use_tf32"]) == ("CUDAExecutionProvider", "0")


@pytest.mark.parametrize(
    ("arithmetic", "fp16", "bf16"), [("fp32", "0", "0"), ("fp16", "1", "0"), ("bf16", "0", "1")]
)
def test_tensorrt_is_told_its_arithmetic_and_cuda_takes_the_rest(monkeypatch, model, arithmetic, fp16, bf16):
    have(monkeypatch, "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
    session = Session(model, execution=Execution(provider="tensorrt", arithmetic=arithmetic))
    (first, settings), (second, _) = Device.asked
    assert (first, second) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert (settings["trt_fp16_enable"], settings["trt_bf16_enable"]) == (fp16, bf16)
    assert session.precision == arithmetic


@pytest.mark.parametrize(("arithmetic", "hint"), [("fp32", "f32"), ("bf16", "bf16")])
def test_openvino_is_told_its_arithmetic(monkeypatch, model, arithmetic, hint):
    have(monkeypatch, "OpenVINOExecutionProvider", "CPUExecutionProvider")
    monkeypatch.setattr(providers, "has_bf16", lambda: True)
    Session(model, execution=Execution(provider="openvino", arithmetic=arithmetic))
    ((_, settings),) = Device.asked
    assert json.loads(settings["load_config"])["CPU"]["INFERENCE_PRECISION_HINT"] == hint


def test_bf16_is_refused_where_the_processor_has_none(monkeypatch, model, tmp_path):
    have(monkeypatch, "OpenVINOExecutionProvider", "CPUExecutionProvider")
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    for flags, there in (("fpu avx2", False), ("fpu avx512_bf16", True), ("", False)):
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n")
        assert processor.has_bf16() is there
    with pytest.raises(UsageError, match="does not compute in it"):
        Session(model, execution=Execution(provider="openvino", arithmetic="bf16"))


def test_a_session_that_fell_back_is_refused(monkeypatch, model):
    class FellBack(Device):
        def get_providers(self):
            return ["CPUExecutionProvider"]

    have(monkeypatch, "CUDAExecutionProvider", "CPUExecutionProvider", session=FellBack)
    with pytest.raises(UsageError, match="fell back to CPUExecutionProvider"):
        Session(model, execution=Execution(provider="cuda"))


def test_a_quantised_model_runs_as_it_is(monkeypatch, tmp_path):
    quantised = models.make_blob_model(
        tmp_path / "int8.onnx", contract=models.blob_contract(precision="int8")
    )
    have(monkeypatch, "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
    assert Session(quantised, execution=Execution(provider="tensorrt")).precision == "int8"
    with pytest.raises(UsageError, match="runs as it is"):
        Session(quantised, execution=Execution(provider="tensorrt", arithmetic="fp16"))


def test_an_inspection_records_provider_and_precision(monkeypatch, model):
    have(monkeypatch, "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
    inspector = Inspector(
        str(model), threshold=0.5, execution=Execution(provider="tensorrt", arithmetic="fp16")
    )
    scan = Scan.in_memory(models.blob_pixels(), kind="pseudocolour", subject="baggage")
    found = inspector.inspect(scan)
    assert (found.provider, found.precision) == ("tensorrt", "fp16")
