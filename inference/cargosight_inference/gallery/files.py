"""Galleries as files: `.npz` archives of two plain arrays, read and written without pickle.

about       uint8 (1, n), JSON in UTF-8: schema, model, fingerprint, and heading, group and SHA-256 of each reference
embeddings  float32 (N, D)
"""

import io
import json
import os
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from cargosight_inference.gallery.references import Gallery, Reference
from cargosight_inference.gallery.tables import checked_heading
from cargosight_inference.scans.npy import npy_array, npy_header
from cargosight_models.errors import CatalogError, ScanError, UsageError

SCHEMA = 1
SUFFIX = ".npz"
_ABOUT, _EMBEDDINGS = "about", "embeddings"
_MOST_BYTES = 1 << 30
"""Of both arrays: a quarter of a million references of a thousand numbers."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REMEDY = "build it again with `cargosight gallery build`"


def write_gallery(path: Path, gallery: Gallery, *, force: bool = False) -> None:
    """Write a gallery; the file appears whole or not at all.

    Raises:
        UsageError: the file exists and `force` is not given, its name does not end in .npz, there are no references,
            or it cannot be written.
    """
    check_target(path, force=force)
    if not gallery.references:
        raise UsageError("a gallery was to be written without references; expected at least one")
    about = {
        "schema": SCHEMA,
        "model": gallery.model,
        "fingerprint": gallery.fingerprint,
        "references": [asdict(reference) for reference in gallery.references],
    }
    text = np.frombuffer(json.dumps(about, ensure_ascii=False).encode("utf-8"), dtype=np.uint8)
    arrays: dict[str, Any] = {_ABOUT: text[None], _EMBEDDINGS: gallery.embeddings}
    held = io.BytesIO()
    np.savez_compressed(held, allow_pickle=False, **arrays)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(held.getvalue())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"the gallery {path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def check_target(path: Path, *, force: bool) -> None:
    """Refuse a file that could not be written, before the scans are read.

    Raises:
        UsageError: see `write_gallery`.
    """
    if path.suffix != SUFFIX:
        raise UsageError(f"{path} ends in {path.suffix!r}; expected {SUFFIX}")
    if path.exists() and not force:
        raise UsageError(f"{path} exists already; name another file, or give --force to replace it")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to write {path.name} into")


def read_gallery(path: str | os.PathLike[str], fingerprint: str | None = None) -> Gallery:
    """Read a gallery.

    Args:
        path: of the file.
        fingerprint: of the model that is to be used with it; None to take a gallery of any.

    Raises:
        CatalogError: the file cannot be read, is damaged or no gallery, or belongs to another model.
    """
    path = Path(path)
    try:
        gallery = _gallery(_members(path))
    except OSError as error:
        raise CatalogError(f"the gallery {path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise CatalogError(f"{path} is damaged, or no gallery ({error}); {_REMEDY}") from error
    except (ScanError, UsageError) as error:
        raise CatalogError(f"{path} is no gallery: {error}; {_REMEDY}") from error
    if fingerprint is not None and gallery.fingerprint != fingerprint:
        raise CatalogError(
            f"the gallery {path} was built with {gallery.model} {gallery.fingerprint[:12]}…, but the model is "
            f"{fingerprint[:12]}…: what one says of a scan means nothing to the other; {_REMEDY} and this model"
        )
    return gallery


def _members(path: Path) -> Mapping[str, bytes]:
    """Return the bytes of both arrays, the archive's own word on their size checked first."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = sorted(entry.filename for entry in entries)
        total = sum(entry.file_size for entry in entries)
        if names != [f"{_ABOUT}.npy", f"{_EMBEDDINGS}.npy"] or total > _MOST_BYTES:
            raise UsageError(
                f"it holds {', '.join(names[:5]) or 'nothing'} of {total:,} bytes; expected {_ABOUT} and {_EMBEDDINGS} "
                f"of at most {_MOST_BYTES:,}"
            )
        return {entry.filename.removesuffix(".npy"): archive.read(entry) for entry in entries}


def _gallery(members: Mapping[str, bytes]) -> Gallery:
    text, embeddings = (npy_array(members[name], npy_header(members[name])) for name in (_ABOUT, _EMBEDDINGS))
    try:
        about = json.loads(text.astype(np.uint8).tobytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"its description is no JSON ({error})") from error
    if not isinstance(about, dict) or about.get("schema") != SCHEMA:
        found = about.get("schema") if isinstance(about, dict) else about
        raise UsageError(f"its schema is {found!r}; this version reads {SCHEMA}")
    model, fingerprint, rows = (about.get(key) for key in ("model", "fingerprint", "references"))
    if not isinstance(model, str) or not _is_sha256(fingerprint) or not isinstance(rows, list):
        raise UsageError(
            f"its model is {model!r} with the fingerprint {fingerprint!r}; expected a name and a SHA-256"
        )
    return Gallery(model, fingerprint, tuple(_reference(row) for row in rows), embeddings)


def _reference(row: object) -> Reference:
    if not isinstance(row, dict) or set(row) != {"heading", "group", "sha256"}:
        raise UsageError(f"a reference is {row!r}; expected heading, group and sha256")
    heading, group, sha256 = (row[key] for key in ("heading", "group", "sha256"))
    if not isinstance(heading, str) or not isinstance(group, str) or not group or not _is_sha256(sha256):
        raise UsageError(f"a reference is {row!r}; expected texts, sha256 of 64 hex digits")
    return Reference(checked_heading(heading), group, sha256)


def _is_sha256(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None
