from __future__ import annotations

# ruff: noqa: RUF001  # many scripts
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.captions.cues import make_cues
from airflow_polly_provider.captions.layout import CueLayout
from airflow_polly_provider.captions.sentences import SpokenSentence, SpokenWord, read_sentences
from tests.unit.captions.test_sentences import AWS_SSML, AWS_TEXT

if TYPE_CHECKING:
    from airflow_polly_provider.captions.cues import Cue


def spoken(
    text: str,
    time_ms: int = 0,
    *,
    letter_ms: int = 60,
    pauses: dict[str, int] | None = None,
    split: str = " ",
) -> SpokenSentence:
    """Return a sentence whose words follow each other.

    :param text: the text, with ``split`` between words; "|" is removed
    :param time_ms: the start of the first word
    :param letter_ms: the time for each letter and for the space after a word
    :param pauses: the pauses after words, in milliseconds
    :param split: what separates words
    """
    readable = text.replace("|", "")
    words = []
    at = 0
    for token in text.split(split):
        word = token.strip(".,;:!?“”。，、")
        at = readable.index(word, at)
        words.append(SpokenWord(time_ms, at, at + len(word)))
        at += len(word)
        time_ms += (len(word) + 1) * letter_ms + (pauses or {}).get(word, 0)
    return SpokenSentence(words[0].time_ms, readable, tuple(words))


def cues_of(*sentences: SpokenSentence, duration_ms: int | None = None, **layout: Any) -> list[Cue]:
    return list(make_cues(sentences, layout=CueLayout(**layout), duration_ms=duration_ms))


def lines_of(*sentences: SpokenSentence, **layout: Any) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues_of(*sentences, **layout)]


def starts_of(sentence: SpokenSentence) -> dict[str, int]:
    return {sentence.text[word.start : word.end]: word.time_ms for word in sentence.words}


def test_awss_examples_are_one_cue_each() -> None:
    (cue,) = make_cues(read_sentences(AWS_TEXT), duration_ms=1200)
    assert (cue.start_ms, cue.end_ms, cue.lines) == (6, 1200, ("Mary had a little lamb.",))
    # A pause of 300 ms does not end the cue.
    (cue,) = make_cues(read_sentences(AWS_SSML))
    assert (cue.start_ms, cue.lines) == (6, ("Mary had a little lamb",))
    assert 1635 + 300 < cue.end_ms < 1635 + 1000


def test_no_sentences_have_no_cues() -> None:
    assert cues_of() == []


def test_each_sentence_has_its_own_cue() -> None:
    first = spoken("This is the first sentence.")
    second = spoken("This is the second one.", 1_900)
    cues = cues_of(first, second)
    assert [cue.lines for cue in cues] == [(first.text,), (second.text,)]
    assert [cue.start_ms for cue in cues] == [0, 1_900]


def test_very_short_sentences_share_a_cue() -> None:
    sentences = [spoken("Yes."), spoken("No.", 400), spoken("Why?", 700)]
    assert lines_of(*sentences) == [("Yes. No. Why?",)]


def test_very_short_sentences_with_a_pause_between_them_do_not_share_a_cue() -> None:
    sentences = [spoken("Yes."), spoken("No.", 1_400)]
    assert lines_of(*sentences) == [("Yes.",), ("No.",)]
    assert lines_of(*sentences, pause_seconds=2) == [("Yes. No.",)]


def test_a_short_sentence_does_not_share_the_cue_of_a_long_one() -> None:
    sentences = [spoken("Yes."), spoken("I will be there in the evening.", 400), spoken("No.", 2_400)]
    assert lines_of(*sentences) == [("Yes.",), ("I will be there in the evening.",), ("No.",)]


def test_short_sentences_that_do_not_fit_have_several_cues() -> None:
    sentences = [spoken("Yes, sir.", number * 600) for number in range(20)]
    cues = cues_of(*sentences)
    assert 1 < len(cues) < 20
    assert " ".join(line for cue in cues for line in cue.lines) == " ".join(["Yes, sir."] * 20)
    for before, after in pairwise(cues):
        assert after.start_ms % 600 == 0
        assert before.end_ms <= after.start_ms <= before.start_ms + 7_000


def test_short_chinese_sentences_follow_each_other_without_a_space() -> None:
    assert lines_of(spoken("好。", letter_ms=150), spoken("走。", 400, letter_ms=150)) == [("好。走。",)]
    assert lines_of(spoken("네", letter_ms=150), spoken("예", 400, letter_ms=150)) == [("네 예",)]


def test_short_sentences_of_different_directions_do_not_share_a_cue() -> None:
    assert lines_of(spoken("Yes."), spoken("לא.", 400)) == [("Yes.",), ("לא.",)]


def test_a_pause_ends_a_cue() -> None:
    sentence = spoken("He came in slowly and left", pauses={"slowly": 900})
    first, second = cues_of(sentence)
    assert (first.lines, second.lines) == (("He came in slowly",), ("and left",))
    assert second.start_ms == starts_of(sentence)["and"]
    assert first.end_ms < second.start_ms
    assert lines_of(spoken(sentence.text, pauses={"slowly": 500})) == [(sentence.text,)]


def test_a_number_is_not_a_pause() -> None:
    """It is spoken as several words, so that the next word starts later than the length suggests."""
    sentence = spoken("The year 1984 was a good one", pauses={"1984": 900})
    assert lines_of(sentence) == [(sentence.text,)]


def test_the_known_end_of_a_word_shortens_a_pause() -> None:
    sentence = spoken("Once upon a time Mary had seven lambs", pauses={"had": 900})
    assert lines_of(sentence) == [("Once upon a time Mary had",), ("seven lambs",)]
    words = [
        word._replace(until_ms=word.time_ms + 800) if word.time_ms == starts_of(sentence)["had"] else word
        for word in sentence.words
    ]
    assert lines_of(sentence._replace(words=tuple(words))) == [(sentence.text,)]


def test_a_long_sentence_is_divided_at_the_ends_of_clauses() -> None:
    sentence = spoken(
        "When the evening came and the lamps were lit, he closed the heavy door behind him, "
        "and nobody in the whole village ever saw him again."
    )
    cues = cues_of(sentence)
    assert [" ".join(cue.lines) for cue in cues] == [
        "When the evening came and the lamps were lit, he closed the heavy door behind him,",
        "and nobody in the whole village ever saw him again.",
    ]
    assert cues[1].start_ms == sentence.words[16].time_ms


def test_a_long_sentence_without_clauses_is_divided_into_halves() -> None:
    sentence = spoken(" ".join(["word"] * 24))
    first, second = cues_of(sentence)
    assert abs(len(" ".join(first.lines)) - len(" ".join(second.lines))) <= 10


def test_lines_have_about_the_same_width() -> None:
    assert lines_of(spoken("The quick brown fox jumps over the lazy old dog")) == [
        ("The quick brown fox jumps", "over the lazy old dog")
    ]


def test_a_line_ends_rather_at_the_end_of_a_clause() -> None:
    assert lines_of(spoken("Nobody in the house was awake, so he went out alone")) == [
        ("Nobody in the house was awake,", "so he went out alone")
    ]


def test_a_line_has_at_most_42_characters_or_16_wide_ones() -> None:
    assert lines_of(spoken("a" * 20 + " " + "b" * 21)) == [("a" * 20 + " " + "b" * 21,)]
    assert lines_of(spoken("a" * 20 + " " + "b" * 22)) == [("a" * 20, "b" * 22)]
    wide = "|".join("今日" for _ in range(8))
    assert lines_of(spoken(wide, split="|")) == [("今日" * 8,)]
    assert lines_of(spoken(wide + "|今", split="|")) == [("今日" * 4, "今日" * 4 + "今")]


def test_an_accent_has_no_width() -> None:
    word = "e\u0301" * 20
    assert lines_of(spoken(f"{word} {word}")) == [(f"{word} {word}",)]


def test_a_word_that_is_longer_than_a_line_has_a_line_of_its_own() -> None:
    long = "x" * 60
    cues = lines_of(spoken(f"one {long} two"))
    assert [line for lines in cues for line in lines] == ["one", long, "two"]
    assert all(len(lines) <= 2 for lines in cues)


def test_a_word_with_spaces_stays_on_a_line_if_it_fits() -> None:
    text = "On the twelfth of May two thousand"
    words = (SpokenWord(0, 0, 2), SpokenWord(200, 3, 6), SpokenWord(400, 7, len(text)))
    assert lines_of(SpokenSentence(0, text, words), max_line_characters=30) == [
        ("On the", "twelfth of May two thousand")
    ]
    long = SpokenSentence(0, "a very long alias " * 5, (SpokenWord(0, 0, 89),))
    assert all(len(line) <= 42 for lines in lines_of(long) for line in lines)


def test_separate_punctuation_stays_with_its_word() -> None:
    words = ["Qui", "a", "dit", "oui", "et", "non"]
    text = "Qui a dit « oui » – et non ?"
    marks, at = [], 0
    for number, word in enumerate(words):
        at = text.index(word, at)
        marks.append(SpokenWord(number * 300, at, at + len(word)))
        at += len(word)
    for width in range(5, 28):
        for lines in lines_of(SpokenSentence(0, text, tuple(marks)), max_line_characters=width):
            for line in lines:
                assert line[0] not in "»–?"
                assert line[-1] != "«"


def test_lines_end_between_the_words_of_scripts_without_spaces() -> None:
    chinese = spoken("我|今天|去|北京|图书馆，|看书|和|写字。", letter_ms=170, split="|")
    assert lines_of(chinese, max_line_characters=20) == [("我今天去北京图书馆，", "看书和写字。")]
    thai = spoken("ฉัน|กิน|ข้าว|กับ|น้ำ|ใน|ประเทศไทย", split="|")
    lines = [line for lines in lines_of(thai, max_line_characters=12) for line in lines]
    assert "".join(lines) == thai.text
    for line in lines:
        assert line in {thai.text[a.start : b.end] for a in thai.words for b in thai.words}


def test_a_text_without_word_marks_is_divided_by_time() -> None:
    sentence = SpokenSentence(1_000, "word, " * 40 + "end.", ())
    next_one = SpokenSentence(17_000, "Next.", ())
    cues = cues_of(sentence, next_one)
    assert cues[0].start_ms == 1_000
    assert cues[-1].start_ms == 17_000
    assert all(cue.end_ms - cue.start_ms <= 7_000 for cue in cues)
    half = next(cue for cue in cues if cue.start_ms >= 8_000)
    assert abs(half.start_ms - 9_000) < 4_000


def test_chinese_without_word_marks_is_divided() -> None:
    lines = [line for lines in lines_of(SpokenSentence(0, "今天去图书馆，" * 12, ())) for line in lines]
    assert "".join(lines) == "今天去图书馆，" * 12
    assert all(len(line) <= 16 and line[0] != "，" for line in lines)


@pytest.mark.parametrize("width", range(4, 30))
def test_no_line_without_word_marks_begins_or_ends_inside_a_character(width: int) -> None:
    japanese, thai = "コーヒーをちょっとだけ" * 4, "เขาทำน้ำในโรงแรม" * 4
    for text in (japanese, thai):
        found = lines_of(SpokenSentence(0, text, ()), max_line_characters=width)
        lines = [line for lines in found for line in lines]
        assert len(lines) > 1
        assert "".join(lines) == text
        for line in lines:
            assert line[0] not in "ーっょ\u0e33\u0e49\u0e31"
            assert line[-1] not in "เโใ"


def test_an_opening_bracket_stays_with_the_word_after_it() -> None:
    text = "他说「今天」我们「明天」去"
    marks, at = [], 0
    for number, word in enumerate(["他", "说", "今天", "我们", "明天", "去"]):
        at = text.index(word, at)
        marks.append(SpokenWord(number * 300, at, at + len(word)))
    for width in range(4, 24):
        for lines in lines_of(SpokenSentence(0, text, tuple(marks)), max_line_characters=width):
            assert not [line for line in lines if line[-1] == "「" or line[0] == "」"]


def test_a_line_ends_before_an_opening_bracket() -> None:
    text = "我们今天说「今天去」"
    words = (SpokenWord(0, 0, 2), SpokenWord(400, 2, 5), SpokenWord(900, 6, 9))
    assert lines_of(SpokenSentence(0, text, words), max_line_characters=16) == [("我们今天说", "「今天去」")]


def test_no_cue_begins_with_a_word_without_a_mark_if_it_can_begin_with_another() -> None:
    sentence = spoken(" ".join(["word"] * 24))
    starts = {cue.start_ms for cue in cues_of(sentence)}
    words = tuple(word for word in sentence.words if word.time_ms == 0 or word.time_ms not in starts)
    first, second = cues_of(sentence._replace(words=words))
    assert first.start_ms == 0
    assert second.start_ms in {word.time_ms for word in words}


def test_a_pause_after_text_without_a_mark_ends_the_cue_after_this_text() -> None:
    sentence = spoken("one two three four 🎉 five six seven", pauses={"🎉": 1_500})
    words = tuple(word for word in sentence.words if sentence.text[word.start] != "🎉")
    assert lines_of(sentence._replace(words=words)) == [("one two three four 🎉",), ("five six seven",)]


def test_a_line_ends_rather_between_two_short_sentences() -> None:
    sentences = [spoken("Four more days.", letter_ms=15), spoken("We wait", 240, letter_ms=15)]
    assert lines_of(*sentences, max_line_characters=18) == [("Four more days.", "We wait")]


def test_a_sign_is_spoken_as_a_word() -> None:
    sentence = spoken("They all want a % of it now", pauses={"%": 800})
    assert lines_of(sentence) == [(sentence.text,)]


def test_a_single_word_lasts_as_long_as_the_speed_before_it_suggests() -> None:
    slow = spoken("This is spoken very slowly", letter_ms=200)
    *_, last = cues_of(slow, spoken("Slowly.", 20_000))
    assert last.end_ms - last.start_ms > 1_200
    *_, last = cues_of(spoken(slow.text), spoken("Slowly.", 20_000))
    assert last.end_ms - last.start_ms < 900


def test_slow_words_end_a_cue_after_seven_seconds() -> None:
    cues = cues_of(spoken("one two three four five six seven eight", letter_ms=500), pause_seconds=60)
    assert len(cues) > 1
    assert all(cue.end_ms - cue.start_ms <= 7_000 for cue in cues)


def test_a_cue_ends_after_its_last_word_and_not_with_the_next_one() -> None:
    first, _ = cues_of(spoken("This is a sentence."), spoken("Later.", 9_000))
    assert 1_000 < first.end_ms < 2_000


def test_a_cue_is_shown_for_0_8_seconds_if_there_is_time() -> None:
    first, second, third = cues_of(spoken("a"), spoken("b", 5_000), spoken("This is long enough.", 5_500))
    assert (first.start_ms, first.end_ms) == (0, 800)
    assert (second.start_ms, second.end_ms, third.start_ms) == (5_000, 5_500, 5_500)


def test_the_last_cue_ends_with_the_audio() -> None:
    (cue,) = cues_of(spoken("This is a sentence."), duration_ms=1_100)
    assert cue.end_ms == 1_100
    (cue,) = cues_of(spoken("This is a sentence.", 5_000), duration_ms=1_100)
    assert (cue.start_ms, cue.end_ms) == (5_000, 5_001)


def test_cues_of_the_same_time_do_not_overlap() -> None:
    cues = cues_of(*[spoken("This is a sentence of more than one line, without doubt.", 700)] * 3)
    assert [cue.start_ms for cue in cues] == [700, 701, 702]
    assert [cue.end_ms for cue in cues[:2]] == [701, 702]


def test_the_direction_is_that_of_most_letters() -> None:
    assert [cue.right_to_left for cue in cues_of(spoken("Amazon أطلقت خدمة جديدة"))] == [True]
    assert [cue.right_to_left for cue in cues_of(spoken("The word שלום means peace"))] == [False]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"max_lines": 0}, ValueError, "max_lines must be at least 1, not 0"),
        ({"max_lines": True}, TypeError, "max_lines must be a whole number, not True"),
        ({"max_lines": 1.5}, TypeError, "max_lines must be a whole number, not 1.5"),
        ({"max_line_characters": 1}, ValueError, "max_line_characters must be at least 2, not 1"),
        ({"max_line_characters": "42"}, TypeError, "max_line_characters must be a whole number, not '42'"),
        ({"max_seconds": 0}, ValueError, "max_seconds must be at least 0.001 seconds, not 0"),
        ({"max_seconds": float("nan")}, ValueError, "max_seconds must be at least 0.001 seconds, not nan"),
        ({"max_seconds": "7"}, TypeError, "max_seconds must be a number of seconds, not '7'"),
        ({"pause_seconds": -1}, ValueError, "pause_seconds must be at least 0.001 seconds, not -1"),
        ({"pause_seconds": True}, TypeError, "pause_seconds must be a number of seconds, not True"),
    ],
)
def test_a_wrong_layout_is_an_error(values: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        CueLayout(**values)
