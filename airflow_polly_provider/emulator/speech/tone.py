"""A plain tone instead of speech, for installations without a speech synthesizer."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from airflow_polly_provider.emulator.speech.audio import Event

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 22050
CHARACTERS_PER_SECOND = 15
_WORD = re.compile(r"\w+(?:['’]\w+)*")  # noqa: RUF001 - the typographic apostrophe is meant
_SENTENCE = re.compile(r"[^.!?。！？]*[.!?。！？]*\s*")  # noqa: RUF001 - CJK full stops are meant


def hum(
    text: str, pitch: int, on_audio: Callable[[np.ndarray[tuple[int], np.dtype[np.int16]]], None]
) -> list[Event]:
    """Generate a tone that lasts as long as speaking the text would take.

    :param text: the text that would be spoken.
    :param pitch: the pitch, 0 to 99; 50 is 220 Hz.
    :param on_audio: a function that is called with each chunk of 16-bit samples at ``RATE``.
    :return: the events for words and sentences, with their times.
    """
    total = int(max(len(text), 1) / CHARACTERS_PER_SECOND * RATE)
    hertz = 220 * 2 ** ((pitch - 50) / 50)
    for start in range(0, total, RATE):
        at = np.arange(start, min(start + RATE, total))
        on_audio((np.sin(at * (2 * math.pi * hertz / RATE)) * 6000).astype(np.int16))
    events = [
        Event("sentence", _milliseconds(match.start()), match.start(), len(match.group().rstrip()))
        for match in _SENTENCE.finditer(text)
        if match.group().strip()
    ]
    events += [
        Event("word", _milliseconds(match.start()), match.start(), len(match.group()))
        for match in _WORD.finditer(text)
    ]
    return sorted(events, key=lambda event: event.milliseconds)


def _milliseconds(position: int) -> int:
    return position * 1000 // CHARACTERS_PER_SECOND
