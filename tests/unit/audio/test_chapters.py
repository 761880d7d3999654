"""Chapters: their times, the ID3 tag and the JSON file."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-untyped]  # it ships no types

from airflow_polly_provider.audio import id3_chapters
from airflow_polly_provider.audio.chapters import Chapter, chapters_json, milliseconds_of
from airflow_polly_provider.audio.id3_chapters import id3_tag
from airflow_polly_provider.audio.joining import joiner_of
from airflow_polly_provider.audio.languages import iso_639_2
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from tests.unit.audio import mp3_parts as parts
from tests.unit.audio.id3_reader import read_tag

if TYPE_CHECKING:
    from pathlib import Path


def chapters(*levels: int) -> list[Chapter]:
    """Return chapters of a second each, whose titles are their numbers from 1."""
    return [
        Chapter(title=str(number + 1), start_ms=1000 * number, end_ms=1000 * number + 900, level=level)
        for number, level in enumerate(levels)
    ]


any_title = st.text(st.characters(codec="utf-8"), max_size=30).map(lambda text: f"x{text}")


@st.composite
def any_chapters(draw: st.DrawFn) -> list[Chapter]:
    steps = st.integers(0, 10_000_000)
    end, made = 0, []
    for title in draw(st.lists(any_title, max_size=12)):
        start = end + draw(steps)
        end = start + draw(steps)
        made.append(Chapter(title=title, start_ms=start, end_ms=end, level=draw(st.integers(1, 4))))
    return made


class TestMilliseconds:
    @pytest.mark.parametrize(
        ("samples", "rate", "expected"),
        [
            (0, 24000, 0),
            (24, 24000, 1),
            (11, 24000, 0),
            (12, 24000, 1),
            (576 * 10_000_000, 22050, 261_224_490),
        ],
    )
    def test_are_the_nearest_ones(self, samples: int, rate: int, expected: int) -> None:
        assert milliseconds_of(samples, rate) == expected


class TestTheTag:
    def test_has_the_texts_and_is_followed_by_the_audio(self) -> None:
        tag = read_tag(id3_tag([], title="Große\nFragen", artist="Näme", language_code="de-DE") + b"audio")
        assert tag.texts == {"TIT2": "Große Fragen", "TPE1": "Näme", "TLAN": "deu"}
        assert (tag.entries, tag.audio) == ({}, b"audio")

    def test_without_anything_is_empty(self) -> None:
        assert id3_tag([]) == b"ID3\x04\x00\x00" + bytes(4)
        assert read_tag(id3_tag([], language_code="tlh")).texts == {}

    def test_has_a_table_with_all_chapters_of_one_level(self) -> None:
        tag = read_tag(id3_tag(chapters(1, 1, 1)))
        assert tag.tree() == ["1", "2", "3"]
        assert [entry.times for entry in tag.entries.values() if entry.times] == [
            (0, 900),
            (1000, 1900),
            (2000, 2900),
        ]

    @pytest.mark.parametrize(
        ("levels", "tree"),
        [
            ((1, 2, 2, 1), [("1", ["1", "2", "3"]), "4"]),
            ((1, 2, 3, 2, 1, 2), [("1", ["1", ("2", ["2", "3"]), "4"]), ("5", ["5", "6"])]),
            ((1, 3, 2), [("1", ["1", "2", "3"])]),
            ((3, 1), ["1", "2"]),
            ((2, 2, 3), ["1", ("2", ["2", "3"])]),
        ],
    )
    def test_nests_chapters_by_their_levels(self, levels: tuple[int, ...], tree: list[Any]) -> None:
        tag = read_tag(id3_tag(chapters(*levels)))
        assert tag.tree() == tree
        times = [entry.times for entry in tag.entries.values() if entry.times]
        assert times == [(1000 * number, 1000 * number + 900) for number in range(len(levels))]

    @pytest.mark.parametrize("count", [255, 256, 300, 1000, 255 * 255 + 1])
    def test_has_at_most_255_children_in_each_table(self, count: int) -> None:
        tag = read_tag(id3_tag(chapters(*[1] * count)))
        assert max(len(entry.children) for entry in tag.entries.values()) <= 255
        leaves: list[object] = []
        waiting = tag.tree()
        while waiting:
            item = waiting.pop(0)
            if isinstance(item, tuple):
                assert item[0] is None
                waiting = [*item[1], *waiting]
            else:
                leaves.append(item)
        assert leaves == [str(number + 1) for number in range(count)]

    def test_divides_a_nested_table_that_is_too_long(self) -> None:
        tag = read_tag(id3_tag(chapters(1, *[2] * 300)))
        (table,) = tag.tree()
        assert isinstance(table, tuple)
        assert table[0] == "1"
        assert [len(inner) for _, inner in table[1]] == [255, 46]

    @given(any_chapters(), st.none() | any_title)
    def test_has_all_chapters_once_for_any_titles_and_levels(
        self, given: list[Chapter], title: str | None
    ) -> None:
        tag = read_tag(id3_tag(given, title=title) + b"audio")
        found = [(entry.title, entry.times, entry.offsets) for entry in tag.entries.values() if entry.times]
        assert found == [(each.shown_title, (each.start_ms, each.end_ms), b"\xff" * 8) for each in given]
        assert all(entry.is_ordered for entry in tag.entries.values() if not entry.times)
        # Each entry is in the table of exactly one other entry, except the top level.
        children = [child for entry in tag.entries.values() for child in entry.children]
        assert sorted(children) == sorted(set(tag.entries) - {"toc0"})
        assert tag.audio == b"audio"

    @pytest.mark.parametrize(
        ("wrong", "expected"),
        [
            ({"title": " \n\x00"}, "chapter 2 has no title"),
            ({"level": 0}, "chapter 2 has the level 0. Use levels from 1 to 32"),
            ({"level": 33}, "chapter 2 has the level 33"),
            (
                {"start_ms": 899},
                "chapter 2 lasts from 899 to 2,000 ms, and the chapter before it ends at 900 ms",
            ),
            ({"end_ms": 999}, "chapter 2 lasts from 1,000 to 999 ms"),
            ({"end_ms": 1 << 32}, "the last chapter ends at 4,294,967,296 ms.* Split the text"),
        ],
    )
    def test_of_wrong_chapters_is_an_error_without_the_title(
        self, wrong: dict[str, Any], expected: str
    ) -> None:
        second = Chapter(**{"title": "Secret", "start_ms": 1000, "end_ms": 2000, **wrong})
        with pytest.raises(PollyInvalidRequestError, match=expected) as error:
            id3_tag([*chapters(1), second])
        assert "Secret" not in str(error.value)

    def test_of_the_last_possible_moment_is_written(self) -> None:
        last = Chapter(title="Last", start_ms=0, end_ms=0xFFFFFFFF)
        assert read_tag(id3_tag([last])).entries["ch0"].times == (0, 0xFFFFFFFF)

    def test_that_is_too_large_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        size = len(id3_tag(chapters(1, 1, 1))) - 10
        monkeypatch.setattr(id3_chapters, "_MAX_TAG_BYTES", size)
        id3_tag(chapters(1, 1, 1))
        monkeypatch.setattr(id3_chapters, "_MAX_TAG_BYTES", size - 1)
        expected = rf"have {size} bytes, but .* holds at most {size - 1} \(256 MiB\). Use fewer"
        with pytest.raises(PollyInvalidRequestError, match=expected):
            id3_tag(chapters(1, 1, 1))

    def test_of_300_chapters_is_read_by_ffmpeg(self, tmp_path: Path) -> None:
        joiner = joiner_of("mp3", "24000")
        joiner.begin_piece("a piece")
        sound = joiner.feed(parts.frames(24000, 12_500))
        given = chapters(*[1 + (number % 10 > 0) for number in range(300)])
        file = tmp_path / "book.mp3"
        file.write_bytes(id3_tag(given, title="Book", artist="Author", language_code="en-US") + sound)
        command = [get_ffmpeg_exe(), "-v", "error", "-i", str(file), "-f", "ffmetadata", "-"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert not done.stderr
        head, *found = done.stdout.split("[CHAPTER]\n")
        assert {"title=Book", "artist=Author", "language=eng"} <= set(head.splitlines())
        assert found == [
            f"TIMEBASE=1/1000\nSTART={each.start_ms}\nEND={each.end_ms}\ntitle={each.title}\n"
            for each in given
        ]


class TestLanguages:
    def test_of_all_voices_are_known(self) -> None:
        model = botocore.session.get_session().get_service_model("polly")
        codes = model.shape_for("LanguageCode").metadata["enum"]
        assert len(codes) > 30
        for code in codes:
            found = iso_639_2(code)
            assert found is not None, code
            assert len(found) == 3
            assert found.isalpha()

    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("en-US", "eng"),
            ("en-GB-WLS", "eng"),
            ("cmn-CN", "zho"),
            ("arb", "ara"),
            ("DE", "deu"),
            ("", None),
        ],
    )
    def test_become_three_letters(self, code: str, expected: str | None) -> None:
        assert iso_639_2(code) == expected


class TestTheJsonFile:
    def test_has_times_in_seconds(self) -> None:
        given = [
            Chapter(title='"Die Frage"\n1', start_ms=0, end_ms=1234),
            Chapter(title="Zwei", start_ms=1500, end_ms=7_200_001, level=2),
        ]
        content = chapters_json(given, title="Buch\x00", author="Näme")
        assert json.loads(content) == {
            "version": "1.2.0",
            "title": "Buch",
            "author": "Näme",
            "chapters": [
                {"startTime": 0, "endTime": 1.234, "title": '"Die Frage" 1'},
                {"startTime": 1.5, "endTime": 7200.001, "title": "Zwei"},
            ],
        }

    @given(any_chapters())
    def test_has_all_chapters_for_any_titles(self, given: list[Chapter]) -> None:
        found = json.loads(chapters_json(given))
        assert set(found) == {"version", "chapters"}
        assert [(each["title"], round(each["startTime"] * 1000)) for each in found["chapters"]] == [
            (each.shown_title, each.start_ms) for each in given
        ]

    def test_of_overlapping_chapters_is_an_error(self) -> None:
        with pytest.raises(PollyInvalidRequestError, match="without overlaps"):
            chapters_json([*chapters(1), *chapters(1)])

    def test_has_no_lone_surrogates(self) -> None:
        content = chapters_json([Chapter(title="a\ud800b", start_ms=0, end_ms=1)])
        assert json.loads(content)["chapters"][0]["title"] == "a b"


def test_a_title_keeps_characters_that_join_others() -> None:
    title = "👩\u200d🚀 क\u200dष"
    assert Chapter(title=title, start_ms=0, end_ms=0).shown_title == title
