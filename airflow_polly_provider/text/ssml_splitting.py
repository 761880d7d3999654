"""Splits SSML into pieces for synthesis tasks. Each piece is a complete SSML document."""

from __future__ import annotations

import re
import zlib
from array import array
from typing import TYPE_CHECKING

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.text import boundaries
from airflow_polly_provider.text.cuts import find_cuts
from airflow_polly_provider.text.limits import MAX_TOTAL_CHARACTERS, billed_characters
from airflow_polly_provider.text.pieces import SHORT_PART, Piece, pieces_of
from airflow_polly_provider.text.splitting import DEFAULT_PIECE_CHARACTERS, validate_max_characters
from airflow_polly_provider.text.ssml_tokens import SsmlText
from airflow_polly_provider.text.well_formed import validate_well_formed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from airflow_polly_provider.text.pieces import KnownPiece

_DOCTYPE = re.compile(r"(?:\s++|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)


def split_ssml(
    ssml: str,
    *,
    max_characters: int = DEFAULT_PIECE_CHARACTERS,
    previous: Collection[KnownPiece] = (),
    digest: Callable[[str], str] | None = None,
) -> list[Piece]:
    """Split an SSML document into pieces, each of which is an SSML document.

    Elements that are open at a cut are closed in the piece before it, and opened again with their attributes
    in the piece after it. All else is as it is in the document, and Polly bills the pieces like the document.

    :param ssml: the document
    :param max_characters: maximum number of billed characters in a piece, from 100 to 100,000
    :param previous: pieces of an earlier version of the document, in any order. Those that are still in it
        remain pieces
    :param digest: returns the digest of a piece's text; required with ``previous``
    :raises PollyInvalidRequestError: the document is not well-formed, has nothing to speak, has a part that
        is longer than a piece and cannot be divided, or has a DOCTYPE and is longer than a piece
    :raises ValueError: ``max_characters`` is out of range
    """
    validate_max_characters(max_characters)
    validate_well_formed(ssml)
    if _DOCTYPE.match(ssml):
        return [_undivided(ssml, max_characters)]
    read = SsmlText(ssml)
    if boundaries.first_spoken(read.text) is None:
        raise PollyInvalidRequestError("The SSML has nothing to speak. Put text into <speak>.")
    return pieces_of(_SsmlLayout(ssml, read, max_characters), previous, digest)


def _undivided(ssml: str, limit: int) -> Piece:
    """Return a document with a DOCTYPE as one piece: its declarations could change the meaning of a part."""
    if billed_characters(ssml, ssml=True) > limit or len(ssml) > MAX_TOTAL_CHARACTERS:
        raise PollyInvalidRequestError(
            "The SSML is longer than a piece, and SSML with a DOCTYPE cannot be divided. Remove the DOCTYPE."
        )
    return Piece(ssml, 0, len(ssml), zlib.crc32(ssml[:32].encode("utf-8", "surrogatepass")))


class _SsmlLayout:
    """An SSML document and its possible cuts.

    :param ssml: the document
    :param read: its text
    :param limit: maximum number of billed characters in a piece
    """

    def __init__(self, ssml: str, read: SsmlText, limit: int) -> None:
        self._ssml = ssml
        self._read = read
        self._limit = limit

        def is_long(start: int, end: int) -> bool:
            # The place of a cut can be before the white space and the tags that precede the position.
            start = boundaries.last_spoken(read.text, start) + 1
            # Half, because the start and end tags that are added are not counted here.
            return end - start > limit or (
                read.source_of(end) - read.source_of(start) > MAX_TOTAL_CHARACTERS // 2
            )

        at, self.keys = find_cuts(read.text, is_long, lambda position: read.place(position) is not None)
        self.positions, self._billed, self._elements = array("I", [0]), array("I", [0]), array("I", [0])
        for position in at[1:-1]:
            place = read.place(position)
            assert place is not None
            self.positions.append(place.source)
            self._billed.append(place.billed)
            self._elements.append(place.element)
        self.positions.append(len(ssml))
        self._billed.append(read.billed)
        self._elements.append(0)

    def excess(self, first: int, last: int) -> tuple[array[int], int] | None:
        if self._billed[last] - self._billed[first] > self._limit:
            return self._billed, self._limit
        opening, _ = self._read.tags_length(self._elements[first])
        _, closing = self._read.tags_length(self._elements[last])
        if opening + self.positions[last] - self.positions[first] + closing > MAX_TOTAL_CHARACTERS:
            return self.positions, MAX_TOTAL_CHARACTERS
        return None

    def is_short(self, first: int, last: int) -> bool:
        return self._billed[last] - self._billed[first] < self._limit // SHORT_PART

    def render(self, first: int, last: int) -> str:
        start_tags = self._read.start_tags(self._elements[first])
        end_tags = self._read.end_tags(self._elements[last])
        return start_tags + self._ssml[self.positions[first] : self.positions[last]] + end_tags

    def too_long(self, first: int) -> PollyInvalidRequestError:
        start = self.positions[first]
        billed = self._billed[first + 1] - self._billed[first]
        total = self.positions[first + 1] - start
        line = self._ssml.count("\n", 0, start) + 1
        column = start - self._ssml.rfind("\n", 0, start)
        return PollyInvalidRequestError(
            f"The SSML has a part that cannot be divided, from line {line:,}, column {column:,}. It has "
            f"{billed:,} billed and {total:,} total characters; a piece can have {self._limit:,} billed and "
            f"{MAX_TOTAL_CHARACTERS:,} total characters. Divide the element or the word, or raise "
            "max_piece_characters."
        )
