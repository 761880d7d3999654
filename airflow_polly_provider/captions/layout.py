"""How captions are laid out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_polly_provider.captions.width import CAPTION_LINE, CAPTION_WIDTHS, COLUMN_WIDTHS

if TYPE_CHECKING:
    from airflow_polly_provider.captions.width import Widths


@dataclass(frozen=True)
class CueLayout:
    """The limits of a cue.

    :param max_lines: the maximum number of lines, at least 1
    :param max_line_characters: the maximum width of a line in columns, at least 2: a wide character (East
        Asian Wide or Fullwidth, such as Chinese, Japanese and Korean) has 2 columns, and another one has 1.
        By default, a line has at most 42 characters, of which a wide one counts as 42/16: a line has at most
        16 wide characters. Characters that a reader sees as one, such as a letter with accents, count as one.
    :param max_seconds: the maximum time for which a cue is shown, in seconds
    :param pause_seconds: a pause of this length ends a cue, in seconds
    :raises TypeError: a value has another type
    :raises ValueError: a value is too small
    """

    max_lines: int = 2
    max_line_characters: int | None = None
    max_seconds: float = 7.0
    pause_seconds: float = 0.7

    def __post_init__(self) -> None:
        """Check the values."""
        _validate_integer("max_lines", self.max_lines, 1)
        if self.max_line_characters is not None:
            _validate_integer("max_line_characters", self.max_line_characters, 2)
        _validate_seconds("max_seconds", self.max_seconds)
        _validate_seconds("pause_seconds", self.pause_seconds)

    @property
    def widths(self) -> Widths:
        """How wide characters are."""
        return CAPTION_WIDTHS if self.max_line_characters is None else COLUMN_WIDTHS

    @property
    def line_width(self) -> int:
        """The maximum width of a line, in the units of ``widths``."""
        return CAPTION_LINE if self.max_line_characters is None else self.max_line_characters

    @property
    def max_ms(self) -> int:
        """The maximum time for which a cue is shown, in milliseconds."""
        return round(self.max_seconds * 1000)

    @property
    def pause_ms(self) -> int:
        """The length of a pause that ends a cue, in milliseconds."""
        return round(self.pause_seconds * 1000)


def _validate_integer(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def _validate_seconds(name: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not math.isfinite(value) or value < 0.001:
        raise ValueError(f"{name} must be at least 0.001 seconds, not {value}")
