"""A worker of a batch run in which files of certain names do what hostile files do to native code.

`kills…` ends the process by SIGKILL, `leaves…` by an exit code, `once…` by SIGKILL the first time alone, `stalls…` is
never read to its end, `hoards…` takes memory until the limit, `contradicts…` makes the model fail, `slow…` takes a
twentieth of a second.
"""

import os
import signal
import sys
import time
from pathlib import Path

from cargosight_inference import inspector
from cargosight_inference.batch import worker_main
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import ContractError


def read(path: str, options: ReadOptions) -> Scan:
    name = Path(path).name
    if name.startswith("once"):
        marker = Path(f"{path}.marker")
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("kills"):
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("leaves"):
        os._exit(7)
    if name.startswith("stalls"):
        time.sleep(3600.0)
    if name.startswith("hoards"):
        bytearray(1 << 40)
    if name.startswith("contradicts"):
        raise ContractError("the model gave boxes that are not finite; export the model again")
    if name.startswith("slow"):
        time.sleep(0.05)
    return read_scan(path, options)


if __name__ == "__main__":
    inspector.read_scan = read  # type: ignore[assignment]
    sys.exit(worker_main.main())
