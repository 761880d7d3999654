"""Chooses where cues and lines end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_polly_provider.captions.layout import CueLayout
    from airflow_polly_provider.captions.parts import Part

# The costs are compared with that of one more cue, which is 1, and with the squares of relative differences
# of widths.
_COST_INSIDE_CLAUSE = 0.5
_COST_WITHOUT_WORD = 10.0
_COST_LINE_INSIDE_CLAUSE = 0.08


class Fitter:
    """Fits the parts of a sentence into cues and lines.

    :param parts: the parts
    :param widths: the width of the text before each position
    :param layout: the limits of a cue
    """

    def __init__(self, parts: Sequence[Part], widths: Sequence[int], layout: CueLayout) -> None:
        self._parts = parts
        self._layout = layout
        self._from = [widths[part.start] for part in parts]
        self._to = [widths[part.end] for part in parts]

    def cues(self) -> Iterator[tuple[int, int]]:
        """Yield the first part of each cue, and the part after its last one.

        A pause ends a cue. Otherwise, cues end rather at the end of a clause, and have about the same width.
        """
        start = 0
        for index in range(1, len(self._parts) + 1):
            if index == len(self._parts) or self._parts[index].follows_pause:
                yield from self._cues_without_pause(start, index)
                start = index

    def fits(self) -> bool:
        """Return whether all parts fit into one cue."""
        return self._earliest(len(self._parts), 0) == 0 and not any(
            part.follows_pause for part in self._parts
        )

    def _cues_without_pause(self, first: int, end: int) -> list[tuple[int, int]]:
        if self._earliest(end, first) == first:
            return [(first, end)]
        width = self._width(first, end)
        duration = self._parts[end - 1].end_ms - self._parts[first].time_ms
        count = max(
            math.ceil(width / (self._layout.max_lines * self._layout.line_width)),
            math.ceil(duration / self._layout.max_ms),
            1,
        )
        costs, starts = [0.0], [first]
        for after in range(first + 1, end + 1):
            best, chosen = math.inf, after - 1
            for start in range(after - 1, self._earliest(after, first) - 1, -1):
                cost = costs[start - first] + self._cue_cost(start, after, end, width / count)
                if cost < best:
                    best, chosen = cost, start
            costs.append(best)
            starts.append(chosen)
        found = []
        while end > first:
            found.append((starts[end - first], end))
            end = starts[end - first]
        return found[::-1]

    def _cue_cost(self, start: int, after: int, end: int, wanted: float) -> float:
        last = self._parts[after - 1]
        cost = 1 + ((self._width(start, after) - wanted) / wanted) ** 2
        if after < end:
            if not last.ends_clause:
                cost += _COST_INSIDE_CLAUSE
            if not self._parts[after].has_word:
                cost += _COST_WITHOUT_WORD
        return cost

    def _earliest(self, after: int, first: int) -> int:
        """Return the earliest part with which a cue can begin that ends before a part.

        A part that is too long for a line or a cue has a line or a cue of its own.
        """
        limit_ms = self._parts[after - 1].end_ms - self._layout.max_ms
        lines, end = 1, after
        start = after - 1
        while start > first:
            if self._parts[start - 1].time_ms < limit_ms:
                break
            if self._width(start - 1, end) > self._layout.line_width:
                lines, end = lines + 1, start
                if lines > self._layout.max_lines:
                    break
            start -= 1
        return start

    def lines(self, first: int, end: int) -> list[tuple[int, int]]:
        """Return the first part of each line of a cue, and the part after its last one.

        There are as few lines as possible. They have about the same width, and end rather at the end of a
        clause.

        :param first: the first part of the cue
        :param end: the part after its last one
        """
        rows: list[list[tuple[float, int]]] = [[(0.0, first)] + [(math.inf, first)] * (end - first)]
        while math.isinf(rows[-1][-1][0]):
            rows.append([(math.inf, first)])
            for after in range(first + 1, end + 1):
                rows[-1].append(
                    min(self._line_choices(rows[-2], first, after, end), default=(math.inf, first))
                )
        found = []
        for row in reversed(rows[1:]):
            start = row[end - first][1]
            found.append((start, end))
            end = start
        return found[::-1]

    def _line_choices(
        self, row: list[tuple[float, int]], first: int, after: int, end: int
    ) -> Iterator[tuple[float, int]]:
        """Yield the costs and the starts of the lines that end before a part."""
        limit = self._layout.line_width
        inside = 0.0 if after == end or self._parts[after - 1].ends_clause else _COST_LINE_INSIDE_CLAUSE
        for start in range(after - 1, first - 1, -1):
            width = self._width(start, after)
            if width > limit and start < after - 1:
                return
            yield row[start - first][0] + (width / limit) ** 2 + inside, start

    def _width(self, start: int, after: int) -> int:
        return self._to[after - 1] - self._from[start]
