"""Chapters of a joined file: their times and levels, and the JSON file of podcast players.

The JSON format is version 1.2.0 of the JSON chapters of the podcast namespace
(https://github.com/Podcastindex-org/podcast-namespace/blob/main/docs/examples/chapters/jsonChapters.md).
:mod:`airflow_polly_provider.audio.id3_chapters` writes the same chapters into an mp3 file.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

CHAPTERS_CONTENT_TYPE = "application/json+chapters"
"""The Content-Type of the JSON file."""

_VERSION = "1.2.0"
_MAX_LEVEL = 32
_NOT_SHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A chapter of a joined file.

    The chapters of a file follow each other. A chapter ends where its own text ends: a part that has chapters
    is a chapter with the part's heading, followed by its chapters with a higher level.

    :param title: the title that players show
    :param start_ms: the start in milliseconds from the start of the file
    :param end_ms: the end in milliseconds
    :param level: 1 for the top level, 2 for a chapter within the last chapter of level 1, and so on
    """

    title: str
    start_ms: int
    end_ms: int
    level: int = 1

    @property
    def shown_title(self) -> str:
        """The title in one line, without control characters."""
        return one_line(self.title)


def one_line(text: str) -> str:
    """Return a text in one line, without control characters and lone surrogates."""
    return " ".join(_NOT_SHOWN.sub(" ", text).split())


def milliseconds_of(samples: int, sample_rate: int) -> int:
    """Return a position in milliseconds, rounded to the nearest one.

    :param samples: the number of samples before the position
    :param sample_rate: in Hz
    """
    return (2000 * samples + sample_rate) // (2 * sample_rate)


def validate_chapters(chapters: Sequence[Chapter]) -> None:
    """Check that chapters have a title and a level, and follow each other.

    :param chapters: in the order of the file
    :raises PollyInvalidRequestError: they do not; the error names the chapter's number, from 1, not its title
    """
    end = 0
    for number, chapter in enumerate(chapters, 1):
        if not chapter.shown_title:
            raise PollyInvalidRequestError(f"chapter {number} has no title. Give each chapter a title")
        if not 1 <= chapter.level <= _MAX_LEVEL:
            raise PollyInvalidRequestError(
                f"chapter {number} has the level {chapter.level}. Use levels from 1 to {_MAX_LEVEL}"
            )
        if not end <= chapter.start_ms <= chapter.end_ms:
            raise PollyInvalidRequestError(
                f"chapter {number} lasts from {chapter.start_ms:,} to {chapter.end_ms:,} ms, and the chapter "
                f"before it ends at {end:,} ms. Pass chapters in the order of the file, without overlaps"
            )
        end = chapter.end_ms


def chapters_json(
    chapters: Sequence[Chapter], *, title: str | None = None, author: str | None = None
) -> bytes:
    """Return the JSON file with chapters that podcast players read. It has no levels.

    :param chapters: in the order of the file
    :param title: the title of the whole file
    :param author: its author
    :raises PollyInvalidRequestError: a chapter has no title, or the chapters overlap
    """
    validate_chapters(chapters)
    content: dict[str, Any] = {"version": _VERSION}
    if title is not None:
        content["title"] = one_line(title)
    if author is not None:
        content["author"] = one_line(author)
    content["chapters"] = [
        {
            "startTime": chapter.start_ms / 1000,
            "endTime": chapter.end_ms / 1000,
            "title": chapter.shown_title,
        }
        for chapter in chapters
    ]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
