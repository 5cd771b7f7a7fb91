"""Declared against observed: does a scan look like what its manifest says?

Two things are compared with the heading on the manifest: whether the box looks loaded, and, with a site's gallery, how
typical the scan looks beside the heading's reference scans. Neither proves anything: manifests are wrong, goods are
packed in new ways, light loads look empty to the beam. Findings say what was declared and what it looks like.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cargosight_inference.findings import UNLIKE_DECLARED
from cargosight_inference.gallery.references import LEAST_REFERENCES, Gallery, Nearness
from cargosight_inference.gallery.tables import EMPTY
from cargosight_inference.scans.load_state import LoadState
from cargosight_models.errors import nearest_spelling
from cargosight_models.geometry import FloatArray

UNLIKE_AT = 0.1
"""Typicality at or below which a scan is unlike its heading: of what is like it, one in ten is so, too. A heading
reaches it from 9 references on; 0.05 would take 19, and few headings have them."""
EMPTY_LOOKS_LOADED, LOADED_LOOKS_EMPTY = "declared_empty_looks_loaded", "declared_loaded_looks_empty"
_SHOWN = 3
"""Of the nearest headings."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What was declared, and how the scan compares with it.

    Attributes:
        heading: on the manifest, or `empty`.
        references: how many scans of it the gallery has.
        typicality: in (0, 1], share of the heading's references that are as far from the others or farther than this
            scan, itself counted; None where there are too few.
        rank: of the heading among the gallery's by nearness, 1 for the nearest; None where there are too few.
        headings: how many of the gallery's have enough references and were ranked.
        nearest: the nearest headings, nearest first, three at most.
        note: why there is no typicality, None where there is one.
    """

    heading: str
    references: int = 0
    typicality: float | None = None
    rank: int | None = None
    headings: int = 0
    nearest: tuple[Nearness, ...] = ()
    note: str | None = None

    def in_words(self) -> str:
        """Return it in a few words, for a line."""
        if self.typicality is None:
            return f"declared {self.heading}: {self.note}"
        return (
            f"declared {self.heading}: typicality {self.typicality:.2f}, rank {self.rank} of {self.headings}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return {
            "heading": self.heading,
            "references": self.references,
            "typicality": None if self.typicality is None else round(self.typicality, 4),
            "rank": self.rank,
            "headings": self.headings,
            "nearest": [
                {
                    "heading": near.heading,
                    "distance": round(near.distance, 4),
                    "typicality": round(near.typicality, 4),
                    "references": near.references,
                }
                for near in self.nearest
            ],
            "note": self.note,
        }


def compare(heading: str, gallery: Gallery | None, embedding: FloatArray | None) -> Declared:
    """Compare a scan with the reference scans of a heading.

    Args:
        heading: that was declared, as `checked_heading` gives it.
        gallery: of the model, None where there is none.
        embedding: of the scan by that model, None where it gives none.

    Raises:
        UsageError: the embedding is none of the gallery's model.
    """
    if gallery is None or embedding is None:
        return Declared(heading=heading, note="no gallery was given: compared with the load state alone")
    near = gallery.nearness(embedding)
    references, groups = gallery.counts().get(heading, (0, 0))
    names = [found.heading for found in near]
    shown = near[:_SHOWN]
    if heading in names:
        rank = names.index(heading)
        return Declared(
            heading=heading,
            references=references,
            typicality=near[rank].typicality,
            rank=rank + 1,
            headings=len(names),
            nearest=shown,
        )
    if references:
        note = (
            f"too few references: {heading} has {references} in {groups} groups, and a typicality needs "
            f"{LEAST_REFERENCES} groups"
        )
    else:
        hint = nearest_spelling(heading, list(gallery.counts()))
        note = f"the gallery has no references of {heading}{hint}"
    return Declared(heading=heading, references=references, headings=len(names), nearest=shown, note=note)


def contradictions(declared: Declared, load: LoadState) -> Iterator[tuple[str, float]]:
    """Yield the label and score in [0, 1] of each finding that a declaration and a scan give together.

    A box that looks empty though a load was declared, or loaded though none was, scores the chance of that. A scan as
    atypical of its heading as `UNLIKE_AT` scores 1 minus its typicality, unless the load state has said it already.

    Args:
        declared: from `compare`.
        load: of the same scan.
    """
    chance = load.chance
    if chance is not None and declared.heading == EMPTY and load.state == "loaded":
        yield EMPTY_LOOKS_LOADED, chance
    elif chance is not None and declared.heading != EMPTY and load.state == "empty":
        yield LOADED_LOOKS_EMPTY, 1.0 - chance
    elif declared.typicality is not None and declared.typicality <= UNLIKE_AT:
        yield UNLIKE_DECLARED, 1.0 - declared.typicality
