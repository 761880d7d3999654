"""What the parts of a synthesis hand to each other."""

from __future__ import annotations

from dataclasses import dataclass

MARKS = "json"
"""The OutputFormat that holds speech marks instead of audio."""

# Public mp3 files of Polly, decoded, begin with 155 ms of silence, of which 46 to 50 ms come from encoder and
# decoder, and end with 343 to 366 ms, of which up to 26 ms fill the last frame. What remains is in the speech
# itself, and assumed to be in Polly's other formats too.
SILENCE_BEFORE_MILLISECONDS = 105
SILENCE_AFTER_MILLISECONDS = 340


@dataclass(frozen=True)
class Event:
    """Something that happens while text is spoken.

    :param kind: ``sentence``, ``word``, ``mark`` or ``phoneme``.
    :param milliseconds: from the start of the audio, before silence is added to it.
    :param start: index of the first character, in the string that was spoken.
    :param length: in characters; 0 for a mark or a phoneme.
    :param name: the mark's name or the phoneme.
    """

    kind: str
    milliseconds: int
    start: int
    length: int = 0
    name: str = ""
