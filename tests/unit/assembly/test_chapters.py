from __future__ import annotations

import io
import json
import wave
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.assembly.chapters import (
    chapter_times,
    duration_seconds,
    file_header,
    podcast_chapters,
)
from airflow_polly_provider.assembly.manifest import ChapterRecord
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from tests.unit.assembly.documents import document, joined, planned
from tests.unit.audio.id3_reader import read_tag

if TYPE_CHECKING:
    from airflow_polly_provider.assembly.manifest import DocumentManifest


def book(**fields: Any) -> DocumentManifest:
    """Return a document of 1,000 samples per second: chapters of 3 s and 1 s, with a pause of 2 s between."""
    pieces = joined(planned(1, size=1000), planned(2, size=2000, pause_seconds=500.0), planned(3, size=1000))
    chapters = [ChapterRecord("One", 1, 2), ChapterRecord("Two", 1, 1)]
    return document(pieces, **{"chapters": chapters, **fields})


def test_times_include_the_pause_after_a_chapter() -> None:
    times = chapter_times(book())
    assert [(each.chapter.title, each.start, each.end) for each in times] == [
        ("One", 0, 5000),
        ("Two", 5000, 6000),
    ]
    assert [each.characters for each in times] == [180, 90]


def test_duration_is_the_end_of_the_last_chapter() -> None:
    assert duration_seconds(book()) == 6.0


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 10**6), st.sampled_from([0.0, 0.5, 60.0])), max_size=3), max_size=5
    )
)
def test_chapters_follow_each_other_without_gaps(parts: list[list[tuple[int, float]]]) -> None:
    pieces = joined(*(planned(1, size=size, pause_seconds=pause) for part in parts for size, pause in part))
    manifest = document(pieces, chapters=[ChapterRecord(None, 1, len(part)) for part in parts])
    end = 0
    for each in chapter_times(manifest):
        assert each.start == end
        end = each.end
    assert end / 1000 == duration_seconds(manifest)


class TestFileHeader:
    def test_of_an_mp3_file_has_the_chapters_and_the_names(self) -> None:
        manifest = book(title="A Book", author="A. Writer", language="en-GB")
        tag = read_tag(file_header(manifest, 4000))
        assert tag.texts == {"TIT2": "A Book", "TPE1": "A. Writer", "TLAN": "eng"}
        assert tag.tree() == ["One", "Two"]
        assert tag.entries["ch1"].times == (5000, 6000)

    def test_of_a_section_is_inside_its_chapter(self) -> None:
        chapters = [ChapterRecord("One", 1, 1), ChapterRecord("A section", 2, 1), ChapterRecord("Two", 1, 1)]
        tag = read_tag(file_header(book(chapters=chapters), 4000))
        assert tag.tree() == [("One", ["One", "A section"]), "Two"]

    @pytest.mark.parametrize("title", [None, "", "\x7f", "\x85 \u2028"])
    def test_numbers_a_chapter_without_a_title_that_can_be_shown(self, title: str | None) -> None:
        """Otherwise the file could not be written after its pieces have been paid for."""
        manifest = book(chapters=[ChapterRecord("One", 1, 2), ChapterRecord(title, 1, 1)])
        assert read_tag(file_header(manifest, 4000)).tree() == ["One", "Chapter 2"]
        assert json.loads(podcast_chapters(manifest))["chapters"][1]["title"] == "Chapter 2"

    def test_of_deeply_nested_chapters_is_written(self) -> None:
        """Otherwise the file could not be written after its pieces have been paid for."""
        chapters = [ChapterRecord("One", 1, 1), ChapterRecord("Deep", 40, 1), ChapterRecord("Deeper", 50, 1)]
        assert read_tag(file_header(book(chapters=chapters), 4000)).tree() == [
            ("One", ["One", "Deep", "Deeper"])
        ]

    def test_of_a_wav_file_states_the_size(self) -> None:
        manifest = book(output_format="pcm", container="wav")
        with wave.open(io.BytesIO(file_header(manifest, 4000) + bytes(4000))) as file:
            assert (file.getframerate(), file.getnframes()) == (1000, 2000)

    def test_of_a_wav_file_that_is_too_large_is_an_error_without_a_retry(self) -> None:
        with pytest.raises(PollyInvalidRequestError, match="at most 4 GiB"):
            file_header(book(output_format="pcm", container="wav"), 1 << 32)

    @pytest.mark.parametrize("output_format", ["pcm", "mulaw", "alaw"])
    def test_of_raw_samples_is_empty(self, output_format: str) -> None:
        assert file_header(book(output_format=output_format), 4000) == b""


def test_podcast_chapters_have_the_titles_and_times() -> None:
    assert json.loads(podcast_chapters(book(title="A Book", author="A. Writer"))) == {
        "version": "1.2.0",
        "title": "A Book",
        "author": "A. Writer",
        "chapters": [
            {"startTime": 0, "endTime": 5.0, "title": "One"},
            {"startTime": 5.0, "endTime": 6.0, "title": "Two"},
        ],
    }
