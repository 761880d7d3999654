"""Lexicons at work: graphemes of a text replaced by what they are to sound like."""

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

    :param grapheme: as it is written.
    :param alias: other words to say; empty if there is a pronunciation instead.
    :param phonemes: the pronunciation.
    :param alphabet: of the pronunciation, such as ``ipa``.
    """

    grapheme: str
    alias: str = ""
    phonemes: str = ""
    alphabet: str = "ipa"


class Pronouncer:
    """Writes text with the lexicons' replacements.

    :param lexemes: of all lexicons, the ones that win first.
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
        """Add a piece of text, with what the lexicons say in place of what it says.

        :param spoken: where to add it.
        :param text: as it stands in the source.
        :param start: its first byte in the source.
        :param escape: applied to aliases; the text itself is to need none.
        """
        at = 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            start = spoken.add(_defused(text[at : match.start()]), start)
            end = start + len(match.group().encode())
            lexeme = self._lexemes[match.group()]
            if lexeme.alias:
                spoken.add_for(escape(_defused(lexeme.alias)), start, end)
            else:
                spoken.add_for(escape(spoken_form(lexeme.phonemes, lexeme.alphabet)), start, end)
            start, at = end, match.end()
        spoken.add(_defused(text[at:]), start)


def _defused(text: str) -> str:
    """Keep espeak from reading brackets of the text as phonemes, and a zero byte as its end."""
    return text.replace("[[", "[ ").replace("\0", " ")
