"""Finding the inputs of a shard that end their worker, by scoring ranges of the shard in other processes."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path


@dataclass(frozen=True, order=True)
class Piece:
    """A range of a shard.

    Attributes:
        first: position in the shard of the first input, from 0.
        last: behind the last.
    """

    first: int
    last: int

    def __len__(self) -> int:
        """Return how many inputs it has."""
        return self.last - self.first


class Bisection:
    """The pieces of a shard that ended its worker.

    A piece that fails is divided where its worker stood, or in halves where that is not known; an input that fails
    alone is tried again, and then blamed. Every input is in one piece at any time.

    Attributes:
        blamed: sentence by position of each input that ended its worker alone.
    """

    def __init__(self, count: int, retries: int) -> None:
        """Begin with the whole shard.

        Args:
            count: inputs of it.
            retries: how often an input that failed alone is tried again.
        """
        self.blamed: dict[int, str] = {}
        self._retries = retries
        self._failures: dict[int, int] = {}
        self._finished: dict[Piece, Path] = {}
        self._count = count

    def failed(self, piece: Piece, done: int | None, sentence: str, *, final: bool = False) -> list[Piece]:
        """Note that a piece ended its worker; return the pieces to be scored instead.

        Args:
            piece: that failed.
            done: inputs of it that were finished before, None where that is not known.
            sentence: how it ended.
            final: whether another try of an input alone is not worth its time, as when it stalls.
        """
        if len(piece) == 1:
            tried = self._failures[piece.first] = self._failures.get(piece.first, 0) + 1
            if final or tried > self._retries:
                self.blamed[piece.first] = sentence
                return []
            return [piece]
        if done is None or done >= len(piece):
            middle = piece.first + len(piece) // 2
            return [Piece(piece.first, middle), Piece(middle, piece.last)]
        suspect = piece.first + done
        cuts = [piece.first, suspect, suspect + 1, piece.last]
        return [Piece(first, last) for first, last in pairwise(cuts) if first < last]

    def finished(self, piece: Piece, file: Path) -> None:
        """Note the file of rows of a piece that went well."""
        self._finished[piece] = file

    @property
    def complete(self) -> bool:
        """Whether every input is finished or blamed."""
        return len(self.blamed) + sum(map(len, self._finished)) == self._count

    def outcome(self) -> Iterator[Path | int]:
        """Yield the shard in order: the file of a piece, or the position of an input that is blamed."""
        found: list[tuple[int, Path | int]] = [(piece.first, file) for piece, file in self._finished.items()]
        found += [(position, position) for position in self.blamed]
        yield from (what for _, what in sorted(found, key=lambda one: one[0]))
