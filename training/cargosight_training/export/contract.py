"""What an exported file says of itself: the contract, made from a run's configuration and data."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from cargosight_models.contract import Contract, DataTerms, InputContract, Precision, Suppression
from cargosight_models.errors import nearest_spelling
from cargosight_models.networks.head import STRIDES
from cargosight_training.config import TrainConfig
from cargosight_training.datasets.records import DataSet

NO_TERMS = "none stated"


def make_contract(
    config: TrainConfig,
    classes: tuple[str, ...],
    training_data: tuple[DataTerms, ...],
    precision: Precision = "fp32",
) -> Contract:
    """Return the contract of a detector.

    Args:
        config: name, subject, kinds, and the export settings.
        classes: names by class id.
        training_data: from `training_terms`.
        precision: of the arithmetic in the graph.

    Raises:
        ContractError: the settings contradict each other.
    """
    export = config.export
    return Contract(
        name=config.name,
        subject=config.subject,
        kinds=tuple(config.kinds),
        classes=classes,
        outputs=_outputs(config),
        input=InputContract(
            shapes=export.shapes,
            stride=STRIDES[-1],
            colour=config.model.colour,
            resize=export.resize,
            overlap=export.overlap,
        ),
        suppression=Suppression(
            where="host",  # measured faster than suppression in the graph, see `suppression`
            iou=export.suppression_iou,
            score_floor=export.score_floor,
            max_per_class=export.max_per_class,
            candidates=export.candidates,
        ),
        precision=precision,
        training_data=training_data,
        code_version=code_version(),
    )


def _outputs(config: TrainConfig) -> tuple[str, ...]:
    further = {"anomaly_map": config.model.anomaly, "embedding": config.model.embedding}
    return ("boxes", "scores", *(name for name, given in further.items() if given))


def training_terms(config: TrainConfig, data: DataSet) -> tuple[DataTerms, ...]:
    """Return each source of the training data with its count of images and its terms.

    Args:
        config: `data.terms` holds the terms by source; a source without them has none stated. For those of other
            sources see `unused_terms`.
        data: what the run trains on, left-out groups gone.
    """
    simulated = {image.source for image in data.images if image.origin == "simulated"}
    counts = Counter(image.source for image in data.images)
    return tuple(
        DataTerms(source, count, config.data.terms.get(source, NO_TERMS), source in simulated)
        for source, count in sorted(counts.items())
    )


def unused_terms(config: TrainConfig, data: DataSet) -> str | None:
    """Return a sentence where `data.terms` names sources that the data does not have, None where it does not.

    That is no mistake where a shipped configuration is used with other data, and one where a name is misspelt.
    """
    left_out = {group.partition("/")[0] for group in config.data.without}
    unused = [name for name in config.data.terms if name not in data.sources and name not in left_out]
    if not unused:
        return None
    named = ", ".join(f"{name!r}{nearest_spelling(name, data.sources)}" for name in unused)
    return (
        f"data.terms names {named}, but the training data has {', '.join(data.sources)}: terms of other sources are "
        "left out of the model file"
    )


def with_inherited(
    own: tuple[DataTerms, ...], inherited: tuple[DataTerms, ...], weights: Path
) -> tuple[DataTerms, ...]:
    """Return the data of a run together with the data of the weights it started from, whose terms go on to hold.

    Args:
        own: of the run.
        inherited: of the weights, empty where their file does not say.
        weights: that file, which is then named as data of unknown terms.
    """
    named = {one.source for one in own}
    return own + tuple(one for one in inherited or (_unknown(weights),) if one.source not in named)


def joined_terms(parts: Mapping[Path, tuple[DataTerms, ...]]) -> tuple[DataTerms, ...]:
    """Return the data of several weights files: each source once for each of its terms, with its highest count.

    Args:
        parts: by weights file; empty where it does not say, which is then named as data of unknown terms.

    Returns:
        In order of first appearance; empty where no file says.
    """
    if not any(parts.values()):
        return ()
    joined: dict[tuple[str, str, bool], DataTerms] = {}
    for weights, terms in parts.items():
        for one in terms or (_unknown(weights),):
            key = (one.source, one.terms, one.declared_simulated)
            joined[key] = max(joined.get(key, one), one, key=lambda each: each.images)
    return tuple(joined.values())


def _unknown(weights: Path) -> DataTerms:
    return DataTerms(f"what {weights.name} was trained on", 0, NO_TERMS)


def code_version() -> str:
    """Return the package's version and, where it runs from a git checkout, the commit: `0.1.0+g1a2b3c4d5e6f`.

    `.changed` follows when tracked files differ from that commit.
    """
    version = metadata.version("cargosight")
    commit = _commit(Path(__file__))
    return version if commit is None else f"{version}+g{commit}"


def _commit(file: Path) -> str | None:
    """The commit of the repository that tracks this file; another project's, around an installation, does not."""
    git = shutil.which("git")
    if git is None or _git(git, file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return None
    commit = _git(git, file.parent, "rev-parse", "--short=12", "HEAD")
    changes = _git(git, file.parent, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}.changed" if commit and changes else commit


def _git(git: str, folder: Path, *arguments: str) -> str | None:
    """What git writes, None where it fails."""
    done = subprocess.run([git, "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
