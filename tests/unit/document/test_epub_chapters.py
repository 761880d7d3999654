from __future__ import annotations

import pytest

from airflow_polly_provider.document.epub_chapters import read_epub
from airflow_polly_provider.document.model import DocumentChapter
from tests.unit.document.epub_files import archive, epub, members_of, nav, ncx, page, point


def found(content: bytes) -> list[tuple[str | None, int, str]]:
    return [(chapter.title, chapter.level, chapter.text) for chapter in read_epub(content).chapters]


ONE = page('<h1>One</h1><p>first</p><h2 id="sub">Part</h2><p>second</p>')
TWO = page("<p>goes on</p>")
THREE = page("<h1>Three</h1><p>last</p>")
FILES = {"one.xhtml": ONE, "two.xhtml": TWO, "three.xhtml": THREE}


def test_an_epub_3_has_the_chapters_of_its_navigation_document() -> None:
    contents = nav(
        '<li><a href="one.xhtml">Chapter <b>One</b></a>'
        '<ol><li><a href="one.xhtml#sub">A part</a></li></ol></li>'
        '<li><span>Group</span><ol><li><a href="three.xhtml">Chapter Three</a></li></ol></li>'
    )
    assert found(epub({**FILES, "nav.xhtml": contents})) == [
        ("Chapter One", 1, "One\n\nfirst"),
        ("A part", 2, "Part\n\nsecond\n\ngoes on"),
        ("Chapter Three", 2, "Three\n\nlast"),
    ]


def test_an_epub_2_has_the_chapters_of_its_ncx() -> None:
    contents = ncx(
        point("One", "one.xhtml", point("Part", "one.xhtml#sub")) + point("Three", "three.xhtml#missing")
    )
    assert found(epub({**FILES, "toc.ncx": contents})) == [
        ("One", 1, "One\n\nfirst"),
        ("Part", 2, "Part\n\nsecond\n\ngoes on"),
        ("Three", 1, "Three\n\nlast"),
    ]


def test_without_a_table_of_contents_headings_begin_chapters() -> None:
    expected = [
        ("One", 1, "One\n\nfirst"),
        ("Part", 2, "Part\n\nsecond\n\ngoes on"),
        ("Three", 1, "Three\n\nlast"),
    ]
    assert found(epub(FILES)) == expected
    # Only one place, or mostly files that do not exist.
    assert found(epub({**FILES, "toc.ncx": ncx(point("Start", "one.xhtml"))})) == expected
    broken = "".join(point(f"{number}", f"x{number}.xhtml") for number in range(5))
    ok = point("One", "one.xhtml") + point("Three", "three.xhtml")
    assert found(epub({**FILES, "toc.ncx": ncx(broken + ok)})) == expected


def test_text_before_the_first_entry_is_a_chapter_without_title() -> None:
    contents = nav('<li><a href="two.xhtml">Two</a></li><li><a href="three.xhtml">Three</a></li>')
    assert found(epub({**FILES, "nav.xhtml": contents}))[0] == (None, 1, "One\n\nfirst\n\nPart\n\nsecond")


def test_metadata_comes_from_the_package_document() -> None:
    document = read_epub(epub(FILES))
    assert (document.title, document.author, document.language) == ("The Book", "Ann Author, Bob", "en-GB")


def test_entries_at_the_same_place_move_to_their_headings_or_share_a_title() -> None:
    part = page("<h1>PART ONE</h1><p>motto</p><h2>Chapter  1</h2><p>text</p>")
    contents = nav(
        '<li><a href="one.xhtml">Part One</a><ol><li><a href="one.xhtml">chapter 1</a></li></ol></li>'
        '<li><a href="two.xhtml">Two</a>'
        '<ol><li><a href="two.xhtml">Two</a></li><li><a href="two.xhtml">II</a></li></ol></li>'
    )
    assert found(epub({"one.xhtml": part, "two.xhtml": TWO, "nav.xhtml": contents})) == [
        ("Part One", 1, "PART ONE\n\nmotto"),
        ("chapter 1", 2, "Chapter 1\n\ntext"),
        ("Two: II", 1, "goes on"),
    ]


def test_entries_in_any_order_follow_the_text() -> None:
    contents = nav('<li><a href="three.xhtml">Three</a></li><li><a href="one.xhtml">One</a></li>')
    assert [title for title, _, _ in found(epub({**FILES, "nav.xhtml": contents}))] == ["One", "Three"]


def test_only_texts_in_the_reading_order_are_spoken() -> None:
    files = {
        **FILES,
        "nav.xhtml": nav('<li><a href="one.xhtml">One</a></li>'),
        "cover.xhtml": page('<img src="cover.png" alt="no"/>'),
        "notes.xhtml": page("<p>no</p>"),
        "map.svg": "<svg/>",
    }
    spine = (
        '<itemref idref="cover.xhtml"/><itemref idref="nav.xhtml"/><itemref idref="map.svg"/>'
        '<itemref idref="one.xhtml"/><itemref idref="one.xhtml"/><itemref idref="notes.xhtml" linear="no"/>'
    )
    assert found(epub(files, spine=spine)) == [("One", 1, "One\n\nfirst"), ("Part", 2, "Part\n\nsecond")]


def test_a_navigation_document_with_other_text_is_spoken() -> None:
    contents = nav('<li><a href="one.xhtml">One</a></li>').replace("<body>", "<body><p>Preface</p>")
    spine = '<itemref idref="nav.xhtml"/><itemref idref="one.xhtml"/>'
    assert "Preface" in found(epub({**FILES, "nav.xhtml": contents}, spine=spine))[0][2]


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("ein kapitel.xhtml", "ein%20kapitel.xhtml"),
        ("kapitel%20eins.xhtml", "kapitel%20eins.xhtml"),
        ("été & co.xhtml", "%C3%A9t%C3%A9%20&amp;%20co.xhtml"),
        ("text/one.xhtml", "./text/../text/one.xhtml"),
    ],
)
def test_references_are_decoded(name: str, reference: str) -> None:
    item = f'<item id="x" href="{reference}" media-type="application/xhtml+xml"/>'
    contents = ncx(point("A", reference) + point("B", f"{reference}#%C3%BC"))
    text = page('<p>first</p><p id="ü">second</p>')
    members = members_of({"toc.ncx": contents}, spine='<itemref idref="x"/>', items=item)
    content = archive({**members, f"OEBPS/{name}": text})
    assert found(content) == [("A", 1, "first"), ("B", 1, "second")]


def test_a_text_around_illustrations_and_notes_is_complete() -> None:
    body = (
        '<p>He saw <img src="a.png" alt="no"/> the ship<a epub:type="noteref" href="#n1">1</a>, and '
        '<span epub:type="pagebreak" id="p12" title="12">12</span>went<sup><a href="#n2">*</a></sup>.</p>'
        '<figure><img src="b.png"/><figcaption>The ship</figcaption></figure>'
        '<aside epub:type="footnote" id="n1"><p>no</p></aside><p>End</p>'
    )
    assert found(epub({"one.xhtml": page(body)})) == [
        (None, 1, "He saw the ship, and went.\n\nThe ship\n\nEnd")
    ]


def test_the_fallback_of_an_item_that_is_no_text_is_read() -> None:
    items = (
        '<item id="x" href="x.pdf" media-type="application/pdf" fallback="y"/>'
        '<item id="y" href="y.svg" media-type="image/svg+xml" fallback="one.xhtml"/>'
        '<item id="z" href="z.pdf" media-type="application/pdf" fallback="z"/>'
    )
    spine = '<itemref idref="x"/><itemref idref="z"/>'
    assert len(found(epub({"one.xhtml": ONE}, spine=spine, items=items))) == 2


def test_declared_encodings_are_used() -> None:
    latin = '<?xml version="1.0" encoding="iso-8859-1"?><html><body><p>café “x”</p></body></html>'
    utf_16 = "\ufeff" + latin.replace("iso-8859-1", "utf-16")
    for content in (
        latin.encode("cp1252"),
        utf_16.encode("utf-16-le"),
        latin.replace("iso", "ISO").encode("cp1252"),
    ):
        members = {**members_of({"one.xhtml": ""}), "OEBPS/one.xhtml": content}
        assert read_epub(archive(members)).chapters == (DocumentChapter(None, 1, "café “x”"),)
