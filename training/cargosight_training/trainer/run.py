"""A whole run: data sets, cache, trainer, evaluations, in one process or in several."""

from contextlib import ExitStack
from dataclasses import replace

from cargosight_inference.progress import Progress
from cargosight_models.contract import DataTerms
from cargosight_models.errors import ConfigurationError, DataSetError, nearest_spelling
from cargosight_models.labels import ClassSet
from cargosight_models.locking import exclusive
from cargosight_training.augmentation.crops import CropRecipe
from cargosight_training.augmentation.recipe import Recipe
from cargosight_training.augmentation.threats import SignatureBank, ThreatInsertion
from cargosight_training.config import DataFile, InsertConfig, TrainConfig
from cargosight_training.config_changes import differences
from cargosight_training.config_files import config_from_json
from cargosight_training.datasets.cache import PictureCache
from cargosight_training.datasets.coco import read_coco
from cargosight_training.datasets.records import DataSet, check_apart, check_groups, merge, without
from cargosight_training.export.contract import training_terms, unused_terms, with_inherited
from cargosight_training.simulation.cargo.threats import LOOKALIKES, THREATS
from cargosight_training.trainer.checkpoint import training_data_of
from cargosight_training.trainer.journal import note
from cargosight_training.trainer.loader import TrainingSamples
from cargosight_training.trainer.loop import Trainer
from cargosight_training.trainer.machine import Machine, set_up, tear_down
from cargosight_training.trainer.run_folder import RunFolder
from cargosight_training.trainer.stopping import StopRequest
from cargosight_training.trainer.validation import Validation


def train(config: TrainConfig, *, resume: bool = False, fresh: bool = False) -> bool:
    """Train from a configuration to the files of `RunFolder`. Returns whether the run came to its end.

    Ctrl-C and SIGTERM end it early, with a checkpoint. Where torchrun started several processes they share every
    batch, and the first alone writes.

    Args:
        config: the run.
        resume: go on with the run in its folder.
        fresh: delete the run in its folder and begin anew.

    Raises:
        UsageError: the folder holds a run, or none, against what was asked for; or another process trains there.
        ConfigurationError: a setting does not fit the data, the machine or the run that is resumed.
        DataSetError: the data is wrong.
    """
    machine = set_up(config.machine)
    folder = RunFolder(config.out)
    try:
        with ExitStack() as held:
            if machine.rank == 0:
                folder.check(config, resume=resume, fresh=fresh)
                held.enter_context(exclusive(folder.lock, held=folder.held))
                folder.check(config, resume=resume, fresh=fresh)  # the holder before may have begun a run
            data = read_training_data(config)
            terms = _terms(config, data, speaks=machine.rank == 0)
            trainer = Trainer(config, data.classes.names, machine, training_data=terms)
            if trainer.untouched and machine.rank == 0:
                note(f"{len(trainer.untouched)} weights are not in {config.model.weights} and start anew")
            validation = None
            stop = StopRequest(insist=machine.world == 1)
            if machine.rank == 0:
                seen = read_validation_data(config, data.classes)
                if seen is not None:
                    check_apart(data, seen)
                validation = Validation(config, data.classes.names, seen, terms, stop=stop)
                if fresh:
                    folder.clear()
            machine.wait_for_all()
            if resume and folder.checkpoint.exists():
                _take_up(trainer, config, validation)
            samples = _shared_samples(config, data, machine)
            if machine.rank == 0:  # only now: a run that could not read its data has not begun
                folder.write_config(config)
            with stop:
                trainer.run(samples, evaluate=validation, stop=stop)
            return trainer.step == config.total_steps and not stop()
    finally:
        tear_down()


def read_training_data(config: TrainConfig) -> DataSet:
    """All training files as one data set over one class list, without the groups that are left out.

    Raises:
        DataSetError: a file is wrong, or nothing in them can be learnt.
    """
    if not config.data.train:
        raise ConfigurationError("data.train names no file: give at least one COCO file")
    wanted = ClassSet(config.data.classes) if config.data.classes else None
    data = merge(_read(config.data.train, wanted))
    # Before any group is left out: a weighted group may be the one that is.
    check_groups(data, config.data.weights)
    data = without(data, config.data.without) if config.data.without else data
    if config.augment.insert is None and not any(len(image.annotations) for image in data.images):
        raise DataSetError(
            f"none of the {len(data)} images of {data.name!r} has a box, so that there is nothing to learn"
        )
    return data


def read_validation_data(config: TrainConfig, classes: ClassSet) -> DataSet | None:
    """The validation files as one data set over the same classes; None without any.

    Raises:
        DataSetError: a file is wrong.
    """
    if not config.data.val:
        return None
    return merge(_read(config.data.val, classes))


def make_samples(config: TrainConfig, data: DataSet) -> TrainingSamples:
    """The run's samples, with their cache built where augmentation needs one.

    Raises:
        DataSetError: a scan cannot be read, or none would ever be drawn.
    """
    if not config.augment.enabled:
        return TrainingSamples(config, data.images, None)
    bar = Progress(len(data.images))

    def show(done: int, total: int) -> None:
        bar.advance()
        if done == total or (done % 1000 == 0 and not bar.shows):
            bar.erase()
            note(f"read {done} of {total} pictures for the cache in {config.data.cache}")

    cache = PictureCache(
        data.images,
        config.data.cache,
        pixels=config.data.cache_pixels if config.model.colour == "rgb" else None,
        subject=config.subject,
        progress=show,
    )
    if config.model.colour == "rgb":
        return TrainingSamples(config, data.images, Recipe(data.images, cache, config.augment))
    insertion = _insertion(config.augment.insert, data.classes.names, config.seed)
    recipe = CropRecipe(data.images, cache, config.augment, insertion)
    return TrainingSamples(config, data.images, recipe)


def _insertion(settings: InsertConfig | None, classes: tuple[str, ...], seed: int) -> ThreatInsertion | None:
    """What is projected into radiographs: the families among the classes, and look-alikes.

    Raises:
        ConfigurationError: a class is none of the families that can be built.
    """
    if settings is None:
        return None
    for name in classes:
        if name not in THREATS:
            raise ConfigurationError(
                f"augment.insert cannot build the class {name!r}{nearest_spelling(name, list(THREATS))}; it can build "
                f"{', '.join(THREATS)}"
            )
    threats = SignatureBank(
        {name: THREATS[name] for name in classes},
        pitch_mm=settings.pitch_mm,
        each=settings.variants,
        seed=seed,
    )
    lookalikes = SignatureBank(LOOKALIKES, pitch_mm=settings.pitch_mm, each=settings.variants, seed=seed + 1)
    return ThreatInsertion(threats, lookalikes, settings)


def _shared_samples(config: TrainConfig, data: DataSet, machine: Machine) -> TrainingSamples:
    """The same samples in every process; the first builds the cache while the others wait."""
    samples = make_samples(config, data) if machine.rank == 0 else None
    machine.wait_for_all()
    return samples or make_samples(config, data)


def _terms(config: TrainConfig, data: DataSet, *, speaks: bool) -> tuple[DataTerms, ...]:
    """What the run learns from, that of the weights it starts from included."""
    unused = unused_terms(config, data)
    if unused is not None and speaks:
        note(unused)
    terms = training_terms(config, data)
    if config.model.weights is None:
        return terms
    return with_inherited(terms, training_data_of(config.model.weights), config.model.weights)


def _take_up(trainer: Trainer, config: TrainConfig, validation: Validation | None) -> None:
    """Resume from the checkpoint, and say which settings differ from those it was made with."""
    before = trainer.resume()
    if trainer.step > config.total_steps:
        raise ConfigurationError(
            f"the run in {config.out} has done {trainer.step} steps, and the phases now end at {config.total_steps}: "
            "give them more steps, or begin anew with --fresh"
        )
    if validation is None:  # another process speaks
        return
    validation.drop_after(trainer.step)
    old = config_from_json(before, trainer.checkpoint_path)
    for key, (was, now) in differences(old, config).items():
        note(f"{key} was {was!r} and is {now!r} from here on")
    note(f"resumed after step {trainer.step} of {config.total_steps}")


def _read(files: tuple[DataFile, ...], classes: ClassSet | None) -> list[DataSet]:
    """The files over the given classes, without them over those of the first file; simulated ones marked so."""
    wanted = classes
    parts: list[DataSet] = []
    for file in files:
        part = read_coco(file.file, images_dir=file.images, classes=wanted)
        wanted = wanted or part.classes
        if file.simulated:
            images = tuple(replace(image, origin="simulated") for image in part.images)
            part = replace(part, images=images)
        parts.append(part)
    return parts
