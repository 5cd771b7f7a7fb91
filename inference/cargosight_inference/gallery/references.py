"""The gallery: embeddings of reference scans by heading, and how a scan compares with them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cargosight_models.errors import UsageError
from cargosight_models.geometry import FloatArray

LEAST_REFERENCES = 8
"""Groups of references under which a heading gives no number: of 7 the least typicality there can be is 1 / 8."""
NEIGHBOURS = 2
"""How many of a heading's nearest groups a scan's distance is the mean of: one wrong reference does not make typical
all that is like it."""

Distances = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """One reference scan.

    Attributes:
        heading: that it was declared as, and is an example of.
        group: near-duplicates share one; they never answer for each other.
        sha256: of its file.
    """

    heading: str
    group: str
    sha256: str


@dataclass(frozen=True)
class Nearness:
    """How near a scan is to one heading.

    Attributes:
        heading: its name.
        distance: to its nearest references, between unit vectors: 0 for the same, 1.41 for nothing in common.
        typicality: share of the heading's own references that are as far from the others or farther, in (0, 1].
        references: how many it has.
    """

    heading: str
    distance: float
    typicality: float
    references: int


@dataclass(frozen=True, eq=False)
class Gallery:
    """Reference scans of one model.

    Attributes:
        model: name of the model.
        fingerprint: SHA-256 of the model file; embeddings of another one cannot be compared with.
        references: N of them.
        embeddings: float32 (N, D) of length 1 each.
    """

    model: str
    fingerprint: str
    references: tuple[Reference, ...]
    embeddings: FloatArray

    def __post_init__(self) -> None:
        found = self.embeddings
        if found.dtype != np.float32 or found.ndim != 2 or len(found) != len(self.references):
            raise UsageError(
                f"a gallery has embeddings {found.dtype} {found.shape} of {len(self.references)} references; expected "
                "float32 (N, D)"
            )
        if len(found) and not np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-3):  # also for NaN
            raise UsageError("a gallery has embeddings of another length than 1; build it again")
        hashes = [reference.sha256 for reference in self.references]
        if len(set(hashes)) < len(hashes):
            raise UsageError("a gallery has the same scan twice; build it again")

    def counts(self) -> Mapping[str, tuple[int, int]]:
        """Return the number of references and of their groups by heading, headings in order."""
        names = sorted({reference.heading for reference in self.references})
        return {name: (len(self._rows(name)), self._groups(name)) for name in names}

    def comparable(self) -> tuple[str, ...]:
        """Return the headings with enough references, in order."""
        return tuple(name for name, (_, groups) in self.counts().items() if groups >= LEAST_REFERENCES)

    def nearness(self, embedding: FloatArray) -> tuple[Nearness, ...]:
        """Compare a scan with every heading that has enough references; the nearest first.

        Args:
            embedding: float32 (D,) of length 1, of the same model.

        Raises:
            UsageError: it has another D.
        """
        if embedding.shape != self.embeddings.shape[1:]:
            raise UsageError(
                f"the scan's embedding is {embedding.shape}, the gallery's are {self.embeddings.shape[1:]}; build the "
                "gallery again with this model"
            )
        found = []
        for heading, own in self._own_distances.items():
            rows = self._rows(heading)
            apart = np.linalg.norm(self.embeddings[rows] - embedding, axis=1)
            distance = _nearest(apart, np.array([self.references[row].group for row in rows]))
            typicality = (1 + int((own >= distance).sum())) / (1 + len(own))
            found.append(Nearness(heading, distance, typicality, len(rows)))
        return tuple(sorted(found, key=lambda near: near.distance))

    def with_references(self, references: Iterable[Reference], embeddings: FloatArray) -> "Gallery":
        """Return a gallery with these references, too; one of the same scan is replaced.

        Args:
            references: of the same model.
            embeddings: float32 (M, D) of them.
        """
        added = tuple(references)
        new = {reference.sha256 for reference in added}
        keep = [row for row, reference in enumerate(self.references) if reference.sha256 not in new]
        kept = tuple(self.references[row] for row in keep)
        joined = np.concatenate([self.embeddings[keep], embeddings]) if keep else embeddings
        return Gallery(self.model, self.fingerprint, kept + added, joined)

    def without(self, headings: Iterable[str], sha256: Iterable[str]) -> "Gallery":
        """Return a gallery without the references of some headings and those of some scans.

        Raises:
            UsageError: there is no such heading or scan; the message names it.
        """
        names, hashes = set(headings), set(sha256)
        for missing in sorted(names - set(self.counts())):
            raise UsageError(f"the gallery has no heading {missing}; it has {', '.join(self.counts())}")
        for missing in sorted(hashes - {reference.sha256 for reference in self.references}):
            raise UsageError(f"the gallery has no scan with the SHA-256 {missing}")
        keep = [
            row
            for row, reference in enumerate(self.references)
            if reference.heading not in names and reference.sha256 not in hashes
        ]
        return Gallery(
            self.model, self.fingerprint, tuple(self.references[row] for row in keep), self.embeddings[keep]
        )

    def _rows(self, heading: str) -> list[int]:
        return [row for row, reference in enumerate(self.references) if reference.heading == heading]

    def _groups(self, heading: str) -> int:
        return len({self.references[row].group for row in self._rows(heading)})

    @cached_property
    def _own_distances(self) -> Mapping[str, Distances]:
        """Distance of each reference to its heading without its own group, by heading with enough of them."""
        found = {}
        for heading in self.comparable():
            rows = self._rows(heading)
            places = self.embeddings[rows]
            groups = np.array([self.references[row].group for row in rows])
            own = []
            for place, group in zip(places, groups, strict=True):
                others = groups != group
                own.append(_nearest(np.linalg.norm(places[others] - place, axis=1), groups[others]))
            found[heading] = np.array(own)
        return found


def _nearest(apart: Distances, groups: npt.NDArray[np.str_]) -> float:
    """Mean distance to the nearest groups of references, each at its nearest scan."""
    best = [apart[groups == group].min() for group in np.unique(groups)]
    return float(np.sort(best)[:NEIGHBOURS].mean())
