"""What the sources of a run list now that its plan does not tell of, and the other way round."""

from collections.abc import Iterator
from dataclasses import dataclass

from cargosight_inference.batch.listing import in_order
from cargosight_inference.batch.manifest import Manifest
from cargosight_inference.batch.places import Place
from cargosight_inference.batch.plan import read_plan
from cargosight_inference.batch.sources import Item, Sources, changed, shown

_EXAMPLES = 3


@dataclass(frozen=True)
class SourceChanges:
    """How the sources differ from the plan.

    Attributes:
        added: inputs that the sources list and the plan does not.
        removed: inputs of the plan that the sources do not list.
        changed: inputs of both whose size or version differs; URLs in lists and tables have neither.
        examples: some paths of each, behind a word that says of which.
    """

    added: int
    removed: int
    changed: int
    examples: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        """Return it as a sentence."""
        if not self:
            return "the sources list the same inputs as the plan"
        return (
            f"the sources differ from the plan: {self.added:,} inputs added, {self.removed:,} removed, "
            f"{self.changed:,} changed ({', '.join(self.examples)})"
        )


def compare_sources(sources: Sources, manifest: Manifest, place: Place) -> SourceChanges:
    """List the sources anew and compare; both are sorted on disk, so that neither is held.

    Raises:
        UsageError: a list or table is wrong.
        BatchError: the plan or a storage cannot be read.
    """
    planned = in_order((planned.item for planned in read_plan(manifest, place)), key=_key)
    counts = {"added": 0, "removed": 0, "changed": 0}
    examples: list[str] = []
    for kind, item in _join(planned, in_order(sources, key=_key)):
        if counts[kind] < _EXAMPLES:
            examples.append(f"{kind}: {shown(item.path)}")
        counts[kind] += 1
    return SourceChanges(**counts, examples=tuple(examples))


def _key(item: Item) -> tuple[str, int, str]:
    return item.path, -1 if item.size is None else item.size, item.version or ""


def _join(planned: Iterator[Item], listed: Iterator[Item]) -> Iterator[tuple[str, Item]]:
    before, now = next(planned, None), next(listed, None)
    while before is not None or now is not None:
        if now is None or (before is not None and before.path < now.path):
            assert before is not None
            yield "removed", before
            before = next(planned, None)
        elif before is None or now.path < before.path:
            yield "added", now
            now = next(listed, None)
        else:
            if changed(before, now.size, now.version):
                yield "changed", now
            before, now = next(planned, None), next(listed, None)
