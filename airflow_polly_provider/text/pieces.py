"""Divides a text into pieces whose boundaries depend on the content around them.

If the text is changed in one place, the other pieces stay as they were, and their audio can be used again.
Two rules achieve this:

- Among the possible cuts of the best kind, the one with the lowest rank is taken. The rank is a checksum of
  the text after the cut. A change elsewhere does not affect it.
- If the pieces of an earlier version are known, those that are still in the text are taken first, and only
  the text between them is divided.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Collection, Iterator

    from airflow_polly_provider.exceptions import PollyInvalidRequestError

RANK_BITS = 32
"""Size of a rank. The bits above it in a key are the kind of the cut."""

SHORT_PART = 6
"""A piece has at least a sixth of the limit, if the cuts allow it."""

_RANK_MASK = (1 << RANK_BITS) - 1
_MAX_DIGESTS_IN_VAIN = 4
"""How often a text may be digested without finding a known piece."""
_BLOCK = 1024


class Piece(NamedTuple):
    """A part of a text, to be synthesized in one synthesis task.

    :param text: the text as it is sent to Polly
    :param start: position of the piece in the source, in characters
    :param length: length of the piece in the source, in characters
    :param head: checksum (CRC-32) of the 32 characters of spoken text after ``start``. If the piece is
        shorter, they include text after the piece
    """

    text: str
    start: int
    length: int
    head: int


class KnownPiece(NamedTuple):
    """A piece of an earlier version of the text.

    :param head: its :attr:`Piece.head`
    :param length: its :attr:`Piece.length`
    :param digest: digest of its :attr:`Piece.text`, as the caller's function returns it
    """

    head: int
    length: int
    digest: str


class Layout(Protocol):
    """A text and the places where it may be cut. The first cut is its start, the last one is its end."""

    positions: array[int]
    """Positions of the cuts in the source, in ascending order."""
    keys: array[int]
    """Kind and rank of each cut, as one number: the lower, the better."""

    def excess(self, first: int, last: int) -> tuple[array[int], int] | None:
        """Return the measure in which the text between two cuts is too long, and its limit; None if it fits.

        :param first: index of a cut
        :param last: index of a later cut
        """

    def is_short(self, first: int, last: int) -> bool:
        """Return whether the text between two cuts is shorter than a piece should be.

        :param first: index of a cut
        :param last: index of a later cut
        """

    def render(self, first: int, last: int) -> str:
        """Return the text between two cuts, as it is sent to Polly.

        :param first: index of a cut
        :param last: index of a later cut
        """

    def too_long(self, first: int) -> PollyInvalidRequestError:
        """Return the error for text without a cut that is longer than a piece.

        :param first: index of the cut before this text
        """


def pieces_of(
    layout: Layout, previous: Collection[KnownPiece], digest: Callable[[str], str] | None
) -> list[Piece]:
    """Return the pieces of a text, in order.

    :param layout: the text and its possible cuts
    :param previous: pieces of an earlier version of the text, in any order
    :param digest: returns the digest of a piece's text; needed only if there are previous pieces
    :raises PollyInvalidRequestError: a part without a cut is longer than a piece
    """
    last = len(layout.positions) - 1
    kept = list(_known_in(layout, previous, digest)) if previous and digest else []
    spans: list[tuple[int, int]] = []
    at = 0
    for span in [*_without_fragments(layout, kept), (last, last)]:
        if at < span[0]:
            spans.extend(_divided(layout, at, span[0]))
        if span[0] < span[1]:
            spans.append(span)
        at = span[1]
    return [
        Piece(
            layout.render(first, end),
            layout.positions[first],
            layout.positions[end] - layout.positions[first],
            layout.keys[first] & _RANK_MASK,
        )
        for first, end in spans
    ]


def _divided(layout: Layout, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the pieces of a part, in order, divided only by its content."""
    waiting = [(first, last)]
    while waiting:
        first, last = waiting.pop()
        excess = layout.excess(first, last)
        if excess is None:
            yield first, last
            continue
        if last - first < 2:
            raise layout.too_long(first)
        cut = _best_cut(layout.keys, first, last, *excess)
        waiting += ((cut, last), (first, cut))


def _best_cut(keys: array[int], first: int, last: int, measure: array[int], limit: int) -> int:
    """Return the index of the cut to take between two cuts.

    :param keys: kind and rank of each cut
    :param first: index of a cut
    :param last: index of a cut with at least one other between them
    :param measure: amount of text before each cut, in ascending order
    :param limit: maximum amount of text in a piece
    """
    margin = limit // SHORT_PART
    low = bisect_left(measure, measure[first] + margin, first + 1, last)
    high = bisect_right(measure, measure[last] - margin, first + 1, last)
    best = min(keys[first + 1 : last])
    if low < high and (inner := min(keys[low:high])) >> RANK_BITS == best >> RANK_BITS:
        best = inner
    else:
        low, high = first + 1, last
    middle = bisect_left(measure, (measure[first] + measure[last]) // 2, low, high)
    return _nearest(keys, best, low, middle, high, measure)


def _nearest(keys: array[int], key: int, low: int, middle: int, high: int, measure: array[int]) -> int:
    """Return the index of the given key that is nearest to the middle.

    In a repetitive text many cuts have the same key. Halves keep the number of divisions low.
    """
    try:
        after = keys.index(key, middle, high)
    except ValueError:
        after = None
    before = None
    for end in range(middle, low, -_BLOCK):
        start = max(end - _BLOCK, low)
        block = keys[start:end]
        if key in block:
            block.reverse()
            before = end - 1 - block.index(key)
            break
    if before is None:
        assert after is not None
        return after
    if after is None:
        return before
    aim = measure[middle]
    return after if measure[after] - aim <= aim - measure[before] else before


def _known_in(
    layout: Layout, previous: Collection[KnownPiece], digest: Callable[[str], str]
) -> Iterator[tuple[int, int]]:
    """Yield the known pieces that are in the text, in order."""
    ordered = list(previous)
    by_head: dict[int, dict[tuple[int, str], int]] = {}
    for index, known in enumerate(ordered):
        by_head.setdefault(known.head, {}).setdefault((known.length, known.digest), index)
    positions, keys = layout.positions, layout.keys
    in_vain = _MAX_DIGESTS_IN_VAIN * positions[-1]
    first = following = 0
    last = len(positions) - 1
    while first < last and in_vain >= 0:
        digests: dict[int, str] = {}
        for (length, expected), index in _candidates(ordered, by_head, keys[first] & _RANK_MASK, following):
            end = bisect_left(positions, positions[first] + length, first + 1)
            if end > last or positions[end] != positions[first] + length or layout.excess(first, end):
                continue
            if end not in digests:
                digests[end] = digest(layout.render(first, end))
                in_vain -= length
            if digests[end] == expected:
                in_vain += length
                yield first, end
                first, following = end, index + 1
                break
            if in_vain < 0:
                break
        else:
            first += 1


def _candidates(
    ordered: list[KnownPiece], by_head: dict[int, dict[tuple[int, str], int]], head: int, following: int
) -> Iterator[tuple[tuple[int, str], int]]:
    """Yield the known pieces with a head, as length, digest and index.

    The one that followed the piece before comes first. In a repetitive text several known pieces can match,
    and only this one leads to the same pieces as before.
    """
    if following < len(ordered) and ordered[following].head == head:
        yield ordered[following][1:], following
    yield from by_head.get(head, {}).items()


def _without_fragments(layout: Layout, kept: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the known pieces, without the short ones that are next to a short new part.

    Both become one piece. Otherwise each small change would leave one more short piece.
    """
    at, last = 0, len(layout.positions) - 1
    for index, (first, end) in enumerate(kept):
        following = kept[index + 1][0] if index + 1 < len(kept) else last
        if layout.is_short(first, end) and (
            (at < first and layout.is_short(at, first))
            or (end < following and layout.is_short(end, following))
        ):
            continue
        yield first, end
        at = end
