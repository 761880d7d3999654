"""Checks a lexicon document against the Pronunciation Lexicon Specification (PLS) 1.0 and Polly's limits.

The document is parsed with expat, from the standard library. No entity is ever expanded: the check stops at
the declaration of an entity.

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
"""Maximum number of characters in a lexicon.

Source: https://docs.aws.amazon.com/polly/latest/dg/limits.html
"""

MAX_REPLACEMENT_CHARACTERS = 100
"""Maximum number of characters in the text of one ``<phoneme>`` or ``<alias>`` (same source)."""

ALPHABETS = (
    "ipa",
    "x-sampa",
    "x-amazon-pinyin",
    "x-amazon-jyutping",
    "x-amazon-pron-kana",
    "x-amazon-yomigana",
)
"""Phonetic alphabets that Polly supports.

Source: https://docs.aws.amazon.com/polly/latest/dg/API_LexiconAttributes.html
"""

PLS_NAMESPACE = "http://www.w3.org/2005/01/pronunciation-lexicon"
PLS_VERSION = "1.0"

_XML_LANG = "http://www.w3.org/XML/1998/namespace lang"
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_MAX_PROBLEMS_LISTED = 5
_FOREIGN = "another namespace's"
# Elements that PLS allows inside each element.
_CHILDREN = {
    "lexicon": {"meta", "metadata", "lexeme"},
    "lexeme": {"grapheme", "phoneme", "alias", "example"},
}
_REPLACEMENTS = frozenset({"phoneme", "alias"})


class PlsProblem(NamedTuple):
    """One problem in a document.

    :param line: line number, starting at 1
    :param column: column number in characters, starting at 1
    :param what: description for the user; it does not quote text from the document
    """

    line: int
    column: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.what}"


class PlsSummary(NamedTuple):
    """Summary of a valid document.

    If the document declares an entity, the summary covers only the part before the declaration.

    :param alphabet: phonetic alphabet of the document
    :param language: ``xml:lang`` of the document
    :param lexemes: number of lexemes
    """

    alphabet: str
    language: str
    lexemes: int


def check_pls(content: str) -> PlsSummary:
    """Check a PLS document, and return a summary of it.

    :param content: the document
    :raises PollyInvalidRequestError: the document is empty, too long or not well-formed, is not PLS 1.0, or
        has an attribute or a replacement that Polly does not accept; the error contains the line and column
    """
    if not content.strip():
        raise PollyInvalidRequestError("The lexicon is empty.")
    # AWS does not document which characters it counts, so this is the lowest count that XML allows.
    if (size := len(content.replace("\r\n", "\n").strip())) > MAX_LEXICON_CHARACTERS:
        raise PollyInvalidRequestError(
            f"The lexicon has {size:,} characters; Polly accepts at most {MAX_LEXICON_CHARACTERS:,}. Split "
            "it: a request can use up to 5 lexicons."
        )
    reader = _PlsReader()
    if problems := reader.read(content):
        listed = "; ".join(str(problem) for problem in problems[:_MAX_PROBLEMS_LISTED])
        more = len(problems) - _MAX_PROBLEMS_LISTED
        raise PollyInvalidRequestError(
            f"The lexicon was not sent, because Polly would reject it: {listed}"
            f"{f'; and {more} more' if more > 0 else ''}."
        )
    return PlsSummary(reader.alphabet, reader.language, reader.lexemes)


@dataclass
class _Element:
    """An element whose end tag has not been read yet.

    :param name: local name, or ``_FOREIGN`` for an element of another namespace
    :param line: line of the start tag
    :param column: column of the start tag
    """

    name: str
    line: int
    column: int
    text: str = ""
    graphemes: int = 0
    replacements: int = 0


class _EntityDeclaredError(Exception):
    """Stops the parser at the declaration of an entity."""


class _PlsReader:
    """Reads one document and collects its problems."""

    def __init__(self) -> None:
        self.alphabet = self.language = ""
        self.lexemes = 0
        self._problems: list[PlsProblem] = []
        self._open: list[_Element] = []
        # The content is already decoded: ignore the encoding in its XML declaration.
        self._parser = parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.EntityDeclHandler = self._end_at_entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def read(self, content: str) -> list[PlsProblem]:
        """Return the problems, in the order in which they occur in the document.

        :param content: the document
        """
        try:
            self._parser.Parse(content.encode("utf-8", "surrogatepass"), True)
        except expat.ExpatError as error:
            what = f"it is not well-formed XML ({expat.ErrorString(error.code)})"
            self._problems.append(PlsProblem(error.lineno, error.offset + 1, what))
        except _EntityDeclaredError:
            log.warning(
                "The lexicon declares an entity. To avoid expanding it, the check stopped at this "
                "declaration; Polly checks the rest."
            )
        return self._problems

    def _end_at_entity(self, *_: object) -> None:
        raise _EntityDeclaredError

    def _add_problem(self, what: str, about: _Element | None = None) -> None:
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
            self._add_problem(f'the root must be <lexicon> with xmlns="{PLS_NAMESPACE}"')
            return
        if attributes.get("version") != PLS_VERSION:
            self._add_problem(f'<lexicon> needs version="{PLS_VERSION}"')
        self.alphabet = attributes.get("alphabet", "")
        if self.alphabet not in ALPHABETS:
            self._add_problem(f"<lexicon> needs an alphabet that Polly supports: {', '.join(ALPHABETS)}")
        self.language = attributes.get(_XML_LANG, "")
        if not _LANGUAGE_TAG.fullmatch(self.language):
            self._add_problem("<lexicon> needs xml:lang, such as en-US, or en for all variants of English")

    def _child(self, parent: str, name: str, attributes: dict[str, str]) -> None:
        if name not in _CHILDREN.get(parent, ()):
            self._add_problem(f"<{name:.40}> is not allowed in <{parent:.40}>")
        elif name == "phoneme" and attributes.get("alphabet", ALPHABETS[0]) not in ALPHABETS:
            self._add_problem(f"<phoneme> needs an alphabet that Polly supports: {', '.join(ALPHABETS)}")

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
            self._add_problem("<lexeme> needs a <grapheme>", lexeme)
        if not lexeme.replacements:
            self._add_problem("<lexeme> needs a <phoneme> or an <alias>", lexeme)

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
            self._add_problem(f"<{part.name}> is empty", part)
        elif replaces and len(text) > MAX_REPLACEMENT_CHARACTERS:
            self._add_problem(
                f"<{part.name}> has {len(text)} characters; Polly accepts at most "
                f"{MAX_REPLACEMENT_CHARACTERS}",
                part,
            )
