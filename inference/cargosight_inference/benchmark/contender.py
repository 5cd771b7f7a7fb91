"""One contender of `cargosight bench --only compare`, in a process of its own: a program, not a module to import.

It runs under the interpreter of whatever it measures, which may be another environment without this package, so that
nothing of this package is imported before it is asked for. The first argument is JSON. On the standard output come
lines that begin with `MARK`: one after the first result, then one for each `run` that is read from the standard input,
after all images were gone through once. It ends with the standard input.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

MARK = "cargosight-bench "

Job = Callable[[Sequence[str]], object]


def main() -> None:
    """Be the contender."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    paths: list[str] = settings["paths"]
    job = MAKERS[settings["kind"]](settings)
    job(paths[:1])
    _tell({"first": True, "peak": _peak_mb(), **FACTS})
    for line in sys.stdin:
        if line.strip() != "run":
            break
        wall, cpu = time.perf_counter(), time.process_time()
        job(paths)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        _tell({"wall": wall, "cpu": cpu, "peak": _peak_mb()})


FACTS: dict[str, Any] = {}
"""What a contender says of itself with its first result, such as the size of its network."""


def _session(settings: dict[str, Any]) -> Job:
    """Only `session.run`, on tensors that were made beforehand."""
    from cargosight_inference.benchmark.bare import Bare

    bare = Bare(settings["model"], settings["paths"], settings["threads"])
    return lambda paths: bare.run_sessions(len(paths))


def _bare(settings: dict[str, Any]) -> Job:
    """Only `imdecode`, `resize` and `session.run`, one after the other."""
    from cargosight_inference.benchmark.bare import Bare

    bare = Bare(settings["model"], settings["paths"], settings["threads"])
    return lambda paths: bare.run_all(len(paths))


def _pipeline(settings: dict[str, Any]) -> Job:
    """The whole of this package, from path to decision."""
    import cv2

    from cargosight_inference.inspector import Inspector
    from cargosight_inference.session import ThreadPolicy

    cv2.setNumThreads(1)
    inspector = Inspector(
        settings["model"], threshold=0.3, threads=ThreadPolicy(intra_op=settings["threads"])
    )

    def run(paths: Sequence[str]) -> None:
        for inspection in inspector.stream(paths):
            if inspection.error is not None:
                raise SystemExit(f"{inspection.path}: {inspection.error}")

    return run


def _ultralytics(settings: dict[str, Any]) -> Job:
    """Ultralytics predict as its users call it, on a list of files."""
    os.environ["YOLO_OFFLINE"] = "1"  # it would ask for updates, and this fetches nothing
    from ultralytics import YOLO

    model = YOLO(settings["model"], task="detect")
    options = {"device": "cpu", "verbose": False, "imgsz": settings["size"], "conf": 0.3}

    def run(paths: Sequence[str]) -> None:
        for result in model.predict(list(paths), stream=True, batch=1, **options):
            result.boxes.xyxy.numpy()

    if settings["model"].endswith((".yaml", ".pt")):
        from ultralytics.utils.torch_utils import get_flops

        FACTS["gflops_at_size"] = float(get_flops(model.model, settings["size"]))
    return run


def _anomalib(settings: dict[str, Any]) -> Job:
    """Anomalib's inferencer on an exported model."""
    os.environ["TRUST_REMOTE_CODE"] = "1"  # its own file, made by `_make_anomalib` or named by the user
    os.environ["HF_HUB_OFFLINE"] = "1"
    from anomalib.deploy import TorchInferencer

    inferencer = TorchInferencer(path=settings["model"], device="cpu")

    def run(paths: Sequence[str]) -> None:
        for path in paths:
            inferencer.predict(image=path)

    return run


def _make_anomalib(settings: dict[str, Any]) -> Job:
    """Write an anomalib model with random weights into a file, which changes neither time nor memory."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import timm
    from anomalib.models import Stfpm

    made = timm.create_model

    def without_weights(name: str, **options: Any) -> Any:  # noqa: ANN401 - timm's own
        return made(name, **{**options, "pretrained": False})

    timm.create_model = without_weights
    side = int(settings["size"])
    model = Stfpm(pre_processor=Stfpm.configure_pre_processor(image_size=(side, side)), evaluator=False)
    model.to_torch(export_root=settings["folder"], model_file_name="stfpm")
    return lambda paths: None


MAKERS: dict[str, Callable[[dict[str, Any]], Job]] = {
    "session": _session,
    "bare": _bare,
    "pipeline": _pipeline,
    "ultralytics": _ultralytics,
    "anomalib": _anomalib,
    "make anomalib": _make_anomalib,
}


def _tell(facts: dict[str, Any]) -> None:
    sys.stdout.write(f"\n{MARK}{json.dumps(facts)}\n")
    sys.stdout.flush()


def _peak_mb() -> float:
    """Most resident memory of this process in MB (10^6 bytes)."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123 - starts faster
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    main()
