"""Writing what a request brings, and telling the consoles; what they are told of a scan."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from cargosight_inference.service.desk import Desk


@contextmanager
def recording(desk: Desk) -> Iterator[Connection]:
    """Give the connection that writes; consoles are told once it is recorded.

    Raises:
        DatabaseError: the database does not take it; nothing is recorded.
    """
    with desk.database.writing() as connection:
        yield connection
    desk.bus.notify()


def shown(desk: Desk, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summary of a scan as it is told: with its lane's subject, and who looks at it now."""
    subject = next((lane.subject for lane in desk.settings.lanes if lane.name == summary["lane"]), "unknown")
    return {**summary, "subject": subject, "viewers": desk.viewers.of(summary["id"])}


def all_shown(desk: Desk, summaries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return several summaries as they are told."""
    return [shown(desk, summary) for summary in summaries]
