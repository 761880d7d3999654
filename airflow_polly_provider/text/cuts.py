"""Finds the possible cuts of a text: the best kinds everywhere, the others only where they are needed."""

from __future__ import annotations

import zlib
from array import array
from typing import TYPE_CHECKING

from airflow_polly_provider.text import boundaries
from airflow_polly_provider.text.pieces import RANK_BITS

if TYPE_CHECKING:
    from collections.abc import Callable

_SEARCHES = (
    boundaries.paragraphs,
    boundaries.sentences,
    boundaries.clauses,
    boundaries.white_space,
    boundaries.characters,
)
_RANKED_CHARACTERS = 32


def find_cuts(
    text: str,
    is_long: Callable[[int, int], bool],
    is_allowed: Callable[[int], bool] | None = None,
) -> tuple[array[int], array[int]]:
    """Return the positions of the possible cuts, and their kinds and ranks as one number each.

    The first position is the start of the text, and the last one is its end. All cuts between paragraphs are
    found. Cuts of another kind are found only in text that is too long and has no cut of a better kind. So
    most texts need no search for every space, and a change in one paragraph does not affect the cuts in
    another one.

    :param text: the text, with something to speak
    :param is_long: returns whether the text between two positions can be longer than a piece
    :param is_allowed: returns whether the text may be cut at a position; by default it always may
    """
    first_spoken = boundaries.first_spoken(text) or 0
    last_spoken = boundaries.last_spoken(text, len(text))
    positions = array("I", [0, len(text)])
    kinds = array("B", [0, 0])
    for search in _SEARCHES:
        outer, outer_kinds = positions, kinds
        positions, kinds = array("I", [0]), array("B", [0])
        start = 0
        for index in range(1, len(outer)):
            end = outer[index]
            if search is boundaries.paragraphs or is_long(start, end):
                for cut, kind in search(text, start, end):
                    if (
                        max(first_spoken, positions[-1]) < cut <= last_spoken
                        and cut < end
                        and not boundaries.is_inside_grapheme(text, cut)
                        and (is_allowed is None or is_allowed(cut))
                    ):
                        positions.append(cut)
                        kinds.append(kind)
            positions.append(end)
            kinds.append(outer_kinds[index])
            start = end
    keys = array("Q", map(_key, (text,) * len(positions), positions, kinds))
    return positions, keys


def _key(text: str, position: int, kind: int) -> int:
    # Only the text after the cut counts: a change then affects the ranks of fewer cuts.
    after = text[position : position + _RANKED_CHARACTERS].encode("utf-8", "surrogatepass")
    return kind << RANK_BITS | zlib.crc32(after)
