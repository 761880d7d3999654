from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.compat import AirflowFailException
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.validation import build_request, build_speech_request
from airflow_polly_provider.text import ssml
from airflow_polly_provider.text.limits import MAX_TOTAL_CHARACTERS
from airflow_polly_provider.text.well_formed import validate_well_formed

if TYPE_CHECKING:
    from collections.abc import Callable

# The characters that XML 1.0 allows: https://www.w3.org/TR/xml/#charsets
xml_texts = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"], include_characters="\t\n\r", exclude_characters="\ufffe\uffff"
    )
)

WELL_FORMED = {
    "plain": "<speak>Hello</speak>",
    "white space around it": " \t\r\n<speak>Hello</speak>\n ",
    "Windows line ends": "<speak>\r\nHello\r\n</speak>\r\n",
    "a byte order mark": "\ufeff<speak>Hello</speak>",
    "Polly's own tags": '<speak><amazon:effect name="drc">Hello</amazon:effect></speak>',
    "a declared namespace": '<speak xmlns="http://www.w3.org/2001/10/synthesis" version="1.0">Hello</speak>',
    "a comment": "<!-- a & b --><speak>Hello<!-- <p> --></speak><!-- end -->",
    "CDATA": "<speak><![CDATA[Q & A <b>]]></speak>",
    "a processing instruction": "<?xml-stylesheet href='x'?><speak><?pause & <?>Hello</speak>",
    "character references": "<speak>&#65;&#x1F600;&#13;</speak>",
    "XML's own entities": "<speak>&amp;&lt;&gt;&quot;&apos;</speak>",
    "apostrophes around a value": "<speak><sub alias='a \"b\" > c'>x</sub></speak>",
    "an unknown tag": "<speak><shout>Hello</shout></speak>",
    "another root": "<p>Hello</p>",
    "characters outside the basic plane": "<speak>\N{GRINNING FACE}\x85\u2028</speak>",
    "an encoding": '<?xml version="1.0" encoding="UTF-8"?><speak>Grüße</speak>',
    "another encoding than UTF-8": '<?xml version="1.0" encoding="UTF-16"?><speak>Grüße</speak>',
    "an unknown encoding": '<?xml version="1.0" encoding="klingon"?><speak>Grüße</speak>',
    "W3C's document type": '<!DOCTYPE speak PUBLIC "-//W3C//DTD SYNTHESIS 1.0//EN" "synthesis.dtd"><speak/>',
    "an entity of an external document type": '<!DOCTYPE speak SYSTEM "x.dtd"><speak>&nbsp;</speak>',
    "an internal entity": '<!DOCTYPE speak [<!ENTITY co "A & B">]><speak>&co;</speak>',
    "a parameter entity": '<!DOCTYPE speak [<!ENTITY % co "x"> %co;]><speak>Q & A</speak>',
    "an external entity": '<!DOCTYPE speak [<!ENTITY co SYSTEM "x">]><speak>&co; & A</speak>',
    "a name of the fourth edition": "<speak><größe>Hello</größe></speak>",
}

# By case: the document, the words in the error, and the position (line and column, starting at 1).
MALFORMED = {
    "ampersand": ("<speak>Q & A</speak>", "not well-formed (invalid token)", (1, 11)),
    "ampersand on a later line": ("<speak>\r\n\N{GRINNING FACE}é & A</speak>", "invalid token", (2, 5)),
    "less-than sign": ("<speak>\n\n1 < 2</speak>", "invalid token", (3, 4)),
    "undefined entity": ("<speak>a&nbsp;b</speak>", "undefined entity", (1, 9)),
    "value without quotes": ("<speak><break time=1s/></speak>", "invalid token", (1, 20)),
    "attribute twice": ('<speak><p a="1" a="2"/></speak>', "duplicate attribute", (1, 17)),
    "mismatched tag": ("<speak><p>a</speak>", "mismatched tag", (1, 14)),
    "no end tag": ("<speak>Hello", "no element found", (1, 13)),
    "tag that is cut off": ("<speak>Hello</speak", "unclosed token", (1, 13)),
    "two roots": ("<speak/>\n<speak/>", "junk after document element", (2, 1)),
    "no markup": ("Hello", "syntax error", (1, 1)),
    "control character": ("<speak>a\x0b</speak>", "invalid token", (1, 9)),
    "the word for an entity in a comment": (
        "<speak><!-- <!ENTITY -->Q & A</speak>",
        "invalid token",
        (1, 28),
    ),
    "the word for an entity in CDATA": ("<speak><![CDATA[<!ENTITY]]>Q & A</speak>", "invalid token", (1, 31)),
    "the word for an entity in the body": ('<speak><!ENTITY a "b"></speak>', "invalid token", (1, 10)),
    "an XML declaration after white space": (
        '\n <?xml version="1.0"?><speak/>',
        "XML or text declaration not at start of entity",
        (2, 2),
    ),
    "lone surrogate": ("<speak>ab\ud83d</speak>", "invalid token", (1, 10)),
}


@pytest.mark.parametrize("document", WELL_FORMED.values(), ids=WELL_FORMED)
def test_ssml_that_expat_can_read_is_accepted(document: str) -> None:
    validate_well_formed(document)


@pytest.mark.parametrize(("document", "what", "place"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_ssml_is_refused_with_line_and_column(
    document: str, what: str, place: tuple[int, int]
) -> None:
    with pytest.raises(PollyInvalidRequestError) as refused:
        validate_well_formed(document)
    assert what in str(refused.value)
    assert f"at line {place[0]}, column {place[1]}." in str(refused.value)
    assert isinstance(refused.value, AirflowFailException), "Airflow retries everything else"


@given(xml_texts, xml_texts)
def test_escaped_text_and_quoted_values_are_always_accepted(text: str, value: str) -> None:
    validate_well_formed(f"<speak><sub alias={quoteattr(value)}>{escape(text)}</sub></speak>")
    validate_well_formed(str(ssml.speak(ssml.sub(text, alias=f"x{value}"))))


@given(st.text(st.characters(codec=None)))
def test_the_refusal_of_malformed_ssml_never_quotes_the_text(text: str) -> None:
    with pytest.raises(PollyInvalidRequestError) as refused:
        validate_well_formed(f"<speak>secret {text} secret")
    assert "secret" not in str(refused.value)


ENTITY_BOMBS = {
    "billion laughs": "".join(
        [
            '<!DOCTYPE speak [<!ENTITY a0 "ha">',
            *(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)),
            "]><speak>&a11;</speak>",
        ]
    ),
    "one long entity, many times": (
        f'<!DOCTYPE speak [<!ENTITY a "{"a" * 90_000}">]><speak>{"&a;" * 30_000}</speak>'
    ),
    "in a value": (
        f'<!DOCTYPE speak [<!ENTITY a "{"a" * 90_000}">]><speak><mark name="{"&a;" * 30_000}"/></speak>'
    ),
}
ENDLESS = {
    "tags within tags": f"<speak>{'<p>' * ((MAX_TOTAL_CHARACTERS - 15) // 7)}",
    "comments that never end": "<speak>" + "<!--" * (MAX_TOTAL_CHARACTERS // 4),
}


@pytest.mark.parametrize("document", ENTITY_BOMBS.values(), ids=ENTITY_BOMBS)
def test_entities_that_a_document_declares_are_not_expanded(document: str) -> None:
    """Expat ends an expansion of this size with an error."""
    with pytest.raises(expat.ExpatError, match="amplification"):
        expat.ParserCreate().Parse(document, True)
    validate_well_formed(document)


@pytest.mark.parametrize("document", ENDLESS.values(), ids=ENDLESS)
def test_a_document_of_maximum_size_with_only_opening_markup_is_refused(document: str) -> None:
    with pytest.raises(PollyInvalidRequestError):
        validate_well_formed(document)


def test_the_error_for_an_xml_declaration_that_is_not_first_says_what_to_remove() -> None:
    with pytest.raises(PollyInvalidRequestError, match=r"very start\. Remove everything before it"):
        validate_well_formed(' <?xml version="1.0"?><speak>Hello</speak>')


class TestRequest:
    @pytest.fixture(params=[build_request, build_speech_request])
    def build(self, request: pytest.FixtureRequest) -> Callable[..., dict[str, str]]:
        def build(**changes: str) -> dict[str, str]:
            bucket = {"OutputS3BucketName": "my-bucket"} if request.param is build_request else {}
            given = {"OutputFormat": "mp3", "VoiceId": "Amy", "TextType": "ssml", **bucket}
            built: dict[str, str] = request.param(**given | changes)
            return built

        return build

    def test_with_malformed_ssml_is_refused(self, build: Callable[..., dict[str, str]]) -> None:
        with pytest.raises(PollyInvalidRequestError, match="SSML in text is not well-formed XML"):
            build(Text="<speak>Q & A</speak>")

    def test_with_plain_text_may_have_any_characters_of_xml(
        self, build: Callable[..., dict[str, str]]
    ) -> None:
        assert build(Text="Q & A <", TextType="text")["Text"] == "Q & A <"

    def test_with_malformed_ssml_raises_an_error_that_says_what_to_do(
        self, build: Callable[..., dict[str, str]]
    ) -> None:
        with pytest.raises(PollyInvalidRequestError, match=r"<speak>….*&amp;.*quotes.*ssml\.speak"):
            build(Text="Hello")

    @pytest.mark.parametrize(("text", "words"), [(" \n", "text is empty"), ("<" * 200_001, "too long")])
    def test_with_an_empty_or_too_long_text_is_refused_for_that_reason_first(
        self, build: Callable[..., dict[str, str]], text: str, words: str
    ) -> None:
        with pytest.raises(PollyInvalidRequestError, match=words):
            build(Text=text)
