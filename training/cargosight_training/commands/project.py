"""`cargosight project`: a threat projected into a scan of cargo, with the truth beside it."""

import argparse
import hashlib
import json
import math
import os
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from cargosight_inference.arguments import path_argument
from cargosight_inference.scans.scan import Polarity, Scan
from cargosight_models.errors import ScanError, UsageError, nearest_spelling

if TYPE_CHECKING:  # what a help text need not wait for
    from cargosight_inference.scans.projection import Signature
    from cargosight_training.simulation.cargo.projecting import Wish

SUMMARY = "project a threat into a scan of cargo"

DEFAULT_PITCH = 4.0
"""mm a pixel where neither the scan nor the caller says: usual for truck scanners."""
_SUFFIXES = {"transmission": (".tif", ".tiff"), "display_grey": (".png",)}

_EPILOG = """\
SCAN is transmission (16-bit, one or two energies) or display grey, of cargo. What passes the cargo is harder
than what passes air, and the projection takes that into account. With display grey it is an approximation,
since a vendor has toned it.

FAMILY is one that --list names: a threat, or a benign thing that looks like one, built anew for each seed.
FILE.npz is a signature: arrays `name`, `pitch_mm`, and for each material its areal density in g/cm2.

Transmission is written as 16-bit TIFF whose air level is full scale (read it with --air-level 65535), display
grey as 8-bit PNG. FILE.truth.json beside it holds box, mask (COCO's RLE), visibility, materials and
masses. Projections are for drills and training; figures of real, projected and simulated scans are
never mixed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("scan", nargs="?", type=path_argument, metavar="SCAN", help="the scan's file")
    parser.add_argument("--threat", metavar="FAMILY|FILE.npz", help="what to project")
    parser.add_argument(
        "--out", type=path_argument, metavar="FILE", help="write to: .tif for transmission, .png for grey"
    )
    parser.add_argument(
        "--at",
        metavar="X,Y",
        help="column and row of its first pixel (default: drawn; where X is negative, --at=X,Y)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="of build, place and noise (default: 0)"
    )
    parser.add_argument(
        "--visibility",
        type=float,
        metavar="MIN",
        help="least mean change of ln T over the standard deviation around it",
    )
    parser.add_argument("--null", action="store_true", help="project nothing, through the same code")
    parser.add_argument(
        "--photons",
        type=float,
        metavar="N",
        help="effective count of a pixel in air, to add the noise of less light",
    )
    parser.add_argument(
        "--pitch",
        type=float,
        metavar="MM",
        help=f"size of a pixel (default: the scan's, or {DEFAULT_PITCH:g})",
    )
    parser.add_argument("--energies", metavar="MV,MV", help="of the scan's channels (default: 6,4)")
    parser.add_argument("--air-level", type=float, metavar="COUNTS", help="of air in raw 16-bit files")
    parser.add_argument("--polarity", choices=get_args(Polarity), help="whether air is bright or dark")
    parser.add_argument("--force", action="store_true", help="replace the files if they exist")
    parser.add_argument("--list", action="store_true", help="list the families and end")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code.

    Raises:
        UsageError: an option is wrong, or nothing can be projected so.
        ScanError: the scan or the signature's file cannot be read.
    """
    if arguments.list:
        sys.stdout.write(_families())
        return 0
    missing = [name for name in ("scan", "threat", "out") if getattr(arguments, name) is None]
    if missing:
        words = ", ".join("SCAN" if name == "scan" else f"--{name}" for name in missing)
        raise UsageError(f"{words} not given; see `cargosight project --help`, or --list for the families")
    wish = _wish(arguments)
    scan = _read(arguments)
    _check_out(arguments, scan)
    from cargosight_training.simulation.cargo.projecting import place_threat, truth

    pitch, note = _pitch(arguments, scan)
    signature, origin = _signature(arguments.threat, arguments.seed, pitch)
    placed = place_threat(replace(scan, assumptions=(*scan.assumptions, *note)), signature, wish)
    known = truth(placed, signature, wish) | {"origin": origin} | _about(scan, placed.projection.scan)
    _write(arguments.out, placed.projection.scan, known)
    x1, y1, x2, y2 = placed.threat_box
    seen = f"{signature.name} with visibility {placed.projection.visibility:.2f}"
    what = f"nothing, where {signature.name} would be" if arguments.null else seen
    sys.stdout.write(f"{arguments.out}: {what}, box {x1:.0f},{y1:.0f},{x2:.0f},{y2:.0f}\n")
    if scan.kind == "transmission":
        sys.stdout.write("counts are transmission x 65535: the air level is full scale, --air-level 65535\n")
    return 0


def _families() -> str:
    from cargosight_training.simulation.cargo.threats import LOOKALIKES, THREATS

    named = [("threat", name) for name in THREATS] + [("lookalike", name) for name in LOOKALIKES]
    return "".join(f"{kind:<11}{name}\n" for kind, name in named)


def _wish(arguments: argparse.Namespace) -> "Wish":
    from cargosight_training.simulation.cargo.projecting import Wish

    if arguments.seed < 0:
        raise UsageError(f"the seed is {arguments.seed}; expected 0 or more")
    for name, least in (("photons", 1.0), ("pitch", 0.05), ("visibility", 0.0)):
        value = getattr(arguments, name)
        if value is not None and not (math.isfinite(value) and value >= least):
            raise UsageError(f"--{name} is {value:g}; expected a number of {least:g} or more")
    return Wish(
        seed=arguments.seed,
        at=_place(arguments.at),
        visibility=arguments.visibility,
        photons=arguments.photons,
        null=arguments.null,
    )


def _place(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        x, y = (int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--at is {text!r}; expected column and row in pixels, such as 120,80") from None
    return x, y


def _read(arguments: argparse.Namespace) -> Scan:
    from cargosight_inference.scans.readers import ReadOptions, read_scan

    options = ReadOptions(subject="cargo", air_level=arguments.air_level, polarity=arguments.polarity)
    try:
        scan = read_scan(arguments.scan, options)
    except ScanError as error:
        raise ScanError(f"{arguments.scan}: {error}") from error
    if scan.kind not in _SUFFIXES:
        raise UsageError(
            f"{arguments.scan} is pseudo-colour; threats are projected into transmission or display grey: give the "
            "scanner's raw or grey file"
        )
    if scan.kind == "display_grey":
        from cargosight_inference.scans.radiograph import radiograph_of

        # What its reader says is a habit; the radiograph looks.
        found = radiograph_of(scan)
        how = tuple(note for note in found.notes if note.startswith("polarity"))
        if scan.markings is not None:
            how += (
                "burnt-in lines are grey in what is written, where no reader can tell them from the load",
            )
        scan = replace(scan, polarity=found.polarity, assumptions=(*scan.assumptions, *how))
    if arguments.energies is None:
        return _with_usual_energies(scan)
    if scan.kind != "transmission":
        raise UsageError("--energies is given for display grey, whose tone has none; leave it out")
    try:
        energies = tuple(float(part) for part in arguments.energies.split(","))
    except ValueError:
        energies = ()
    falling = all(first > second for first, second in pairwise(energies))
    if len(energies) != scan.pixels.shape[2] or not falling:
        raise UsageError(
            f"--energies is {arguments.energies!r}, the scan has {scan.pixels.shape[2]} channels; expected the MV of "
            "each, the higher first, such as 6,4"
        )
    return replace(scan, energies_mv=energies)


def _with_usual_energies(scan: Scan) -> Scan:
    from cargosight_inference.scans.projection import beams_of

    if scan.kind != "transmission" or scan.energies_mv is not None:
        return scan
    usual = " and ".join(f"{beam.megavolts:g}" for beam in beams_of(scan))
    return replace(
        scan, assumptions=(*scan.assumptions, f"energies taken as {usual} MV: the file does not say")
    )


def _truth_path(out: Path) -> Path:
    return out.with_suffix(".truth.json")


def _check_out(arguments: argparse.Namespace, scan: Scan) -> None:
    out: Path = arguments.out
    suffixes = _SUFFIXES[scan.kind]
    if out.suffix.lower() not in suffixes:
        raise UsageError(
            f"--out {out} ends in {out.suffix!r}; the scan is {scan.kind.replace('_', ' ')}: expected "
            f"{' or '.join(suffixes)}"
        )
    if out.exists() and out.samefile(arguments.scan):
        raise UsageError(f"--out {out} is the scan itself, which is never replaced; name another file")
    there = [path for path in (out, _truth_path(out)) if path.exists()]
    if there and not arguments.force:
        raise UsageError(f"{there[0]} exists already; name another file, or replace it with --force")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent} to write {out.name} into; make it first")


def _pitch(arguments: argparse.Namespace, scan: Scan) -> tuple[float, tuple[str, ...]]:
    if arguments.pitch is not None:
        return arguments.pitch, ()
    if scan.pixel_pitch_mm is not None:
        return math.sqrt(scan.pixel_pitch_mm[0] * scan.pixel_pitch_mm[1]), ()
    return DEFAULT_PITCH, (f"a pixel taken as {DEFAULT_PITCH:g} mm: the file does not say",)


def _signature(threat: str, seed: int, pitch: float) -> tuple["Signature", str]:
    """Return what to project, and `threat`, `lookalike` or the file that it came from."""
    import numpy as np

    from cargosight_inference.scans.signature_files import MOST_PIXELS, SUFFIX, read_signature
    from cargosight_training.simulation.cargo.threats import LOOKALIKES, THREATS

    for kind, families in (("threat", THREATS), ("lookalike", LOOKALIKES)):
        if threat in families:
            return families[threat](np.random.default_rng((seed, 0)), pitch), kind
    if threat.endswith(SUFFIX):
        found = read_signature(Path(threat))
        pixels = found.shape[0] * found.shape[1] * (found.pitch_mm / pitch) ** 2
        if pixels > MOST_PIXELS:
            raise UsageError(
                f"{threat} has {pixels:,.0f} pixels at {pitch:g} mm; expected at most {MOST_PIXELS:,}; give the scan's "
                "own --pitch"
            )
        return found.resized(pitch), threat
    hint = nearest_spelling(threat, (*THREATS, *LOOKALIKES))
    raise UsageError(
        f"there is no family {threat!r}{hint}; --list names them; a signature's file ends in {SUFFIX}"
    )


def _about(scan: Scan, made: Scan) -> dict[str, Any]:
    from cargosight_inference.scans.projection import beams_of
    from cargosight_training.simulation.cargo.projecting import AIR_COUNTS

    return {
        "scan": scan.path,
        "scan_sha256": scan.sha256,
        "kind": scan.kind,
        "width": scan.width,
        "height": scan.height,
        "energies_mv": [beam.megavolts for beam in beams_of(made)],
        "air_level": AIR_COUNTS if scan.kind == "transmission" else None,
    }


def _encoded(scan: Scan) -> bytes:
    if scan.kind == "transmission":
        from cargosight_training.simulation.cargo.projecting import AIR_COUNTS
        from cargosight_training.simulation.writing import encode_transmission

        return encode_transmission(scan.pixels, AIR_COUNTS)
    import cv2

    _, buffer = cv2.imencode(".png", scan.pixels)
    encoded: bytes = buffer.tobytes()
    return encoded


def _write(out: Path, scan: Scan, known: dict[str, Any]) -> None:
    """Write the scan, and then the truth of it."""
    encoded = _encoded(scan)
    document = {"file": out.name, "sha256": hashlib.sha256(encoded).hexdigest(), **known}
    # A line for each fact, however many runs a mask has.
    facts = (f"  {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in document.items())
    text = "{\n" + ",\n".join(facts) + "\n}\n"
    for path, content in ((out, encoded), (_truth_path(out), text.encode("ascii"))):
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
