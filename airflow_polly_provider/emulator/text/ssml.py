"""SSML as Polly takes it, turned into what the synthesizer takes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat
from xml.sax.saxutils import escape

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.text.phonemes import espeak_phonemes
from airflow_polly_provider.emulator.text.pronunciation import Pronouncer
from airflow_polly_provider.emulator.text.spoken import SpokenText
from airflow_polly_provider.emulator.text.ssml_tags import check_tag, engine_refuses, espeak_tag

if TYPE_CHECKING:
    from collections.abc import Callable

# Elements that stand for other words than the ones they enclose, with what is said instead.
_REPLACED: dict[str, Callable[[dict[str, str]], str | None]] = {
    "sub": lambda attributes: attributes["alias"],
    "phoneme": lambda attributes: espeak_phonemes(attributes["ph"], attributes.get("alphabet", "ipa")),
    "say-as": lambda attributes: "beep" if attributes["interpret-as"] == "expletive" else None,
}


class Ssml:
    """A document that Polly would take.

    :param text: the document.
    :param engine: Polly's Engine, some of which take fewer tags; None takes them all.
    :param pronouncer: the lexicons to apply.
    :raises ApiError: ``InvalidSsmlException`` for what Polly would refuse.
    """

    def __init__(self, text: str, *, engine: str | None = None, pronouncer: Pronouncer | None = None) -> None:
        self._pronouncer = pronouncer or Pronouncer()
        self.spoken = SpokenText()
        self.plain = SpokenText()
        """What is spoken, without any tags."""
        self.marks: list[tuple[str, int, int]] = []
        """Name, first byte and the byte after the last of each mark, in their order."""
        self._words: list[str] = []
        self._engine = engine
        self._data = text.encode()
        self._open: list[tuple[str, str]] = []
        self._instead: list[str] = []
        self._instead_from: int | None = None
        self._parse()

    @property
    def words(self) -> str:
        """Give the text without its tags, which is what Polly bills."""
        return "".join(self._words)

    def _parse(self) -> None:
        # Without namespaces: Polly's own amazon: tags come with no declaration of their prefix.
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype
        try:
            self._parser.Parse(self._data, True)
        except expat.ExpatError as error:
            raise _invalid(f"not well-formed at line {error.lineno}, column {error.offset}") from error

    def _doctype(self, *_: object) -> None:
        # A document type can declare entities, and with them texts that grow without bound.
        raise _invalid("a DOCTYPE is not allowed")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and name != "speak":
            raise _invalid("the root is to be <speak>")
        if self._open and name == "speak":
            raise _invalid("<speak> is the root only")
        check_tag(name, attributes)
        if self._engine and (feature := engine_refuses(self._engine, name, attributes)):
            raise _invalid(f"the {self._engine} engine does not support {feature}")
        at = self._parser.CurrentByteIndex
        opening, closing = espeak_tag(name, attributes)
        self._open.append((name, closing))
        if self._instead:
            self._instead.append("")
            return
        replace = _REPLACED.get(name)
        replacement = replace(attributes) if replace else None
        if replacement is not None:
            self._instead = [replacement]
            self._instead_from = None
            return
        if name == "mark":
            self.marks.append((attributes["name"], at, self._data.index(b">", at) + 1))
        self.spoken.add_for(opening, at, at)

    def _end(self, _: str) -> None:
        at = self._parser.CurrentByteIndex
        _, closing = self._open.pop()
        if self._instead:
            if len(self._instead) == 1:
                self._add_instead(at if self._instead_from is None else self._instead_from, at)
            self._instead.pop()
            return
        self.spoken.add_for(closing, at, at)

    def _characters(self, text: str) -> None:
        at = self._parser.CurrentByteIndex
        self._words.append(text)
        if self._instead:
            if self._instead_from is None:
                self._instead_from = at
            return
        encoded = text.encode()
        if self._data[at : at + 1] == b"&":
            self._add_for(text, at, self._data.index(b";", at) + 1)
        elif self._data[at : at + len(encoded)] == encoded and not any(c in text for c in "&<>"):
            self._pronouncer.write(self.spoken, text, at, escape)
            self.plain.add(text, at)
        else:
            # A line end that the parser made plain, or a CDATA section.
            self._add_for(text, at, at + len(encoded))

    def _add_for(self, text: str, start: int, end: int) -> None:
        self.spoken.add_for(escape(text), start, end)
        self.plain.add_for(text, start, end)

    def _add_instead(self, start: int, end: int) -> None:
        """Say the words or the sounds that an element stands for."""
        replacement = self._instead[0]
        if replacement.startswith("[["):
            self.spoken.add_for(escape(replacement), start, end)
            self.plain.add_for(self._words[-1] if self._words else " ", start, end)
        else:
            self._add_for(replacement, start, end)


def _invalid(why: str) -> ApiError:
    return ApiError("InvalidSsmlException", f"Invalid SSML request: {why}")
