"""Finding model files: bundled with the package, installed into the user's cache, or named by path.

A bundled or cached model called NAME is a folder NAME with `NAME.onnx`, its checksum `NAME.sha256` (as
sha256sum writes it), and where they exist `NAME.points.json` (operating points), `card.md` and `TERMS.md`.
The cache is `$CARGOSIGHT_HOME/models`, by default `~/.cache/cargosight/models`. A file that does not
match its checksum, or whose operating points belong to another file, is never handed out.
"""

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cargosight_models.contract import file_fingerprint
from cargosight_models.errors import CatalogError, nearest_spelling
from cargosight_models.operating_points import Sidecar, sidecar_path

Origin = Literal["bundled", "cache", "path"]

BUNDLED = Path(__file__).parent / "bundled"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class ModelFile:
    """A model file and what lies beside it.

    Attributes:
        name: catalog name, or the stem of a file named by path.
        path: of the ONNX file.
        origin: where it was found.
        sha256: of the file's bytes as they are now; its fingerprint.
        sidecar: operating points, None where there are none.
        card: path of the model card, None where there is none.
        problem: why the file must not be used, None when all is well. `find_model` raises it, `list_models`
            shows it.
    """

    name: str
    path: Path
    origin: Origin
    sha256: str
    sidecar: Sidecar | None
    card: Path | None
    problem: str | None = None


def home_folder() -> Path:
    """Return the user's folder of what is kept between runs, `$CARGOSIGHT_HOME`; it need not exist."""
    home = os.environ.get("CARGOSIGHT_HOME")
    return Path(home) if home else Path.home() / ".cache" / "cargosight"


def cache_folder() -> Path:
    """Return the folder of installed models; it need not exist."""
    return home_folder() / "models"


def find_model(name_or_path: str | Path) -> ModelFile:
    """Return the model of that name, bundled before cached, or the one at a path that ends in `.onnx`.

    Raises:
        CatalogError: nothing of that name or path (the message lists what exists), or the file fails a check.
    """
    model = look_up_model(name_or_path)
    if model.problem is not None:
        raise CatalogError(model.problem)
    return model


def look_up_model(name_or_path: str | Path) -> ModelFile:
    """Return what `find_model` finds, also a file that fails a check: it carries a `problem` then.

    Raises:
        CatalogError: nothing of that name or path; the message lists what exists.
    """
    text = str(name_or_path)
    if text.lower().endswith(".onnx"):
        path = Path(text).expanduser()
        if not path.is_file():
            raise CatalogError(
                f"there is no model file {path}; give the path of an .onnx file or one of {_known()}"
            )
        return _examine(path.stem, path, "path")
    places = _places()
    if text not in places:
        hint = nearest_spelling(text, tuple(places))
        raise CatalogError(
            f"there is no model called {text!r}{hint}; known are {_known()}; a file is given by a "
            "path that ends in .onnx"
        )
    return _examine(text, *places[text])


def list_models() -> tuple[ModelFile, ...]:
    """Return every bundled and cached model by name; those that fail their checks carry a `problem`."""
    return tuple(_examine(name, path, origin) for name, (path, origin) in sorted(_places().items()))


def install_model(path: str | Path, name: str, *, replace: bool = False) -> ModelFile:
    """Copy a model file, its operating points, card and terms into the user's cache.

    Args:
        path: of the ONNX file; `<stem>.points.json`, `card.md` and `TERMS.md` beside it come along.
        name: to find it by afterwards.
        replace: whether a cached model of that name may be replaced.

    Raises:
        CatalogError: the file fails a check, the name is malformed or taken, or the cache cannot be written.
    """
    target = free_place(name, replace=replace)
    source = Path(path)
    if source.suffix.lower() != ".onnx":
        raise CatalogError(f"{source} is not named as a model file; expected a path that ends in .onnx")
    model = find_model(source)
    try:
        _copy_whole(model, name, target)
    except OSError as error:
        raise CatalogError(f"the model could not be installed into {target}: {error}") from error
    return find_model(name)


def free_place(name: str, *, replace: bool = False) -> Path:
    """Return the folder into which a model of that name would be installed.

    Raises:
        CatalogError: the name is malformed or taken.
    """
    if not _NAME.fullmatch(name) or name.lower().endswith(".onnx"):
        raise CatalogError(
            f"a model cannot be called {name!r}; use letters, digits, dots, dashes and underscores"
        )
    if (BUNDLED / name / f"{name}.onnx").is_file():
        raise CatalogError(f"the name {name!r} belongs to a bundled model; choose another")
    target = cache_folder() / name
    if target.exists() and not replace:
        raise CatalogError(
            f"a model called {name!r} is already installed in {target}; choose another name or use --replace"
        )
    return target


def _copy_whole(model: ModelFile, name: str, target: Path) -> None:
    """Build the model's folder beside `target` and move it into place: half a model is never found."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".install-", dir=target.parent) as folder:
        built = Path(folder) / name
        built.mkdir()
        shutil.copyfile(model.path, built / f"{name}.onnx")
        (built / f"{name}.sha256").write_text(f"{model.sha256}  {name}.onnx\n", encoding="ascii")
        if model.sidecar is not None:
            model.sidecar.write(built / f"{name}.points.json")
        for extra in ("card.md", "TERMS.md"):
            if (model.path.parent / extra).is_file():
                shutil.copyfile(model.path.parent / extra, built / extra)
        if target.exists():
            target.rename(Path(folder) / "replaced")
        built.rename(target)


def _places() -> dict[str, tuple[Path, Origin]]:
    """Return where each named model lies; a bundled one hides a cached one of its name."""
    places: dict[str, tuple[Path, Origin]] = {}
    roots: tuple[tuple[Path, Origin], ...] = ((cache_folder(), "cache"), (BUNDLED, "bundled"))
    for root, origin in roots:
        for folder in _folders(root):
            path = folder / f"{folder.name}.onnx"
            if not folder.name.startswith(".") and path.is_file():
                places[folder.name] = (path, origin)
    return places


def _folders(root: Path) -> list[Path]:
    """What lies in a folder of models: nothing where it does not exist or may not be read, as another user's cache."""
    try:
        return sorted(root.iterdir())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _known() -> str:
    return ", ".join(sorted(_places())) or "none (no model is bundled or installed)"


def _examine(name: str, path: Path, origin: Origin) -> ModelFile:
    """Read what lies beside a model file and note the first thing that is wrong with it."""
    try:
        sha256 = file_fingerprint(path)
    except OSError as error:
        return ModelFile(name, path, origin, "", None, None, f"the model file {path} cannot be read: {error}")
    problem = _checksum_problem(path, sha256, must_exist=origin != "path")
    sidecar = None
    points = sidecar_path(path)
    if points.is_file():
        try:
            sidecar = Sidecar.read(points)
        except CatalogError as error:
            problem = problem or str(error)
    if sidecar is not None and sidecar.fingerprint != sha256:
        problem = problem or (
            f"the operating points in {points} belong to the model file {sidecar.fingerprint[:12]}…, but "
            f"{path} is {sha256[:12]}…; delete them or choose operating points for this file"
        )
        sidecar = None
    card = path.parent / "card.md"
    return ModelFile(name, path, origin, sha256, sidecar, card if card.is_file() else None, problem)


def _checksum_problem(path: Path, sha256: str, *, must_exist: bool) -> str | None:
    checksum = path.with_suffix(".sha256")
    if not checksum.is_file():
        return (
            f"the model {path} has no checksum {checksum.name} beside it; install it again"
            if must_exist
            else None
        )
    try:
        wanted = checksum.read_text(encoding="ascii").split()[:1]
    except (OSError, ValueError) as error:
        return f"the checksum {checksum} cannot be read: {error}"
    if wanted != [sha256]:
        found = wanted[0][:12] if wanted else "nothing"
        return f"{path} has the SHA-256 {sha256[:12]}…, but {checksum.name} says {found}…; install it again"
    return None
