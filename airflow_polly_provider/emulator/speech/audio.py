"""Types and constants that several speech modules share."""

from __future__ import annotations

from dataclasses import dataclass

MARKS = "json"
"""The OutputFormat for speech marks instead of audio."""

# Public mp3 files from Polly, when decoded, begin with 155 ms of silence; 46 to 50 ms of it come from the
# encoder and decoder. They end with 343 to 366 ms of silence; up to 26 ms of it fill the last frame. The rest
# of the silence belongs to the speech itself. This module assumes that Polly's other formats contain it too.
SILENCE_BEFORE_MILLISECONDS = 105
SILENCE_AFTER_MILLISECONDS = 340


@dataclass(frozen=True)
class Event:
    """An event that the synthesizer reports while it speaks.

    :param kind: ``sentence``, ``word``, ``mark`` or ``phoneme``.
    :param milliseconds: the time since the start of the audio, without the silence that is added later.
    :param start: the index of the first character in the spoken string.
    :param length: the length in characters; 0 for a mark or a phoneme.
    :param name: the mark's name, or the phoneme.
    """

    kind: str
    milliseconds: int
    start: int
    length: int = 0
    name: str = ""
