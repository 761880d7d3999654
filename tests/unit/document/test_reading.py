from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.document.reading import SUFFIXES, read_document
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from tests.unit.document.epub_files import epub, page
from tests.unit.document.examples import many

SSML = '<speak>Hello <break time="1s"/>\r\n</speak>\n'


def read(content: bytes | str, suffix: str, max_characters: int = 1000) -> list[tuple[str | None, str, str]]:
    document = read_document(content, suffix, max_characters=max_characters)
    return [(chapter.title, chapter.text_type, chapter.text) for chapter in document.chapters]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a\r\nb\rc\n  d \n\n", "a\nb\nc\n  d \n\n"),
        (b"\xef\xbb\xbfcaf\xc3\xa9", "café"),
        ("\ufeffcafé".encode("utf-16-le"), "café"),
        ("\ufeffcafé".encode("utf-16-be"), "café"),
        ("page\fnext\x00\x1b[0m\ud800", "page\nnext[0m"),
        ("e\u0301 \u00e9", "e\u0301 \u00e9"),
    ],
)
def test_a_text_is_one_chapter_with_unchanged_text(content: bytes | str, text: str) -> None:
    assert read(content, ".txt") == [(None, "text", text)]


def test_ssml_is_one_unchanged_chapter() -> None:
    assert read(SSML, ".ssml") == [(None, "ssml", SSML)]
    assert read(SSML.encode(), ".SSML") == [(None, "ssml", SSML)]


@pytest.mark.parametrize("suffix", [".html", ".htm", ".xhtml", ".md", ".markdown"])
def test_marked_up_text_is_read(suffix: str) -> None:
    assert read(b"<h1>One</h1>\n\n<p>text</p>", suffix) == [("One", "text", "One\n\ntext")]


@pytest.mark.parametrize(
    ("markup", "encoding"),
    [
        ("<p>日本", "utf-16-le"),
        ("<p>日本", "utf-16-be"),
        ("\ufeff<p>日本", "utf-16-le"),
        ("<meta charset=shift_jis><p>日本", "shift_jis"),
        ("<meta http-equiv=Content-Type content='text/html; charset=EUC-JP'><p>日本", "euc_jp"),
        ("<?xml version='1.0' encoding='GB18030'?><p>日本", "gb18030"),
        ("<meta charset=utf-16><p>日本", "utf-8"),
        ("<p>日本", "utf-8"),
    ],
)
def test_html_is_decoded_as_a_browser_does(markup: str, encoding: str) -> None:
    assert read(markup.encode(encoding), ".html") == [(None, "text", "日本")]


def test_ssml_that_declares_an_entity_is_left_to_polly() -> None:
    document = '<!DOCTYPE speak [<!ENTITY a "text">]><speak>&a;</speak>'
    assert read(document, ".ssml") == [(None, "ssml", document)]


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    [
        (b"caf\xe9", ".txt", "document is not UTF-8: .* at byte 3. Convert it to UTF-8"),
        (b"\xff\xfea", ".md", "is not UTF-16-LE: truncated data at byte 2"),
        (b"<meta charset=klingon>x", ".html", "declares the encoding 'klingon'"),
        (b"<meta charset=iso-8859-99>x", ".html", "declares the encoding 'iso-8859-99'"),
        ("x", ".pdf", "Unknown kind of document: '.pdf'. Use a file with one of these suffixes: .txt, .md"),
        ("x", ".epub", "pass its bytes"),
        (" \n\u200b", ".txt", "nothing to speak"),
        ("```\ncode\n```", ".md", "nothing to speak"),
        ("<img alt=x>", ".html", "nothing to speak"),
        ("<speak> <break/></speak>", ".ssml", "nothing to speak"),
        ("<speak>", ".ssml", "not well-formed XML"),
        (epub({"one.xhtml": page("<img/>")}), ".epub", "nothing to speak"),
        ("x" * 1001, ".txt", "1,001 billed characters; the maximum is 1,000"),
    ],
)
def test_an_error_says_what_is_wrong(content: bytes | str, suffix: str, message: str) -> None:
    with pytest.raises(PollyInvalidRequestError, match=message):
        read(content, suffix)


def test_tags_of_ssml_do_not_count() -> None:
    assert read(SSML, ".ssml", max_characters=8)


CONTENTS = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            (
                *("# ", "---\n", "\n\n", "> ", "- ", "1. ", "```", "|", "[", "](", ")", "*", "_", "<b>"),
                *("</b>", "!["),
                *(
                    "<!--",
                    "-->",
                    "&amp;",
                    "a",
                    " ",
                    "title: x",
                    "[^1]",
                    "[^1]: ",
                    "\t",
                    "\\",
                    "~~",
                    "\r",
                    "<speak>",
                ),
                *("</speak>", "\x00", "\f", "\ud800", "=", "<div>\n", "<https://a.b>"),
            )
        ),
        max_size=40,
    ).map("".join),
)


@given(CONTENTS, st.sampled_from(SUFFIXES))
@many
def test_any_content_is_read_or_raises_the_error_for_invalid_requests(
    content: bytes | str, suffix: str
) -> None:
    with contextlib.suppress(PollyInvalidRequestError):
        for chapter in read_document(content, suffix, max_characters=1000).chapters:
            assert chapter.text.strip()
            # It can be sent, and be part of SSML.
            chapter.text.encode()
            assert chapter.text_type == "ssml" or not set(chapter.text) & set(map(chr, range(9)))
