"""Series of simulated scans as files, which go on where they were killed.

Scan number i depends on the seed, the settings and i alone, so that a series can end at any scan and go on later. Until
all are made, a journal beside the pictures keeps what the series is and what is known of each picture that is whole.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cargosight_models.errors import UsageError
from cargosight_training.datasets.writing import BoxedImage

JOURNAL = "unfinished.jsonl"
"""Its first line is what the series is, each other one a picture; it is deleted when the annotations are written."""


@dataclass(frozen=True)
class Series:
    """What is to be made.

    Attributes:
        out: folder; pictures go to `out/images/NNNNN.*`.
        annotations: name of the file in `out` that ends the series.
        what: plural of what is simulated.
        count: how many, 1 or more.
        seed: of all.
        suffix: of the pictures.
        settings: everything else that a scan depends on, for JSON.

    Raises:
        UsageError: a wrong number.
    """

    out: Path
    annotations: str
    what: str
    count: int
    seed: int
    suffix: str
    settings: Any

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"{self.count} {self.what} were asked for; expected 1 or more")
        if self.seed < 0:
            raise UsageError(f"the seed is {self.seed}; expected 0 or more")

    def picture(self, index: int) -> Path:
        """Return the path of a scan's picture."""
        return self.out / "images" / f"{index:05d}{self.suffix}"

    @property
    def plan(self) -> dict[str, Any]:
        """What must be the same for a series to go on; the count may differ."""
        plan = {"what": self.what, "seed": self.seed, "suffix": self.suffix, "settings": self.settings}
        found: dict[str, Any] = json.loads(json.dumps(plan))
        return found


def write_series(
    series: Series,
    make: Callable[[int], tuple[bytes, BoxedImage]],
    *,
    resume: bool = False,
    done: Callable[[], None] | None = None,
) -> Iterator[BoxedImage]:
    """Write the pictures of a series and yield what is known of each, in order.

    Args:
        series: what is to be made.
        make: returns the file and the annotations of scan number i.
        resume: go on with an interrupted series of the same plan, if there is one.
        done: called after each scan, also after those that were there already.

    Raises:
        UsageError: the folder holds a series or pictures that this one may not go on with.
    """
    known = _begin(series, resume=resume)
    with (series.out / JOURNAL).open("a", encoding="utf-8") as journal:
        for index in range(series.count):
            image = known.get(index)
            if image is None or not image.path.is_file():
                content, image = make(index)
                _write_whole(image.path, content)
                journal.write(json.dumps({"index": index, **_row(image)}) + "\n")
                journal.flush()
            yield image
            if done is not None:
                done()


def end_series(series: Series) -> None:
    """Delete the journal, once the annotations are written."""
    (series.out / JOURNAL).unlink()


def _begin(series: Series, *, resume: bool) -> dict[int, BoxedImage]:
    """Check the folder, begin the journal, and return what is known of scans that are there."""
    finished, journal, folder = series.out / series.annotations, series.out / JOURNAL, series.out / "images"
    if finished.exists():
        raise UsageError(f"{finished} exists already; name another folder, or delete that series first")
    known: dict[int, BoxedImage] = {}
    if journal.is_file():
        plan, known = _read(series, journal)
        if not resume:
            raise UsageError(
                f"{series.out} holds an interrupted series of {len(known)} {series.what}; go on with it with --resume, "
                "name another folder, or delete it first"
            )
        if plan != series.plan:
            raise UsageError(
                f"{series.out} holds an interrupted series of another kind: {_difference(plan, series.plan)}; resume "
                "it with the options that it began with, or name another folder"
            )
        for part in folder.glob(".*.part"):
            part.unlink()
    elif folder.is_dir() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} holds pictures already, of another data set or of a series without its {JOURNAL}, which cannot "
            "be resumed; name another folder, or delete them first"
        )
    folder.mkdir(parents=True, exist_ok=True)
    lines = [series.plan, *({"index": index, **_row(image)} for index, image in known.items())]
    _write_whole(journal, "".join(json.dumps(line) + "\n" for line in lines).encode("ascii"))
    return known


def _read(series: Series, journal: Path) -> tuple[Any, dict[int, BoxedImage]]:
    """Return the plan and the scans of a journal; its last line may be half a one."""
    whole = journal.read_text(encoding="utf-8").split("\n")[:-1]
    try:
        plan, *rows = (json.loads(line) for line in whole)
        known = {row["index"]: _image(series, row) for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{journal} is no journal of a series ({error}); delete the series and begin it again"
        ) from None
    return plan, known


def _row(image: BoxedImage) -> dict[str, Any]:
    return {key: value for key, value in asdict(image).items() if key != "path"}


def _image(series: Series, row: dict[str, Any]) -> BoxedImage:
    return BoxedImage(
        series.picture(row["index"]),
        row["width"],
        row["height"],
        boxes=tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in row["boxes"]),
        names=tuple(row["names"]),
        details=tuple(row["details"]),
        facts=row["facts"],
    )


def _difference(there: object, asked: dict[str, Any]) -> str:
    """Say the first thing in which two plans differ."""
    if not isinstance(there, dict):
        return "its plan cannot be read"
    for key, value in asked.items():
        other = there.get(key)
        if isinstance(value, dict) and isinstance(other, dict) and other != value:
            return _difference(other, value)
        if other != value:
            return f"its {key} is {json.dumps(other)}, {json.dumps(value)} was asked for"
    return "it has settings that are not known here"


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears under its name only when it is whole."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
