"""Conversion of Polly's SSML to the synthesizer's SSML."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat
from xml.sax.saxutils import escape

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.text.phonemes import spoken_form
from airflow_polly_provider.emulator.text.pronunciation import Pronouncer
from airflow_polly_provider.emulator.text.spoken import SpokenText, Tag
from airflow_polly_provider.emulator.text.ssml_tags import check_support, check_tag, espeak_tag

if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSE = "polly-emulator-pause-"
# Elements whose content is replaced. Each function returns the replacement, or None to keep the content.
_REPLACED: dict[str, Callable[[dict[str, str]], str | None]] = {
    "sub": lambda attributes: attributes["alias"],
    "phoneme": lambda attributes: spoken_form(
        attributes["ph"], attributes.get("alphabet", "ruby" if attributes.get("type") == "ruby" else "ipa")
    ),
    "say-as": lambda attributes: "beep" if attributes["interpret-as"] == "expletive" else None,
}


class Ssml:
    """A parsed SSML document that Polly would accept.

    :param text: the document.
    :param engine: Polly's Engine. Tags that it does not support are rejected. None to accept all of Polly's
        tags.
    :param voice_id: Polly's VoiceId; None to assume a voice that supports everything that the engine
        supports.
    :param pronouncer: the lexicons to apply; None for no lexicons.
    :raises ApiError: if Polly would reject the document; usually ``InvalidSsmlException``.
    """

    def __init__(
        self,
        text: str,
        *,
        engine: str | None = None,
        voice_id: str | None = None,
        pronouncer: Pronouncer | None = None,
    ) -> None:
        self._pronouncer = pronouncer or Pronouncer()
        self.spoken = SpokenText()
        self.plain = SpokenText()
        """The spoken text without tags."""
        self.tags: list[Tag] = []
        """The tags for marks and pauses, in document order."""
        self._words: list[str] = []
        self._engine = engine
        self._voice_id = voice_id
        self._data = text.encode()
        self._open: list[tuple[str, str]] = []
        self._instead: list[str] = []
        self._instead_from: int | None = None
        self._parse()

    @property
    def words(self) -> str:
        """Return the text without its tags. Polly bills this text."""
        return "".join(self._words)

    def _parse(self) -> None:
        # Parse twice, because an XML error must be reported even if an invalid tag comes before it.
        _read(self._parser_with_doctype_refused(), self._data)
        self._parser = self._parser_with_doctype_refused()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        _read(self._parser, self._data)

    def _parser_with_doctype_refused(self) -> expat.XMLParserType:
        # The parser ignores namespaces, because documents do not declare the prefix of Polly's amazon: tags.
        parser = expat.ParserCreate("utf-8")
        parser.StartDoctypeDeclHandler = self._doctype
        return parser

    def _doctype(self, *_: object) -> None:
        # Reject a document type: it can declare entities, which can expand to text of unlimited size.
        raise _invalid("a DOCTYPE is not allowed")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and name != "speak":
            raise _invalid("the root must be <speak>")
        if self._open and name == "speak":
            raise _invalid("<speak> is allowed only as the root")
        check_tag(name, attributes)
        if self._engine:
            check_support(self._engine, self._voice_id, name, attributes)
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
            self._add_tag(attributes["name"], at, mark=attributes["name"])
        elif name == "break" and opening:
            # The synthesizer reports marks, but does not report pauses. So add a mark before the pause.
            espeak_mark = f"{_PAUSE}{len(self.tags)}"
            self._add_tag(espeak_mark, at)
            opening = f'<mark name="{espeak_mark}"/>{opening}'
        self.spoken.add_for(opening, at, at)

    def _add_tag(self, espeak_mark: str, at: int, mark: str | None = None) -> None:
        self.tags.append(Tag(espeak_mark, at, self._end_of_tag(at), mark))

    def _end_of_tag(self, at: int) -> int:
        # An attribute value may contain >.
        quote = b""
        for index in range(at, len(self._data)):
            byte = self._data[index : index + 1]
            if quote:
                quote = b"" if byte == quote else quote
            elif byte in (b"'", b'"'):
                quote = byte
            elif byte == b">":
                return index + 1
        return len(self._data)

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
            # The source has a line end that the parser normalized, or a CDATA section.
            self._add_for(text, at, at + len(encoded))

    def _add_for(self, text: str, start: int, end: int) -> None:
        self.spoken.add_for(escape(text), start, end)
        self.plain.add_for(text, start, end)

    def _add_instead(self, start: int, end: int) -> None:
        """Add the words or sounds that replace an element's content."""
        replacement = self._instead[0]
        if replacement.startswith("[["):
            self.spoken.add_for(escape(replacement), start, end)
            self.plain.add_for(self._words[-1] if self._words else " ", start, end)
        else:
            self._add_for(replacement, start, end)


def _read(parser: expat.XMLParserType, data: bytes) -> None:
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise _invalid(f"not well-formed at line {error.lineno}, column {error.offset}") from error


def _invalid(why: str) -> ApiError:
    return ApiError("InvalidSsmlException", f"Invalid SSML request: {why}")
