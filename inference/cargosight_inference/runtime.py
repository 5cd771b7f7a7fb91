"""ONNX Runtime without its telemetry; everything of this project takes it from here.

The official builds for Linux and macOS report sessions to their maker from release 1.29 on: from the moment
of the import they keep a database in the user's cache and a thread that sends file names and hashes of
models. A program that reads a checkpoint's scans talks to nobody. Whoever wants the telemetry sets
ORT_DISABLE_TELEMETRY=0.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # has to be there before the import

import onnxruntime

__all__ = ["RUNTIME_ERRORS", "onnxruntime"]

RUNTIME_ERRORS: tuple[type[Exception], ...] = tuple(
    kind
    for kind in vars(onnxruntime.capi.onnxruntime_pybind11_state).values()
    if isinstance(kind, type) and issubclass(kind, Exception)
)
"""What ONNX Runtime raises; its exceptions share no base class but `Exception`."""
