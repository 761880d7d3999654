"""The width of text in a caption."""

from __future__ import annotations

import unicodedata
from array import array
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from airflow_polly_provider.text.boundaries import is_inside_grapheme

if TYPE_CHECKING:
    from collections.abc import Sequence


class Widths(NamedTuple):
    """How wide characters are, in units.

    :param narrow: the width of a Latin letter
    :param wide: the width of a Chinese character
    """

    narrow: int
    wide: int

    def width(self, text: str) -> int:
        """Return the width of a text.

        :param text: the text
        """
        return len(text) * self.narrow if text.isascii() else self.widths(text)[-1]

    def widths(self, text: str) -> Sequence[int]:
        """Return the width of the text before each position.

        A letter with its accents and vowel signs, or a sequence of emoji, is as wide as its first character.
        A flag is as wide as two letters.

        :param text: the text
        """
        if text.isascii():
            return range(0, (len(text) + 1) * self.narrow, self.narrow)
        sums = array("Q", [0])
        total = 0
        for position, character in enumerate(text):
            if character < "\u0300":
                total += self.narrow
            elif (
                position == 0
                or not is_inside_grapheme(text, position)
                or "\U0001f1e6" <= character <= "\U0001f1ff"
            ):
                total += self.wide if _is_wide(character) else self.narrow
            sums.append(total)
        return sums


CAPTION_WIDTHS = Widths(8, 21)
"""The widths for lines of 42 Latin letters or 16 Chinese characters: both are 336 units."""
CAPTION_LINE = 336
COLUMN_WIDTHS = Widths(1, 2)
"""The widths in columns of a terminal."""


@lru_cache(maxsize=1 << 12)
def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")
