"""Pronunciation lexicons: parsed from PLS, and stored for each region."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.text.pronunciation import Lexeme

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.base.clock import Clock

# https://docs.aws.amazon.com/polly/latest/dg/limits.html
MAX_LEXICONS = 100
MAX_CHARACTERS = 40_000
MAX_REPLACEMENT_CHARACTERS = 100
MAX_TAGS = 50
ACCOUNT_ID = "123456789012"
_NAMESPACE = "{http://www.w3.org/2005/01/pronunciation-lexicon}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_ARN = re.compile(r"arn:[\w-]+:polly:[\w-]+:\d{12}:lexicon/\w{1,20}")
# https://docs.aws.amazon.com/polly/latest/dg/API_LexiconAttributes.html
_ALPHABETS = (
    "ipa",
    "x-sampa",
    "x-amazon-pinyin",
    "x-amazon-jyutping",
    "x-amazon-pron-kana",
    "x-amazon-yomigana",
)


class _Builder(ET.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        # Reject a document type: it can declare entities, which can expand to text of unlimited size.
        raise ApiError("InvalidLexiconException", "A DOCTYPE is not allowed")


@dataclass
class Lexicon:
    """A stored lexicon.

    :param name: the name that the client gave the lexicon.
    :param content: the PLS document.
    :param alphabet: the alphabet, such as ``ipa`` or ``x-sampa``.
    :param language: the document's ``xml:lang``.
    :param lexemes: the entries, one for each grapheme.
    :param lexeme_elements: the number of ``lexeme`` elements in the document.
    :param modified: the time at which it was stored, in epoch seconds.
    :param tags: the tags, by key.
    """

    name: str
    content: str
    alphabet: str
    language: str
    lexemes: list[Lexeme]
    lexeme_elements: int
    modified: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)

    def attributes(self, region: str) -> dict[str, Any]:
        """Return the LexiconAttributes of this lexicon.

        :param region: the lexicon's region.
        """
        return {
            "Alphabet": self.alphabet,
            "LanguageCode": self.language,
            "LastModified": round(self.modified, 3),
            "LexiconArn": arn_of(self.name, region),
            "LexemesCount": self.lexeme_elements,
            "Size": len(self.content),
        }

    def speaks(self, language: str) -> bool:
        """Return whether the lexicon applies to a language.

        :param language: Polly's LanguageCode.
        """
        return self.language in (language, language.partition("-")[0])


def arn_of(name: str, region: str) -> str:
    """Return the ARN of a lexicon.

    :param name: the lexicon's name.
    :param region: the lexicon's region.
    """
    return f"arn:aws:polly:{region}:{ACCOUNT_ID}:lexicon/{name}"


def parse_lexicon(name: str, content: str, languages: list[str]) -> Lexicon:
    """Parse a PLS document.

    :param name: the lexicon's name.
    :param content: the document.
    :param languages: Polly's LanguageCodes.
    :raises ApiError: if Polly would reject the document.
    """
    # AWS does not document which white space counts. So use the lowest count that XML allows.
    if len(content.replace("\r\n", "\n").strip()) > MAX_CHARACTERS:
        raise ApiError(
            "LexiconSizeExceededException", f"A lexicon must have at most {MAX_CHARACTERS} characters"
        )
    try:
        root = ET.fromstring(content.encode(), ET.XMLParser(target=_Builder(), encoding="utf-8"))
    except (ET.ParseError, ValueError) as error:
        raise ApiError("InvalidLexiconException", f"The lexicon is not well-formed: {error}") from error
    if root.tag != f"{_NAMESPACE}lexicon":
        raise ApiError("InvalidLexiconException", "The root must be <lexicon> in the PLS namespace")
    alphabet, language = root.get("alphabet", ""), root.get(_LANGUAGE, "")
    if alphabet not in _ALPHABETS:
        raise ApiError("UnsupportedPlsAlphabetException", f"The alphabet must be one of {_ALPHABETS}")
    if language not in {*languages, *(code.partition("-")[0] for code in languages)}:
        raise ApiError(
            "UnsupportedPlsLanguageException", f"Polly does not support the language {language[:20]!r}"
        )
    elements = list(root.iter(f"{_NAMESPACE}lexeme"))
    lexemes = [lexeme for element in elements for lexeme in _lexemes(element, alphabet)]
    return Lexicon(name, content, alphabet, language, lexemes, len(elements))


def _lexemes(element: ET.Element, alphabet: str) -> list[Lexeme]:
    graphemes = [(child.text or "").strip() for child in element.iter(f"{_NAMESPACE}grapheme")]
    aliases = [(child.text or "").strip() for child in element.iter(f"{_NAMESPACE}alias")]
    written = list(element.iter(f"{_NAMESPACE}phoneme"))
    phonemes = [(child.text or "").strip() for child in written]
    if any(child.get("alphabet", alphabet) not in _ALPHABETS for child in written):
        raise ApiError("UnsupportedPlsAlphabetException", f"The alphabet must be one of {_ALPHABETS}")
    if not graphemes or not all(graphemes) or not any(aliases + phonemes):
        raise ApiError("InvalidLexiconException", "A lexeme needs a grapheme, and an alias or a phoneme")
    for replacement in aliases + phonemes:
        if len(replacement) > MAX_REPLACEMENT_CHARACTERS:
            raise ApiError(
                "MaxLexemeLengthExceededException",
                f"An alias or phoneme must have at most {MAX_REPLACEMENT_CHARACTERS} characters",
            )
    alias = aliases[0] if aliases else ""
    phoneme = phonemes[0] if phonemes and not alias else ""
    if phoneme:
        alphabet = written[0].get("alphabet", alphabet)
    return [Lexeme(grapheme, alias, phoneme, alphabet) for grapheme in graphemes]


class LexiconShelf:
    """The lexicons of one region.

    :param region: the region, such as ``us-east-1``.
    :param languages: Polly's LanguageCodes.
    :param clock: the source of timestamps.
    """

    def __init__(self, region: str, languages: list[str], clock: Clock) -> None:
        self._region = region
        self._languages = languages
        self._clock = clock
        self.lexicons: dict[str, Lexicon] = {}

    def find(self, name: str) -> Lexicon:
        """Return a lexicon by its name.

        :param name: the lexicon's name.
        :raises ApiError: ``LexiconNotFoundException`` if it does not exist.
        """
        if name not in self.lexicons:
            raise ApiError("LexiconNotFoundException", f"There is no lexicon {name}")
        return self.lexicons[name]

    def put(self, name: str, content: str, tags: dict[str, str] | None = None) -> None:
        """Store a lexicon, or replace the lexicon that already has this name.

        :param name: the lexicon's name.
        :param content: the PLS document.
        :param tags: the tags, by key.
        :raises ApiError: if Polly would reject the lexicon.
        """
        lexicon = parse_lexicon(name, content, self._languages)
        if name not in self.lexicons and len(self.lexicons) >= MAX_LEXICONS:
            raise ApiError(
                "MaxLexiconsNumberExceededException", f"The region already has {MAX_LEXICONS} lexicons"
            )
        lexicon.modified = self._clock.time()
        lexicon.tags = check_tags(tags or {})
        self.lexicons[name] = lexicon

    def tagged(self, arn: str) -> Lexicon:
        """Return a lexicon by its ARN.

        :param arn: the ARN in the request.
        :raises ApiError: ``ResourceNotFoundException`` if there is no such lexicon;
            ``InvalidTagParameterException`` if the value is not the ARN of a lexicon.
        """
        if not _ARN.fullmatch(arn):
            raise ApiError("InvalidTagParameterException", "The resource must be the ARN of a lexicon")
        name = arn.rpartition("lexicon/")[2]
        if arn != arn_of(name, self._region) or name not in self.lexicons:
            raise ApiError(
                "ResourceNotFoundException",
                f"There is no resource {arn[:200]}",
                resourceId=arn[:200],
                resourceType="lexicon",
            )
        return self.lexicons[name]


def check_tags(tags: dict[str, str]) -> dict[str, str]:
    """Check tags against AWS's rules, and return a copy of them.

    :param tags: the tags, by key.
    :raises ApiError: ``TooManyTagsException`` or ``InvalidTagParameterException``.
    """
    if len(tags) > MAX_TAGS:
        raise ApiError("TooManyTagsException", f"A resource can have at most {MAX_TAGS} tags")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise ApiError("InvalidTagParameterException", "A tag key must not begin with aws:")
    return dict(tags)
