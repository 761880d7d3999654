"""Writes captions as SubRip (SRT)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_polly_provider.captions.lines import clean_lines, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_polly_provider.captions.cues import Cue


def write_srt(cues: Iterable[Cue]) -> Iterator[str]:
    """Yield the text of an SRT file, one cue at a time. Without cues, the file is empty.

    SRT has no escapes, so the text is written as it is. Many players treat a text such as ``<b>`` as a tag
    and do not show it; use WebVTT for texts with tags. Direction marks are the same as in WebVTT.

    :param cues: the cues in order
    """
    number = 0
    for cue in cues:
        if lines := clean_lines(cue):
            number += 1
            text = "\n".join(lines)
            yield f"{number}\n{timestamp(cue.start_ms, ',')} --> {timestamp(cue.end_ms, ',')}\n{text}\n\n"
