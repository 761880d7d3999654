"""Application of lexicons: graphemes in a text are replaced by their pronunciation or alias."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_polly_provider.emulator.text.phonemes import spoken_form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_polly_provider.emulator.text.spoken import SpokenText


@dataclass(frozen=True)
class Lexeme:
    """One entry of a lexicon.

    :param grapheme: the written form.
    :param alias: the words to speak instead; empty if there is a pronunciation.
    :param phonemes: the pronunciation; empty if there is an alias.
    :param alphabet: the alphabet of the pronunciation, such as ``ipa``.
    """

    grapheme: str
    alias: str = ""
    phonemes: str = ""
    alphabet: str = "ipa"


class Pronouncer:
    """Adds text to a ``SpokenText``, with the lexicons' replacements.

    :param lexemes: the lexemes of all lexicons. If several lexemes have the same grapheme, the first one is
        used.
    """

    def __init__(self, lexemes: Iterable[Lexeme] = ()) -> None:
        self._lexemes: dict[str, Lexeme] = {}
        for lexeme in lexemes:
            self._lexemes.setdefault(lexeme.grapheme, lexeme)
        self._pattern: re.Pattern[str] | None = None
        if self._lexemes:
            longest_first = sorted(self._lexemes, key=len, reverse=True)
            alternatives = "|".join(re.escape(grapheme) for grapheme in longest_first)
            self._pattern = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)")

    def write(self, spoken: SpokenText, text: str, start: int, escape: Callable[[str], str] = str) -> None:
        """Add a piece of text with the lexicons' replacements.

        :param spoken: the text to which the piece is added.
        :param text: the piece, as it is in the source.
        :param start: the position of its first byte in the source.
        :param escape: a function that escapes replacements. It is not applied to the rest of the text, which
            must not contain characters that need escaping.
        """
        at = 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            start = spoken.add(_without_controls(text[at : match.start()]), start)
            end = start + len(match.group().encode())
            lexeme = self._lexemes[match.group()]
            if lexeme.alias:
                spoken.add_for(escape(_without_controls(lexeme.alias)), start, end)
            else:
                spoken.add_for(escape(spoken_form(lexeme.phonemes, lexeme.alphabet)), start, end)
            start, at = end, match.end()
        spoken.add(_without_controls(text[at:]), start)


def _without_controls(text: str) -> str:
    """Replace what espeak would interpret: ``[[`` (the start of phonemes) and a zero byte (the end)."""
    return text.replace("[[", "[ ").replace("\0", " ")
