from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_polly_provider.document.html_blocks import read_html_content
from airflow_polly_provider.document.html_chapters import read_html
from airflow_polly_provider.document.html_rules import is_link_sign
from tests.unit.document.examples import many

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def texts(markup: str) -> list[str]:
    return [block.text for block in read_html_content(markup).blocks]


XHTML = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>'


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>one</p><p>two</p>", ["one", "two"]),
        ("<p>one<p>two", ["one", "two"]),
        ("<p>H<sub>2</sub>O and <b>bo</b>ld,\n  <i>it</i> is</p>", ["H2O and bold, it is"]),
        ("<p>one<br>two<br/>three</br>four</p>", ["one\ntwo\nthree\nfour"]),
        ("<div>one<div>two</div>three</div>", ["one", "two", "three"]),
        ("<ul><li>one<li>two<ul><li>inner</ul></ul>", ["one", "two", "inner"]),
        ("<table><tr><td>a<td>b<tr><th>c</table>", ["a", "b", "c"]),
        ("<dl><dt>term<dd>meaning</dl>", ["term", "meaning"]),
        ("<pre>  first\n    second\n\nthird</pre>", ["first\nsecond\n\nthird"]),
        ("a&nbsp;b &amp; &lt;c&gt; &eacute; &#233; &#x1F600;", ["a\u00a0b & <c> é é 😀"]),
        ("<p>&nbsp;</p><p>text", ["text"]),
        ("one<hr>two", ["one", "two"]),
        ("two < three, 4<5 <3", ["two < three, 4<5 <3"]),
        ("<p>A &unknown; entity", ["A &unknown; entity"]),
        ("&#" + "9" * 5000 + ";a&#0000000000065;", ["\ufffdaA"]),
        ("<p>soft\u00adhyphen\u0007 and bell", ["soft\u00adhyphen and bell"]),
    ],
)
def test_blocks_become_paragraphs_and_inline_elements_change_no_white_space(
    markup: str, expected: list[str]
) -> None:
    assert texts(markup) == expected


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>no()</script>",
        "<SCRIPT>if (a </b) no()</SCRIPT >",
        "<style>no</style>",
        "<template>no</template>",
        "<title>no</title>",
        "<nav>no</nav>",
        "<noscript>no</noscript>",
        "<!-- no <p>no</p> -->",
        "<!---->",
        "<!-->",
        "<?php no ?>",
        "<span hidden>no</span>",
        "<span hidden>no <span>no</span> no</span>",
        "<span aria-hidden='true'>no</span>",
        "<span style='color:red; display: none'>no</span>",
        "<span style=VISIBILITY:HIDDEN>no</span>",
        "<img src=a.png alt=no>",
        "<svg><title>no</title><text>no</text></svg>",
        "<object data=a.svg>no</object>",
        "<span epub:type='pagebreak' title='12'>12</span>",
        "<a epub:type='noteref' href='#n'>1</a>",
        "<a role='doc-noteref' href='notes.xhtml#n'>1</a>",
        "<sup><a href='#n'>1</a></sup>",
        "<a href='#n'><sup>[12]</sup></a>",
        "<sup class=ref>[<a href='#n'>a</a>]</sup>",
        "<a class=headerlink href='#top'>¶</a>",
        "<aside epub:type='footnote'>no</aside>",
        "<section role='doc-endnotes'><p>no</p></section>",
    ],
)
@pytest.mark.parametrize("start", ["", XHTML])
def test_what_is_not_spoken_leaves_no_trace(hidden: str, start: str) -> None:
    # In HTML, a note between the words is a block, which ends the paragraph.
    assert " ".join(texts(f"{start}<span>before{hidden}</span> after")) == "before after"


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>E=mc<sup>2</sup>", ["E=mc2"]),
        ("<p><sup><a href='#top'>Back to the top</a></sup>", ["Back to the top"]),
        ("<p><a href='#x'>1</a>", ["1"]),
        ("<figure><img alt=no><figcaption>Caption</figcaption></figure>", ["Caption"]),
        ("<p>before <img src=a.png alt=no> after</p>", ["before after"]),
        ("<p>one <svg/> two</p>", ["one two"]),
        ("<p><span aria-hidden=false>yes</span>", ["yes"]),
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</rt></ruby>です", ["漢字です"]),
        ("<ruby>漢<rt>かん<rt>x</ruby>です", ["漢です"]),
        (XHTML + "<p>A word<aside epub:type='footnote'>no</aside>, and more</p>", ["A word, and more"]),
    ],
)
def test_text_near_what_is_not_spoken_is_kept(markup: str, expected: list[str]) -> None:
    assert texts(markup) == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p hidden>no<p>yes", ["yes"]),
        ("<div><span hidden>no</div>yes", ["yes"]),
        ("<ul><li hidden>no<li>yes</ul>", ["yes"]),
        ("<table><tr><td hidden>no<td>yes</table>", ["yes"]),
        ("<section><div hidden>no</section>yes", ["yes"]),
        ("<b><span hidden>no</b>yes", ["yes"]),
        ("<h2 hidden>no</h1>yes", ["yes"]),
        ("<p hidden>no<hr>yes", ["yes"]),
        ("</div></p></span>yes</b>", ["yes"]),
        ("<b><p>one</b>two</p>", ["onetwo"]),
        ("<i><b>one</i>two</b>three", ["onetwothree"]),
        ("<p class=a'b title=x>yes", ["yes"]),
        ("<a href=x/y>yes</a>", ["yes"]),
        ("<p title='a > b'>yes", ["yes"]),
        ('<p title="it\'s" a="<b>">yes', ["yes"]),
        ("<p title='>yes <b>more</b>", ["yes more"]),
        ("<!-- never closed >yes", ["yes"]),
        ("<![CDATA[a <b> &amp; c]]>d", ["a <b> &amp; cd"]),
        ("<![CDATA[a<b>c</b>", ["ac"]),
        ("<title/>yes", ["yes"]),
        ("<html><head><title/><script src='x'/><style/></head><body>yes", ["yes"]),
        ("<head><title>never closed<body>yes", ["yes"]),
        ("<p>yes<", ["yes<"]),
        ("<p>yes <b", ["yes <b"]),
        ("<!DOCTYPE html [<!ENTITY a 'no>'>]>yes", ["yes"]),
        (
            "<x:html xmlns:x='http://www.w3.org/1999/xhtml'><x:p>one</x:p><x:p>t<x:b>w</x:b>o</x:p>",
            ["one", "two"],
        ),
        ("<p>Word<o:p></o:p>s", ["Words"]),
        ("<h1>Title<p>one<p>two", ["Title", "one", "two"]),
        ("<svg:svg/>yes<div hidden/>more", ["yes", "more"]),
    ],
)
def test_malformed_markup_loses_no_text(markup: str, expected: list[str]) -> None:
    assert texts(markup) == expected


def test_each_heading_begins_a_chapter_and_is_spoken() -> None:
    document = read_html(
        "<html lang=de><title>The <b>Title</title><meta name=author content='Ann B.'>Before<h1>One<br>I</h1>"
        "<p>first</p><h3>Part</h3><h2><img alt=no></h2><p>second"
    )
    assert (document.title, document.author, document.language) == ("The <b>Title", "Ann B.", "de")
    assert [(chapter.title, chapter.level, chapter.text) for chapter in document.chapters] == [
        (None, 1, "Before"),
        ("One I", 1, "One\nI\n\nfirst"),
        ("Part", 3, "Part\n\nsecond"),
    ]


def test_an_id_belongs_to_the_paragraph_with_text_after_it() -> None:
    content = read_html_content(
        "<p id=a>one<a name=b></a></p><p></p><h1><span id=c></span>two <i id=d>x</i></h1><a id=e></a>"
    )
    assert content.anchors == {"a": 0, "b": 1, "c": 1, "d": 1, "e": 2}


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp", "Cf", "Cs"]), min_size=1
)
INLINE = st.sampled_from(("b", "i", "em", "span", "a href='x#y'", "code", "q", "small title='a>b'", "u id=z"))
FORBIDDEN = dict.fromkeys(map(ord, "<&\ufffe\uffff"))


@st.composite
def marked_up(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Return text with random inline markup, well-formed or not, and its words and spaces."""
    markup: list[str] = []
    plain: list[str] = []
    for _ in range(draw(st.integers(1, 8))):
        word = draw(WORDS).translate(FORBIDDEN) or "x"
        plain.append(word)
        tag = draw(INLINE)
        markup += [
            f"<{tag}>" * draw(st.integers(0, 2)),
            word,
            f"</{tag.split()[0]}>" * draw(st.integers(0, 2)),
        ]
        if draw(st.booleans()):
            plain.append(" ")
            markup.append(draw(st.sampled_from((" ", "\n", " \t\r\n", "<!-- x --> "))))
    return "".join(markup), plain


@given(marked_up())
@many
def test_text_in_any_inline_markup_is_preserved(example: tuple[str, list[str]]) -> None:
    markup, plain = example
    # The only text in a link that is dropped is a sign, as beside a heading.
    assume(not any(is_link_sign(word) for word in plain))
    assert texts(f"<p>{markup}</p>") == ["".join(plain).strip(" ")]


PARTS = st.sampled_from(
    (
        *("<", ">", "/", "</", "<p>", "</p>", "<b", "<div hidden>", "</div>", "<h1>", "</h1>", "<sup>"),
        "</sup>",
        *("<a href='#x'>", "</a>", "<!--", "-->", "<![CDATA[", "]]>", "<script>", "</script>", "<title>"),
        "<?",
        *("='", "'", '"', "<p title=", "<li>", "<ul>", "<td>", "<pre>", "<ruby>", "<rt>", "<br>", "&"),
        *("&#", "x"),
        *(
            "&amp;",
            " ",
            "\n",
            "<!DOCTYPE x [",
            "]",
            "<svg/>",
            "<x:y>",
            "</x>",
            "<span hidden>",
            "</span>",
            "1",
        ),
    )
)


@given(st.lists(PARTS, max_size=40).map("".join))
@many
def test_random_markup_is_read_without_an_error(markup: str) -> None:
    read_html_content(markup)


HOSTILE = (
    *("<", "<a ", "<a b='", '<a b=">', "</a ", "<!--", "<!-- -", "<![CDATA[", "<!DOCTYPE [", "<?", "&#", "&"),
    *("<div>", "<b>", "<div><b>", "</div>", "<li>", "<p id=a>", "<a id=b></a>", "<sup><a href='#x'>", "<h1>"),
    *("<script>", "<title>", "<textarea>", "<ruby><rt>", "<a b='>'", "<div hidden>", "<br>", "<i></b>"),
    "<p>x",
    *(" \n", "<pre>\n ", "<td><div>", "<span>x<a href='#'>", "<a =", "<a b=c", "]]>", "<b><div></b>", "<p/>"),
)


def steps_of(work: Callable[[], object]) -> int:
    """Return the number of calls that a function makes, including calls of functions in C."""
    steps = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal steps
        steps += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return steps


@pytest.mark.parametrize("part", HOSTILE)
def test_the_number_of_steps_is_proportional_to_the_length(part: str) -> None:
    few = steps_of(lambda: read_html_content(part * 500))
    assert steps_of(lambda: read_html_content(part * 2000)) <= 4.2 * few + 100
