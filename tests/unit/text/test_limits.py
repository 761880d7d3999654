from __future__ import annotations

import time
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.text.limits import (
    MAX_TOTAL_CHARACTERS,
    billed_characters,
    total_characters,
)

# The characters that XML allows, except the carriage return, which a parser converts to a line feed.
characters = st.characters(
    exclude_categories=["Cs", "Cc"], include_characters="\t\n", exclude_characters="\ufffe\uffff"
)
texts = st.text(characters, max_size=60)
tags = st.sampled_from(["s", "p", "prosody", "w", "amazon:effect"])


@st.composite
def ssml_documents(draw: st.DrawFn) -> tuple[str, str]:
    """Return an SSML document and its text without the tags."""
    parts: list[str] = []
    spoken: list[str] = []
    for text in draw(st.lists(texts, max_size=5)):
        spoken.append(text)
        tag = draw(tags)
        attribute = quoteattr(draw(texts)).replace("\n", " ")
        parts.append(f"<{tag} name={attribute}>{escape(text)}</{tag}>")
        parts.append(draw(st.sampled_from(["", '<break time="1s"/>', "<!-- not <b>spoken</b> -- -->"])))
    return f"<speak>{''.join(parts)}</speak>", "".join(spoken)


class TestBilledCharacters:
    @given(st.text())
    def test_plain_text_is_billed_by_its_length(self, text: str) -> None:
        assert billed_characters(text, ssml=False) == len(text)

    @given(ssml_documents())
    def test_ssml_is_billed_by_the_length_of_its_text_without_tags(self, document: tuple[str, str]) -> None:
        ssml, spoken = document
        assert billed_characters(ssml, ssml=True) == len(spoken)

    @given(st.text())
    def test_billed_characters_never_exceed_the_length_of_the_text(self, text: str) -> None:
        assert 0 <= billed_characters(text, ssml=True) <= len(text)

    @pytest.mark.parametrize(
        ("ssml", "billed"),
        [
            ("<speak>Hi</speak>", 2),
            ("<speak>a&amp;b &#228; &#xE4;</speak>", 7),
            ('<speak><sub alias="a > b">AB</sub></speak>', 2),
            ("<speak><!-- <p>no</p> -->yes</speak>", 3),
            ('<?xml version="1.0"?><speak>Hi</speak>', 2),
            ("<speak>\N{GRINNING FACE}</speak>", 1),
            ("<speak>a\r\nb</speak>", 3),
            ("\r\n <speak>a</speak> \r\n", 1),
            ("<speak><![CDATA[a < b > c &amp; d]]></speak>", 17),
            ("<speak><![CDATA[two\r\nlines]]></speak>", 9),
            ("<speak><?note a > b?>yes</speak>", 3),
            ("<!DOCTYPE speak><speak>yes</speak>", 3),
            ('<!DOCTYPE speak [<!ENTITY a "b > c">]>\r\n<speak>&a;<![CDATA[d&amp;]]></speak>\n', 7),
        ],
    )
    def test_tags_and_comments_are_not_billed(self, ssml: str, billed: int) -> None:
        assert billed_characters(ssml, ssml=True) == billed

    @pytest.mark.parametrize(
        "part",
        [
            *("<!--", "<", '<"', "<a '", "&", "&#", "<!-- -", "-->", "<![CDATA[", "<?", "<!DOCTYPE", "]]>"),
            *("<!DOCTYPE [", "<!DOCTYPE [] ", "<a>", "\r\n"),
        ],
    )
    def test_malformed_ssml_of_the_largest_size_is_counted_within_a_second(self, part: str) -> None:
        text = part * (MAX_TOTAL_CHARACTERS // len(part))
        began = time.process_time()
        billed_characters(text, ssml=True)
        assert time.process_time() - began < 1


class TestTotalCharacters:
    def test_plain_text_counts_by_its_length(self) -> None:
        assert total_characters(" a\r\n", ssml=False) == 4

    def test_ssml_counts_without_outer_white_space_and_with_crlf_as_one_character(self) -> None:
        assert total_characters("\r\n<p>a\r\nb</p> ", ssml=True) == len("<p>a\nb</p>")

    @given(st.text())
    def test_total_is_at_least_the_number_of_billed_characters(self, text: str) -> None:
        assert total_characters(text, ssml=True) >= billed_characters(text, ssml=True)
