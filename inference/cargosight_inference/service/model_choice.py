"""Which model files may be chosen while the service runs: those of the catalog, and those of one folder.

Whoever chooses is an engineer of the lanes and not of the server: other files are neither loaded, nor is it told which
of them exist.
"""

from dataclasses import replace
from pathlib import Path

from cargosight_models.catalog import ModelFile, list_models, look_up_model
from cargosight_models.errors import CatalogError, EngineError

_SUFFIX = ".onnx"


def permitted_model(wanted: str, folder: Path, present: tuple[str | None, ...]) -> str:
    """Return a model as it is loaded: its catalog name, or where its file lies.

    Args:
        wanted: catalog name, or path of an `.onnx` file from the folder of models on.
        folder: of models.
        present: what the settings name for the lane, and what inspects it now; both may be chosen wherever they lie.

    Raises:
        EngineError: it is a file that is not there or lies elsewhere, with links followed; one sentence for all.
    """
    if not wanted.lower().endswith(_SUFFIX) or wanted in present:
        return wanted
    found = _inside(folder, wanted)
    if found is None:
        raise EngineError(
            f"the folder of models has no file {wanted}; choose a name that `cargosight models` lists, or an .onnx "
            "file in that folder (models_folder in the settings)"
        )
    return str(found)


def models_to_choose(folder: Path) -> list[ModelFile]:
    """Return the models of the catalog and those of a folder, which are named by their place in it."""
    found = list(list_models())
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        name = str(path.relative_to(folder))
        inside = _inside(folder, name) if name.lower().endswith(_SUFFIX) else None
        if inside is None:
            continue
        try:
            found.append(replace(look_up_model(inside), name=name))
        except CatalogError:  # it was removed in this moment
            continue
    return found


def _inside(folder: Path, wanted: str) -> Path | None:
    """Return where a file of a folder lies; None where it is none, or leads out of it."""
    if ".." in Path(wanted).parts or "\0" in wanted:
        return None
    try:
        root = folder.resolve()
        path = (root / wanted).resolve()
        return (
            path if path.is_relative_to(root) and path.suffix.lower() == _SUFFIX and path.is_file() else None
        )
    except (
        OSError,
        RuntimeError,
    ):  # a name that is too long, a link to itself, a folder that may not be read
        return None
