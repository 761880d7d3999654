from __future__ import annotations

import sys

import pytest

from airflow_polly_provider.document.markdown_chapters import read_markdown
from airflow_polly_provider.exceptions import PollyInvalidRequestError


def text(source: str) -> str:
    return "\n\n".join(chapter.text for chapter in read_markdown(source).chapters)


def test_headings_of_both_kinds_begin_chapters() -> None:
    document = read_markdown("Before\n\n# One *two* #\ntext\n\n### Three\n\nFour\n====\nFive\n---\nx")
    assert [(chapter.title, chapter.level) for chapter in document.chapters] == [
        *((None, 1), ("One two", 1), ("Three", 3), ("Four", 1), ("Five", 2))
    ]
    assert document.chapters[1].text == "One two\n\ntext"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("soft\nbreak and  \nhard", "soft break and\nhard"),
        ("*a*b **c** ~~d~~ `e` \\*f\\* &eacute;", "ab c d e *f* é"),
        ("[text](http://x.org 'title'), [ref][r]\n\n[r]: http://y.org", "text, ref"),
        ("See <https://x.org/y>, <mail@x.org>.", "See , mail@x.org."),
        ("before ![no](a.png) after", "before after"),
        ("a<!-- no -->b <b>c</b><br>d\n\n<!-- no\n\nno -->\n\n<div>e <i>f</i></div>", "ab c\nd\n\ne f"),
        ("- a\n- b\n  1. c\n\n> d\n> e", "a\n\nb\n\nc\n\nd e"),
        ("| a | b |\n|---|---|\n| *c* | d |", "a\n\nb\n\nc\n\nd"),
        ("a\n\n```py\nno\n```\n\n    no\n\nb", "a\n\nb"),
        ("a[^1] b[^note].\n\n[^1]: no\n\n[^note]: no at *all*", "a b."),
        ("a[^1]\n\n[^1]: word", "a"),
        ("a\r\nb\r\n\r\nc", "a b\n\nc"),
        ("a\n\n---\n\nb", "a\n\nb"),
        (">" * 150 + " deep", "deep"),
        ("- " * 150 + "deep", "deep"),
    ],
)
def test_only_the_text_of_blocks_is_spoken(source: str, expected: str) -> None:
    assert text(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("---\ntitle: A: B # no\nauthor: 'Ann # B'\nlang: de\n---\ntext", ("A: B", "Ann # B", "de")),
        (
            '---\nTitle: "T"\nauthor:\n  - Ann\n  - "Bob"\nlanguage: en-GB\n...\ntext',
            ("T", "Ann, Bob", "en-GB"),
        ),
        ("---\n# no\nauthor: [Ann, 'Bob']\ntitle: |\n  no\n---\ntext", (None, "Ann, Bob", None)),
        ("---\n---\ntext", (None, None, None)),
        ("---\ntitle: {a: b}\nauthor: [[[[[[\n---\ntext", (None, None, None)),
    ],
)
def test_front_matter_gives_the_metadata_and_is_not_spoken(
    source: str, expected: tuple[str | None, ...]
) -> None:
    document = read_markdown(source)
    assert (document.title, document.author, document.language) == expected
    assert document.chapters[0].text == "text"


@pytest.mark.parametrize("source", ["---\nA text\n\n---\nmore", "---\ntitle: never closed\n\ntext"])
def test_a_text_between_rules_is_not_front_matter(source: str) -> None:
    assert text(source).split("\n")[0] in ("A text", "title: never closed")


def test_without_the_markdown_parser_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "markdown_it", None)
    with pytest.raises(
        PollyInvalidRequestError, match=r"need the package markdown-it-py.*airflow-polly-provider\[markdown\]"
    ):
        read_markdown("text")


@pytest.mark.parametrize("part", ["> ", "- ", "["])
def test_markdown_that_is_nested_too_deeply_is_refused_instead_of_losing_text(part: str) -> None:
    with pytest.raises(PollyInvalidRequestError, match="too many nested lists, quotes or brackets"):
        read_markdown(part * 3000 + "deep")
