from __future__ import annotations

# ruff: noqa: RUF001  # the punctuation of many scripts
import os
import random
import unicodedata
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.text import pieces
from airflow_polly_provider.text.pieces import KnownPiece
from airflow_polly_provider.text.splitting import split_text
from benchmarks.documents.books import book
from benchmarks.documents.splitting import changed, digest, edits, known

if TYPE_CHECKING:
    from airflow_polly_provider.text.pieces import Piece

EXAMPLES = int(os.environ.get("POLLY_SPLITTING_EXAMPLES", "200"))

WORDS = st.sampled_from(
    [
        *("a", "The", "house.", "Dr.", "No!", "“Yes?”", "is,", "z.", "B.", "3.", "Straße.", "élan", "Sra."),
        *(
            "¿Qué?",
            "यह",
            "है।",
            "हाँ॥",
            "نعم؟",
            "أولا،",
            "今日は。",
            "「行くよ。」",
            "明天！",
            "ガ\u3099ギ",
            "그는.",
            "갔다.",
        ),
        *(
            "e\u0301\u0327",
            "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}",
            "\N{WAVING HAND SIGN}\U0001f3fd",
            "❤\ufe0f",
        ),
        *("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", "--it;", "10\u00a0km", "\ud800", "***", "x\u202fy"),
        "supercalifragilistic",
    ]
)
GAPS = st.sampled_from(
    [" ", " ", " ", "", "\n", "\r\n", "\n\n", "\r\n\r\n", "\u2029", "\u00a0", "\u200b", "   \t"]
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Return a text with something to speak, and with white space at least every few words."""
    parts = [draw(st.sampled_from(["", " ", "\n\n"]))]
    for number in range(draw(st.integers(1, 120))):
        parts += (draw(WORDS), " " if number % 3 == 2 else draw(GAPS))
    return "".join(parts)


def check(text: str, found: list[Piece], limit: int) -> None:
    """Assert what is true of the pieces of each text."""
    assert "".join(piece.text for piece in found) == text
    assert [piece.start for piece in found] == [
        sum(piece.length for piece in found[:index]) for index in range(len(found))
    ]
    for piece in found:
        assert piece.length == len(piece.text) <= limit
        assert any(not each.isspace() and each not in "\u200b\u2060\ufeff" for each in piece.text)
        after = text[piece.start : piece.start + 32]
        assert piece.head == zlib.crc32(after.encode("utf-8", "surrogatepass"))
    for before, after in pairwise(piece.text for piece in found):
        assert unicodedata.category(after[0])[0] != "M"
        assert "\u200d" not in (before[-1], after[0])
        assert not "\U0001f3fb" <= after[0] <= "\U0001f3ff"
        assert not ("\U0001f1e6" <= before[-1] <= "\U0001f1ff" and "\U0001f1e6" <= after[0] <= "\U0001f1ff")
        assert (before[-1], after[0]) != ("\r", "\n")
        assert before[-1] not in "\u00a0\u2007\u202f" or before.rstrip("\u00a0\u2007\u202f")[-1].isspace()


class TestAnyText:
    @settings(max_examples=EXAMPLES)
    @given(texts(), st.integers(100, 400))
    def test_is_its_pieces_together_within_the_limit(self, text: str, limit: int) -> None:
        check(text, split_text(text, max_characters=limit), limit)

    @settings(max_examples=EXAMPLES)
    @given(texts(), texts(), texts(), st.integers(100, 400))
    def test_is_its_pieces_together_with_pieces_of_an_earlier_version(
        self, start: str, removed: str, end: str, limit: int
    ) -> None:
        before = known(split_text(start + removed + end, max_characters=limit))
        text = end + start
        found = split_text(text, max_characters=limit, previous=before, digest=digest)
        check(text, found, limit)

    @settings(max_examples=EXAMPLES)
    @given(texts(), st.integers(100, 400))
    def test_keeps_all_pieces_if_it_did_not_change(self, text: str, limit: int) -> None:
        before = split_text(text, max_characters=limit)
        after = split_text(text, max_characters=limit, previous=known(before), digest=digest)
        assert after == before

    @settings(max_examples=EXAMPLES)
    @given(texts().filter(lambda text: len(text) <= 400))
    def test_that_is_short_is_one_piece(self, text: str) -> None:
        assert [piece.text for piece in split_text(text, max_characters=400)] == [text]


class TestCuts:
    @pytest.mark.parametrize(
        ("text", "second"),
        [
            (f"{'One two, three. ' * 4}\n\n{'Four five. ' * 4}", "Four five"),
            (f"{'One two three, ' * 4}. End.\n{'Four five. ' * 4}", "Four five"),
            (f"{'one two, ' * 7}. {'Four, five, ' * 6}", "Four, five"),
            (f"{'one two ' * 7}, {'four five ' * 5}", "four five"),
            ("一" * 40 + "。" + "二" * 70, "二" * 70),
        ],
        ids=["paragraph", "sentence and line", "sentence", "clause", "ideographs"],
    )
    def test_are_of_the_best_kind_in_the_text(self, text: str, second: str) -> None:
        found = split_text(text, max_characters=100)
        assert len(found) == 2
        assert found[1].text.startswith(second)

    def test_are_between_ideographs_as_a_last_resort(self) -> None:
        found = split_text("今日" * 200, max_characters=100)
        assert max(piece.length for piece in found) <= 100
        assert len(found) <= 8

    def test_of_a_repetitive_text_halve_it(self) -> None:
        found = split_text("All work and no play. " * 4096, max_characters=1000)
        assert len(found) == 128

    def test_share_white_space_that_does_not_fit(self) -> None:
        found = split_text(f"{'x' * 90}{' ' * 60}{'y' * 40}", max_characters=100)
        assert [piece.text for piece in found] == ["x" * 90 + " " * 10, " " * 50 + "y" * 40]

    def test_do_not_share_white_space_inside_a_line_end(self) -> None:
        found = split_text(f"{'x' * 89}{chr(13)}{chr(10)}" + "\r\n" * 10 + "y", max_characters=100)
        assert found[1].text.startswith("\r\n")


class TestErrors:
    @pytest.mark.parametrize("text", ["", " \n\t", "\u200b\ufeff\u00a0"])
    def test_text_with_nothing_to_speak_is_refused(self, text: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match="nothing to speak"):
            split_text(text)

    def test_a_word_longer_than_a_piece_is_refused_with_its_position(self) -> None:
        secret = "secret" * 20
        with pytest.raises(PollyInvalidRequestError, match=r"from position 6 to 127 .* is 100\b") as it:
            split_text(f"short {secret} end", max_characters=100)
        assert "secret" not in str(it.value)

    @pytest.mark.parametrize("limit", [0, 99, 100_001, True, "1000", None, 100.0])
    def test_a_limit_out_of_range_is_refused(self, limit: Any) -> None:
        with pytest.raises(ValueError, match="from 100 to 100,000"):
            split_text("text", max_characters=limit)


class TestEdits:
    @pytest.mark.parametrize("kind", ["word", "insert", "delete"])
    def test_change_at_most_three_pieces(self, kind: str) -> None:
        text = book(60_000, seed=7)
        numbers = changed(split_text, text, edits(text, kind, 40, seed=7), 3_000, use_previous=True)
        assert numbers[-1] <= 3
        assert sum(number <= 2 for number in numbers) >= 38

    def test_that_move_chapters_change_no_piece(self) -> None:
        chapters = [book(20_000, seed=seed) + "\n" for seed in range(4)]
        before: list[KnownPiece] = []
        for chapter in chapters:
            before += known(split_text(chapter, max_characters=3_000))
        random.Random(1).shuffle(before)
        after = split_text("".join(reversed(chapters)), max_characters=3_000, previous=before, digest=digest)
        digests = {piece.digest for piece in before}
        assert all(digest(piece.text) in digests for piece in after)

    def test_do_not_leave_more_short_pieces_each_time(self) -> None:
        text = book(20_000, seed=3)
        first = found = split_text(text, max_characters=3_000)
        for number in range(60):
            at = found[5].start
            text = f"{text[:at]}Paragraph number {number}.\n\n{text[at:]}"
            found = split_text(text, max_characters=3_000, previous=known(found), digest=digest)
        assert len(found) <= len(first) + 4

    def test_are_not_searched_without_end(self) -> None:
        """With many known pieces that do not match, at most four times the text is digested."""
        text = "Same start of each paragraph of this text. End.\n\n" * 2_000
        head = zlib.crc32(text[:32].encode())
        previous = [KnownPiece(head, 49 * count, "no digest") for count in range(1, 60)]
        digested = 0

        def counted(piece: str) -> str:
            nonlocal digested
            digested += len(piece)
            return digest(piece)

        found = split_text(text, max_characters=3_000, previous=previous, digest=counted)
        assert found == split_text(text, max_characters=3_000)
        assert digested <= 4 * len(text) + 3_000


class TestWork:
    @pytest.mark.parametrize(
        "part",
        [
            "One two three. Four!\n\n",
            "word ",
            "今日は",
            "a, b; c -- d ",
            "x\r\n\n",
            '." ',
            "!!! ",
            "\n \n a",
            ".。…!",
        ],
    )
    def test_grows_with_the_length_of_the_text(self, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Twice as many divisions for twice the text, and each compares at most a few times as many cuts."""
        compared = 0

        def counted(keys: Any, first: int, last: int, *rest: Any) -> int:
            nonlocal compared
            compared += last - first
            return best_cut(keys, first, last, *rest)

        best_cut = pieces._best_cut
        monkeypatch.setattr(pieces, "_best_cut", counted)
        work = []
        for length in (20_000, 80_000):
            compared = 0
            split_text((part * (length // len(part) + 1))[:length] + " end", max_characters=1_000)
            work.append(compared)
        assert work[1] <= 4 * 2.2 * work[0]

    @pytest.mark.parametrize("part", [".", "。", "!", "-", "\n", " ", '"', "…", "今!", ".\u00a0"])
    def test_is_not_the_square_of_a_long_run_of_marks(self, part: str) -> None:
        """A search that starts at each mark again would exceed the time limit of a test by far."""
        text = f"a {part * 400_000} b"
        if part == "今!":
            assert len(split_text(text, max_characters=100_000)) > 1
        else:
            with pytest.raises(PollyInvalidRequestError, match="cannot be divided"):
                split_text(text, max_characters=100_000)
