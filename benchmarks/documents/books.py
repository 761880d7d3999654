"""Texts for the measurements: a generated book, and any text as SSML."""

from __future__ import annotations

import random
import zlib
from xml.sax.saxutils import escape

_SYLLABLES = (
    *("ba", "be", "con", "da", "der", "el", "fi", "gan", "ho", "in", "ka", "le", "mon"),
    *("na", "o", "per", "qui", "ra", "se", "ta", "un", "ver", "wi", "ya", "zen"),
)
_MAX_WORDS = 28
_MAX_SENTENCES = 12
_PARAGRAPHS_IN_CHAPTER = 60


def book(characters: int, seed: int) -> str:
    """Return a text like a book, with chapters, paragraphs of various lengths and sentences.

    :param characters: minimum length
    :param seed: seed of the random generator
    """
    chance = random.Random(seed)
    words = ["".join(chance.choices(_SYLLABLES, k=chance.choice((1, 1, 2, 2, 3, 4)))) for _ in range(8000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    parts: list[str] = []
    length = 0
    while length < characters:
        if len(parts) % _PARAGRAPHS_IN_CHAPTER == 0:
            parts.append(f"CHAPTER {len(parts) // _PARAGRAPHS_IN_CHAPTER + 1}")
        sentences = []
        for _ in range(chance.randint(1, chance.randint(1, _MAX_SENTENCES))):
            chosen = chance.choices(words, weights, k=chance.randint(3, _MAX_WORDS))
            chosen[len(chosen) // 2] += ","
            sentences.append(" ".join(chosen).capitalize() + chance.choice("...?!"))
        parts.append(" ".join(sentences))
        length += len(parts[-1]) + 2
    return "\n\n".join(parts) + "\n"


def as_ssml(text: str) -> str:
    """Return a text as SSML, with paragraphs, some prosody, pauses, marks and entities.

    :param text: a text with a blank line between paragraphs
    """
    parts = []
    for paragraph in filter(str.strip, text.split("\n\n")):
        # An edit seldom affects the end of a paragraph, so it does not change the tags.
        number = zlib.crc32(paragraph[-20:].encode())
        inside = escape(paragraph, {'"': "&quot;"})
        if number % 3 == 0:
            inside = f'<prosody rate="90%">{inside}</prosody>'
        if number % 4 == 0:
            inside = inside.replace("Mr.", '<sub alias="mister">Mr.</sub>')
        if number % 5 == 0:
            inside += '<break time="1s"/>'
        if number % 7 == 0:
            inside = f'<mark name="m{number}"/>{inside}'
        parts.append(f"  <p>\n    {inside}\n  </p>\n")
    return f'<?xml version="1.0"?>\n<speak xml:lang="en-GB">\n{"".join(parts)}</speak>\n'
