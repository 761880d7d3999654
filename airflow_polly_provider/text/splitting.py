"""Splits a plain text into pieces for synthesis tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.text import boundaries
from airflow_polly_provider.text.cuts import find_cuts
from airflow_polly_provider.text.limits import MAX_BILLED_CHARACTERS
from airflow_polly_provider.text.pieces import SHORT_PART, pieces_of

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Collection

    from airflow_polly_provider.text.pieces import KnownPiece, Piece

MIN_PIECE_CHARACTERS = 100
"""Lowest limit for a piece, in billed characters. Below it, many texts have a word that is too long."""

DEFAULT_PIECE_CHARACTERS = 10_000
"""Default limit for a piece, in billed characters."""


def split_text(
    text: str,
    *,
    max_characters: int = DEFAULT_PIECE_CHARACTERS,
    previous: Collection[KnownPiece] = (),
    digest: Callable[[str], str] | None = None,
) -> list[Piece]:
    """Split a plain text into pieces, which together are the text.

    :param text: the text
    :param max_characters: maximum number of billed characters in a piece, from 100 to 100,000
    :param previous: pieces of an earlier version of the text, in any order. Those that are still in the text
        remain pieces
    :param digest: returns the digest of a piece's text; required with ``previous``
    :raises PollyInvalidRequestError: the text has nothing to speak, or a word is longer than a piece
    :raises ValueError: ``max_characters`` is out of range
    """
    validate_max_characters(max_characters)
    if boundaries.first_spoken(text) is None:
        raise PollyInvalidRequestError(
            "The text has nothing to speak. Pass text that is not only white space."
        )
    return pieces_of(_PlainLayout(text, max_characters), previous, digest)


def validate_max_characters(max_characters: int) -> None:
    """Raise an error if a limit for pieces is out of range.

    :param max_characters: maximum number of billed characters in a piece
    :raises ValueError: it is not a whole number from 100 to 100,000
    """
    if (
        not isinstance(max_characters, int)
        or isinstance(max_characters, bool)
        or not MIN_PIECE_CHARACTERS <= max_characters <= MAX_BILLED_CHARACTERS
    ):
        raise ValueError(
            f"max_characters must be a whole number from {MIN_PIECE_CHARACTERS} to "
            f"{MAX_BILLED_CHARACTERS:,}, not {max_characters!r:.50}."
        )


class _PlainLayout:
    """A plain text and its possible cuts.

    :param text: the text
    :param limit: maximum number of characters in a piece
    """

    def __init__(self, text: str, limit: int) -> None:
        self._text = text
        self._limit = limit
        self.positions, self.keys = find_cuts(text, lambda start, end: end - start > limit)
        self._share_white_space()

    def excess(self, first: int, last: int) -> tuple[array[int], int] | None:
        if self.positions[last] - self.positions[first] <= self._limit:
            return None
        return self.positions, self._limit

    def is_short(self, first: int, last: int) -> bool:
        return self.positions[last] - self.positions[first] < self._limit // SHORT_PART

    def render(self, first: int, last: int) -> str:
        return self._text[self.positions[first] : self.positions[last]]

    def too_long(self, first: int) -> PollyInvalidRequestError:
        start, end = self.positions[first : first + 2]
        return PollyInvalidRequestError(
            f"The text cannot be divided from position {start:,} to {end:,} (the first character is 0). "
            f"These are {end - start:,} characters, but max_piece_characters is {self._limit:,}. Add white "
            "space inside a long word, shorten long white space, or raise max_piece_characters."
        )

    def _share_white_space(self) -> None:
        """Let white space that does not fit into the piece before a cut begin the piece after it."""
        for index in range(1, len(self.positions) - 1):
            start, cut = self.positions[index - 1], self.positions[index]
            if cut - start <= self._limit:
                continue
            moved = start + self._limit
            while moved > start and boundaries.is_inside_grapheme(self._text, moved):
                moved -= 1
            if boundaries.last_spoken(self._text, cut) < moved:
                self.positions[index] = moved
