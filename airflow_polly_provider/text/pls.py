"""What may be sent as a lexicon: a document of the Pronunciation Lexicon Specification (PLS) 1.0.

Read by the standard library's expat, and no entity is ever expanded: the check ends where one is declared.

Sources: https://www.w3.org/TR/pronunciation-lexicon/ and
https://docs.aws.amazon.com/polly/latest/dg/limits.html
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import NamedTuple
from xml.parsers import expat

from airflow_polly_provider.exceptions import PollyInvalidRequestError

log = logging.getLogger(__name__)

MAX_LEXICON_CHARACTERS = 40_000
"""Characters that a lexicon may have.

Source: https://docs.aws.amazon.com/polly/latest/dg/limits.html
"""

MAX_REPLACEMENT_CHARACTERS = 100
"""Characters that the text of one ``<phoneme>`` or ``<alias>`` may have (same source)."""

ALPHABETS = (
    "ipa",
    "x-sampa",
    "x-amazon-pinyin",
    "x-amazon-jyutping",
    "x-amazon-pron-kana",
    "x-amazon-yomigana",
)
"""Phonetic alphabets that Polly knows.

Source: https://docs.aws.amazon.com/polly/latest/dg/API_LexiconAttributes.html
"""

PLS_NAMESPACE = "http://www.w3.org/2005/01/pronunciation-lexicon"
PLS_VERSION = "1.0"

_XML_LANG = "http://www.w3.org/XML/1998/namespace lang"
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_MOST_PROBLEMS_TOLD = 5
_FOREIGN = "another namespace's"
# Which elements of PLS may stand in which.
_CHILDREN = {
    "lexicon": {"meta", "metadata", "lexeme"},
    "lexeme": {"grapheme", "phoneme", "alias", "example"},
}
_REPLACEMENTS = frozenset({"phoneme", "alias"})


class PlsProblem(NamedTuple):
    """One thing that is wrong with a document.

    :param line: from 1
    :param column: from 1, in characters
    :param what: the sentence for the user, which quotes none of the document's texts
    """

    line: int
    column: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.what}"


class PlsSummary(NamedTuple):
    """What a document that may be sent is about.

    :param alphabet: of its phonemes
    :param language: its ``xml:lang``
    :param lexemes: how many there are

    Of a document that declares an entity, what comes before the declaration: the rest is left to Polly.
    """

    alphabet: str
    language: str
    lexemes: int


def check_pls(content: str) -> PlsSummary:
    """Return what a PLS document is about, if Polly can take it.

    :param content: the document
    :raises PollyInvalidRequestError: it is too long, not well-formed, or no PLS 1.0 document with the
        attributes and replacements that Polly takes; the error names line and column
    """
    if not content.strip():
        raise PollyInvalidRequestError("The lexicon is empty.")
    # Which characters AWS counts is undocumented: as few as XML allows.
    if (size := len(content.replace("\r\n", "\n").strip())) > MAX_LEXICON_CHARACTERS:
        raise PollyInvalidRequestError(
            f"The lexicon has {size:,} characters; Polly takes {MAX_LEXICON_CHARACTERS:,}. Split it: "
            "a request takes up to 5 lexicons."
        )
    reader = _PlsReader()
    if problems := reader.read(content):
        told = "; ".join(str(problem) for problem in problems[:_MOST_PROBLEMS_TOLD])
        more = len(problems) - _MOST_PROBLEMS_TOLD
        raise PollyInvalidRequestError(
            f"The lexicon was not sent, since Polly would refuse it: {told}"
            f"{f'; and {more} more' if more > 0 else ''}."
        )
    return PlsSummary(reader.alphabet, reader.language, reader.lexemes)


@dataclass
class _Element:
    """An element that is open.

    :param name: its local name, or that it is foreign
    :param line: where it begins
    :param column: where it begins
    """

    name: str
    line: int
    column: int
    text: str = ""
    graphemes: int = 0
    replacements: int = 0


class _EntityDeclaredError(Exception):
    """Ends the reading at the declaration of an entity."""


class _PlsReader:
    """Reads one document, and notes what is wrong with it."""

    def __init__(self) -> None:
        self.alphabet = self.language = ""
        self.lexemes = 0
        self._problems: list[PlsProblem] = []
        self._open: list[_Element] = []
        # The content is a string already: an encoding that it declares is none of its own any more.
        self._parser = parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.EntityDeclHandler = self._end_at_entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def read(self, content: str) -> list[PlsProblem]:
        """Return what is wrong, in the document's order.

        :param content: the document
        """
        try:
            self._parser.Parse(content.encode("utf-8", "surrogatepass"), True)
        except expat.ExpatError as error:
            what = f"it is not well-formed XML ({expat.ErrorString(error.code)})"
            self._problems.append(PlsProblem(error.lineno, error.offset + 1, what))
        except _EntityDeclaredError:
            log.warning(
                "The lexicon declares an entity, and was checked only up to there, so that no entity is "
                "expanded; Polly decides."
            )
        return self._problems

    def _end_at_entity(self, *_: object) -> None:
        raise _EntityDeclaredError

    def _complain(self, what: str, about: _Element | None = None) -> None:
        line = about.line if about else self._parser.CurrentLineNumber
        column = about.column if about else self._parser.CurrentColumnNumber + 1
        self._problems.append(PlsProblem(line, column, what))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        known = local if namespace == PLS_NAMESPACE else _FOREIGN
        parent = self._open[-1].name if self._open else None
        element = _Element(known, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)
        self._open.append(element)
        if parent is None:
            self._root(namespace, local, attributes)
        elif known != _FOREIGN and parent not in ("metadata", _FOREIGN):
            self._child(parent, known, attributes)

    def _root(self, namespace: str, local: str, attributes: dict[str, str]) -> None:
        if local != "lexicon" or namespace != PLS_NAMESPACE:
            self._complain(f'the root must be <lexicon> with xmlns="{PLS_NAMESPACE}"')
            return
        if attributes.get("version") != PLS_VERSION:
            self._complain(f'<lexicon> needs version="{PLS_VERSION}"')
        self.alphabet = attributes.get("alphabet", "")
        if self.alphabet not in ALPHABETS:
            self._complain(f"<lexicon> needs an alphabet that Polly knows: {', '.join(ALPHABETS)}")
        self.language = attributes.get(_XML_LANG, "")
        if not _LANGUAGE_TAG.fullmatch(self.language):
            self._complain("<lexicon> needs xml:lang, such as en-US, or en for all kinds of English")

    def _child(self, parent: str, name: str, attributes: dict[str, str]) -> None:
        if name not in _CHILDREN.get(parent, ()):
            self._complain(f"<{name:.40}> has no place in <{parent:.40}>")
        elif name == "phoneme" and attributes.get("alphabet", ALPHABETS[0]) not in ALPHABETS:
            self._complain(f"<phoneme> needs an alphabet that Polly knows: {', '.join(ALPHABETS)}")

    def _characters(self, data: str) -> None:
        self._open[-1].text += data

    def _end(self, _: str) -> None:
        element = self._open.pop()
        parent = self._open[-1] if self._open else None
        if element.name == "lexeme":
            self._end_of_lexeme(element)
        elif parent is not None and parent.name == "lexeme":
            self._end_of_part(element, parent)

    def _end_of_lexeme(self, lexeme: _Element) -> None:
        self.lexemes += 1
        if not lexeme.graphemes:
            self._complain("<lexeme> needs a <grapheme>", lexeme)
        if not lexeme.replacements:
            self._complain("<lexeme> needs a <phoneme> or an <alias>", lexeme)

    def _end_of_part(self, part: _Element, lexeme: _Element) -> None:
        replaces = part.name in _REPLACEMENTS
        if part.name != "grapheme" and not replaces:
            return
        if replaces:
            lexeme.replacements += 1
        else:
            lexeme.graphemes += 1
        text = part.text.strip()
        if not text:
            self._complain(f"<{part.name}> is empty", part)
        elif replaces and len(text) > MAX_REPLACEMENT_CHARACTERS:
            self._complain(
                f"<{part.name}> has {len(text)} characters; Polly takes {MAX_REPLACEMENT_CHARACTERS}", part
            )
