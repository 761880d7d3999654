from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.assembly import source
from airflow_polly_provider.assembly.planning import Passage, Section
from airflow_polly_provider.assembly.source import read_source, section_of_turns, sections_of
from airflow_polly_provider.compat import DAG, ObjectStoragePath
from airflow_polly_provider.document.turns import read_turns
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.operators.document import PollySynthesizeDocumentOperator
from airflow_polly_provider.text import ssml
from tests.unit.support import as_context, context

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.document.model import Document

BOOK = "# One\n\nFirst {{ word }}.\n\n# Two\n\nSecond."
PAGE = "<h1>One</h1><p>First.</p>"
EPUB = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="book.opf"/></rootfiles></container>',
    "book.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest>'
    '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
    '<spine><itemref idref="a"/></spine></package>',
    "a.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{PAGE}</body></html>',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with template files, inside another one with a file."""
    inner = tmp_path / "dags"
    inner.mkdir()
    (inner / "book.md").write_text(BOOK)
    (inner / "page.html").write_text(PAGE)
    (inner / "speech.ssml").write_text("<speak>Hello.</speak>")
    for path in (inner / "book.epub", tmp_path / "outside.epub"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in EPUB.items():
                archive.writestr(name, content)
    return inner


def read(
    document: Any,
    folder: Path | None = None,
    *,
    text_type: str | None = None,
    may_name_file: bool = True,
    max_characters: int = 1000,
) -> Document:
    searched = None if folder is None else [str(folder)]
    with DAG("d", start_date=datetime(2025, 1, 1, tzinfo=UTC), schedule=None, template_searchpath=searched):
        operator = PollySynthesizeDocumentOperator(
            task_id="speak", document="a", output_s3_bucket_name="my-bucket", output_s3_key="a.mp3"
        )
    return read_source(
        operator,
        document,
        text_type,
        as_context({**context(), "word": "word"}),
        may_name_file=may_name_file,
        hook_parameters={},
        max_characters=max_characters,
    )


def chapters(document: Document) -> list[tuple[str | None, str, str]]:
    return [(chapter.title, chapter.text, chapter.text_type) for chapter in document.chapters]


class TestText:
    @pytest.mark.parametrize(
        "text",
        [
            "Hello.",
            "Read me in book.txt",
            "# No heading\n\nbook.md",
            "  Hello <b>there</b> & {{ not a template }}.\n",
            "book.pdf",
        ],
    )
    def test_is_one_chapter_as_it_is(self, text: str, folder: Path) -> None:
        assert chapters(read(text, folder)) == [(None, text, "text")]

    def test_that_may_not_name_a_file_is_a_text(self, folder: Path) -> None:
        for text in ("book.md", "/etc/book.txt", "s3://bucket/book.txt"):
            assert chapters(read(text, folder, may_name_file=False)) == [(None, text, "text")]

    def test_is_ssml_if_text_type_says_so(self) -> None:
        text = "<speak>Hello.</speak>"
        assert chapters(read(text, text_type="ssml")) == [(None, text, "ssml")]
        assert chapters(read(text)) == chapters(read(text, text_type="text")) == [(None, text, "text")]

    def test_of_an_ssml_function_is_ssml(self) -> None:
        made = ssml.speak("Tea & ", ssml.emphasis("cake"))
        for text_type in (None, "ssml"):
            assert chapters(read(made, text_type=text_type)) == [(None, str(made), "ssml")]

    def test_of_an_ssml_function_is_refused_as_text(self) -> None:
        with pytest.raises(PollyInvalidRequestError, match="Remove text_type"):
            read(ssml.speak("Tea"), text_type="text")

    @pytest.mark.parametrize("text_type", ["SSML", "html", "", "None"])
    def test_of_an_unknown_type_is_refused(self, text_type: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match="text_type must be 'text' or 'ssml', not"):
            read("Hello.", text_type=text_type)

    @pytest.mark.parametrize("text", ["", " \n ", "\u200b\ufeff"])
    def test_without_speech_is_refused(self, text: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match="nothing to speak"):
            read(text)

    def test_above_the_limit_is_refused_without_being_quoted(self) -> None:
        with pytest.raises(PollyInvalidRequestError, match=r"11 billed .* the maximum is 10") as error:
            read("zebra zebra", max_characters=10)
        assert "zebra" not in str(error.value)


class TestTemplateFile:
    def test_is_rendered_and_read_in_its_format(self, folder: Path) -> None:
        assert chapters(read("book.md", folder)) == [
            ("One", "One\n\nFirst word.", "text"),
            ("Two", "Two\n\nSecond.", "text"),
        ]
        assert chapters(read(" page.html\n", folder)) == [("One", "One\n\nFirst.", "text")]
        assert chapters(read("speech.ssml", folder)) == [(None, "<speak>Hello.</speak>", "ssml")]

    def test_with_an_epub_is_read(self, folder: Path) -> None:
        assert chapters(read("book.epub", folder)) == [("One", "One\n\nFirst.", "text")]

    @pytest.mark.parametrize("name", ["missing.md", "missing.epub", "other/book.MD"])
    def test_that_is_missing_is_refused(self, name: str, folder: Path) -> None:
        with pytest.raises(PollyInvalidRequestError, match=r"names the .*file .* none of: .*dags"):
            read(name, folder)

    @pytest.mark.parametrize("name", ["../outside.epub", "../dags/book.md", "a/../../outside.epub"])
    def test_outside_of_the_folders_is_refused(self, name: str, folder: Path) -> None:
        (folder / "a").mkdir()
        with pytest.raises(PollyInvalidRequestError, match="none of"):
            read(name, folder)

    def test_with_an_epub_that_is_too_large_is_refused(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(source, "MAX_FILE_BYTES", 100)
        with pytest.raises(PollyInvalidRequestError, match="longer than 100 bytes"):
            read("book.epub", folder)


class TestPath:
    def test_is_read_unrendered(self, folder: Path) -> None:
        path = folder / "book.md"
        for given in (str(path), f"file://{path}", ObjectStoragePath(f"file://{path}")):
            assert chapters(read(given))[0] == ("One", "One\n\nFirst {{ word }}.", "text")

    def test_may_contain_white_space_and_capital_letters(self, folder: Path) -> None:
        path = folder / "my page.HTML"
        path.write_text(PAGE)
        assert chapters(read(f"{path}\n")) == [("One", "One\n\nFirst.", "text")]

    def test_given_as_an_object_is_read_even_if_a_text_may_not_name_a_file(self, folder: Path) -> None:
        path = ObjectStoragePath(f"file://{folder}/page.html")
        assert chapters(read(path, may_name_file=False)) == [("One", "One\n\nFirst.", "text")]

    def test_with_an_unknown_extension_is_refused(self, folder: Path) -> None:
        with pytest.raises(PollyInvalidRequestError, match=r"unknown extension. Valid extensions: \.txt, "):
            read(ObjectStoragePath(f"file://{folder}/book.pdf"))

    def test_of_a_missing_file_is_refused(self, folder: Path) -> None:
        with pytest.raises(PollyInvalidRequestError, match="cannot find"):
            read(str(folder / "missing.md"))

    def test_of_a_file_that_is_too_large_is_refused(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(source, "MAX_FILE_BYTES", 10)
        with pytest.raises(PollyInvalidRequestError, match=r"longer than 10 bytes\. Split it"):
            read(str(folder / "book.md"))


def test_none_is_refused_with_the_likely_reason() -> None:
    with pytest.raises(PollyInvalidRequestError, match=r"document is None\. The upstream task"):
        read(None)


@pytest.mark.parametrize("document", [3, b"Hello.", ["Hello."], {"text": "Hello."}])
def test_value_of_another_type_is_refused(document: Any) -> None:
    with pytest.raises(PollyInvalidRequestError, match=f"not {type(document).__name__}"):
        read(document)


def test_each_chapter_is_a_section(folder: Path) -> None:
    assert sections_of(read("book.md", folder)) == [
        Section("One", 1, (Passage("One\n\nFirst word."),)),
        Section("Two", 1, (Passage("Two\n\nSecond."),)),
    ]


def test_all_turns_are_one_section() -> None:
    turns = [{"voice_id": "Amy", "text": "Hello.", "pause": 2}, {"voice_id": "Brian", "text": "Hi."}]
    passages = (Passage("Hello.", "text", "Amy", 2), Passage("Hi.", "text", "Brian"))
    assert section_of_turns(read_turns(turns)) == [Section(None, 1, passages)]
