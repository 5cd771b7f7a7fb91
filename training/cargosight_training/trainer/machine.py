"""The processor side of a run: device, threads, memory, and the process's place among others."""

import ctypes
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed

from cargosight_models.errors import ConfigurationError
from cargosight_training.config import MachineConfig

_PATIENCE = timedelta(days=1)
"""How long processes wait for one that builds the cache or evaluates; where one dies, torchrun ends them all."""
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # from glibc's malloc.h


@dataclass(frozen=True)
class Machine:
    """Where a run computes.

    Attributes:
        device: the torch device.
        precision: arithmetic of the forward pass.
        rank: this process's number among the processes of the run, from 0.
        world: how many processes share the run.
    """

    device: torch.device
    precision: str
    rank: int = 0
    world: int = 1

    def autocast(self) -> AbstractContextManager[object]:
        """The context of the forward pass: bf16 or fp16 arithmetic where asked for."""
        if self.precision == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype)

    def any_process(self, flag: bool) -> bool:
        """Whether the flag is set in any process of the run; every process must ask at the same time."""
        if self.world == 1:
            return flag
        raised = torch.tensor(float(flag), device=self.device)
        torch.distributed.all_reduce(raised, torch.distributed.ReduceOp.MAX)
        return bool(raised.item())

    def wait_for_all(self) -> None:
        """Return once every process of the run has come here."""
        self.any_process(False)


def set_up(config: MachineConfig) -> Machine:
    """Choose the device, set threads, and join the other processes where torchrun started several.

    A process that has joined them already stays with them.

    Raises:
        ConfigurationError: a device or precision was asked for that this machine has not.
    """
    cuda = torch.cuda.is_available()
    if config.device == "cuda" and not cuda:
        raise ConfigurationError(
            "machine.device is cuda, but torch finds no CUDA device: set it to auto or cpu"
        )
    kind = "cuda" if cuda and config.device != "cpu" else "cpu"
    if kind == "cpu" and config.precision == "fp16":
        raise ConfigurationError("machine.precision fp16 needs a CUDA device: set it to bf16 or fp32")
    if kind == "cpu":
        keep_freed_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    precision = _natural_precision(kind) if config.precision == "auto" else config.precision
    if world == 1:
        return Machine(torch.device(kind), precision)
    device = torch.device(kind)
    if kind == "cuda":
        device = torch.device(kind, int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=_PATIENCE)
    return Machine(device, precision, torch.distributed.get_rank(), world)


def _natural_precision(kind: str) -> str:
    """Return bf16 where the device has instructions for it, fp32 elsewhere.

    One training step of a frozen Lite0 on 16 pictures of 320 px took 30 CPU-seconds in bf16 on a processor of AVX2
    alone, where it is emulated, and 2 in fp32.
    """
    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()  # asks oneDNN, which knows the processor
    return "bf16" if supported else "fp32"


def tear_down() -> None:
    """Leave the other processes."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def keep_freed_memory() -> None:
    """Let glibc reuse freed memory instead of returning it to the system.

    A training step frees and asks again for the same large activations; with glibc's defaults each is mapped anew and
    paid for page by page, which took 38 % of the time of a frozen EfficientNet-Lite0 forward pass.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_TOP_PAD, 256 * 2**20)
