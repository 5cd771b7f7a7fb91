"""What runs in a task of Ray's: the local engine with one worker, which tells what happens."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from cargosight_inference.batch import engine, local
from cargosight_inference.batch.engine import Job
from cargosight_models.errors import CargosightError


@dataclass(frozen=True)
class Here:
    """The first word of a task.

    Attributes:
        node: name of the machine that it runs on.
    """

    node: str


@dataclass(frozen=True)
class Refused:
    """The last word of a task that cannot go on.

    Attributes:
        sentence: why.
    """

    sentence: str


def score_in_task(
    settings: Mapping[str, Any], job: Mapping[str, Any], shards: Sequence[int]
) -> Iterator[Here | Refused | engine.Event]:
    """Score shards by a worker on this node; yield what happens.

    Args:
        settings: of the `LocalEngine`.
        job: as `Job.to_dict` gave it.
        shards: numbers.
    """
    yield Here(os.uname().nodename)
    try:
        here = local.LocalEngine(1, **settings)
        with closing(here.score(Job.from_dict(job), iter(shards), lambda: False)) as events:
            # Not `yield from`: Ray sends values into a task, which are not for the engine.
            for event in events:  # noqa: UP028
                yield event
    except CargosightError as error:
        yield Refused(str(error))
