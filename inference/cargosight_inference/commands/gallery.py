"""`cargosight gallery`: a site's reference scans by heading, to compare declarations with."""

import argparse
import json
import sys
from pathlib import Path

import cv2

from cargosight_inference.arguments import path_argument
from cargosight_inference.gallery.building import Built, build, gather
from cargosight_inference.gallery.files import check_target, read_gallery, write_gallery
from cargosight_inference.gallery.references import LEAST_REFERENCES, Gallery
from cargosight_inference.inspector import Inspector
from cargosight_inference.progress import Progress
from cargosight_inference.session import MOST_THREADS, ThreadPolicy
from cargosight_inference.spelling import spelled_out
from cargosight_models.errors import UsageError

SUMMARY = "Build and keep a site's reference scans by heading, to compare declarations with."

_EPILOG = """\
Reference scans come in folders that are named by their heading (refs/4011/*.tif, refs/empty/*.tif; give refs), or in
a table: CSV with the first line path,heading, or a JSON list of objects with these keys; a further column `group`
says which scans are near-duplicates of each other. Paths are taken from the table's folder.

    cargosight gallery build --model container --out site.gallery.npz refs/
    cargosight inspect scans/ --model container --gallery site.gallery.npz --declared 4011

A gallery holds no pictures, but what the model says of each of them, and serves that very model file alone. Scans
whose load state contradicts their heading are left out and named. Keep clean scans of each heading as they come,
well-packed and ill-packed ones: what is missing here will be called atypical.

exit code: 0 done, 2 misuse, or nothing that can serve as a reference."""
_MOST_NAMED = 20
"""Of the scans that are left out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gallery`."""
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    making = actions.add_parser("build", help="make a gallery of reference scans")
    making.add_argument("sources", nargs="+", metavar="FOLDER|TABLE", help="reference scans by heading")
    making.add_argument(
        "--out", type=path_argument, required=True, metavar="FILE.npz", help="the gallery to write"
    )
    making.add_argument("--force", action="store_true", help="replace the file if it exists")
    adding = actions.add_parser("add", help="add reference scans; those that are there already are replaced")
    adding.add_argument("gallery", type=path_argument, metavar="FILE.npz")
    adding.add_argument("sources", nargs="+", metavar="FOLDER|TABLE", help="reference scans by heading")
    for parser_with_model in (making, adding):
        parser_with_model.add_argument(
            "--model",
            required=True,
            metavar="NAME|FILE.onnx",
            help="a model of cargo that gives an embedding",
        )
        parser_with_model.add_argument(
            "--threads", type=int, default=1, metavar="N", help="threads of the network (default: 1)"
        )
    removing = actions.add_parser("remove", help="take out headings, or single scans")
    removing.add_argument("gallery", type=path_argument, metavar="FILE.npz")
    removing.add_argument("--heading", nargs="+", default=[], help="all references of these headings")
    removing.add_argument("--sha256", nargs="+", default=[], help="the scans with these SHA-256")
    showing = actions.add_parser("show", help="show what a gallery holds")
    showing.add_argument("gallery", type=path_argument, metavar="FILE.npz")
    showing.add_argument(
        "--json", action="store_true", help="write JSON, with the SHA-256 of every reference"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; return the exit code."""
    if arguments.action == "build":
        check_target(arguments.out, force=arguments.force)
        built = _build(arguments)
        _write(arguments.out, built.gallery, built)
    elif arguments.action == "add":
        before = read_gallery(arguments.gallery)
        built = _build(arguments, before)
        joined = before.with_references(built.gallery.references, built.gallery.embeddings)
        _write(arguments.gallery, joined, built)
    elif arguments.action == "remove":
        if not arguments.heading and not arguments.sha256:
            raise UsageError("nothing to remove was named; give --heading or --sha256")
        rest = read_gallery(arguments.gallery).without(arguments.heading, arguments.sha256)
        _write(arguments.gallery, rest)
    else:
        _show(arguments.gallery, as_json=arguments.json)
    return 0


def _build(arguments: argparse.Namespace, before: Gallery | None = None) -> Built:
    if not 1 <= arguments.threads <= MOST_THREADS:
        raise UsageError(f"--threads {arguments.threads} found; expected 1 to {MOST_THREADS}")
    rows = gather(arguments.sources)
    # No finding is looked at, so that a model without operating points serves, too.
    inspector = Inspector(
        arguments.model, threshold=1.0, threads=ThreadPolicy(intra_op=arguments.threads), gallery=before
    )
    cv2.setNumThreads(1)  # as in an inspection: a decoder has a thread of its own
    progress = Progress(len(rows))
    try:
        return build(inspector, rows, progress=lambda _: progress.advance())
    finally:
        progress.erase()


def _write(path: Path, gallery: Gallery, built: Built | None = None) -> None:
    write_gallery(path, gallery, force=True)
    left_out = () if built is None else built.left_out
    for scan, reason in left_out[:_MOST_NAMED]:
        sys.stdout.write(spelled_out(f"left out: {scan}: {reason}") + "\n")
    if len(left_out) > _MOST_NAMED:
        sys.stdout.write(f"left out: {len(left_out) - _MOST_NAMED} more\n")
    _list(gallery)
    sys.stdout.write(f"wrote {path}: {len(gallery.references)} references\n")


def _show(path: Path, *, as_json: bool) -> None:
    gallery = read_gallery(path)
    if not as_json:
        sys.stdout.write(f"built with {gallery.model}, fingerprint {gallery.fingerprint}\n")
        _list(gallery)
        return
    headings = {
        heading: {
            "references": count,
            "groups": groups,
            "enough": groups >= LEAST_REFERENCES,
            "sha256": [one.sha256 for one in gallery.references if one.heading == heading],
        }
        for heading, (count, groups) in gallery.counts().items()
    }
    about = {"model": gallery.model, "fingerprint": gallery.fingerprint, "headings": headings}
    sys.stdout.write(json.dumps(about, indent=2) + "\n")


def _list(gallery: Gallery) -> None:
    for heading, (count, groups) in gallery.counts().items():
        what = f"{count} references" + ("" if groups == count else f" in {groups} groups")
        few = (
            ""
            if groups >= LEAST_REFERENCES
            else f": too few for a typicality, which needs {LEAST_REFERENCES}"
        )
        sys.stdout.write(f"{heading:<12}  {what}{few}\n")
