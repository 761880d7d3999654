from __future__ import annotations

# the punctuation of many scripts
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.captions import marks as marks_module
from airflow_polly_provider.captions.sentences import SpokenSentence, SpokenWord, read_sentences
from airflow_polly_provider.emulator.speech.marks import mark_lines
from airflow_polly_provider.emulator.speech.tone import hum
from airflow_polly_provider.emulator.text.pronunciation import Pronouncer
from airflow_polly_provider.emulator.text.ssml import Ssml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# https://docs.aws.amazon.com/polly/latest/dg/sp-mks-example1.html
AWS_TEXT = r"""{"time":0,"type":"sentence","start":0,"end":23,"value":"Mary had a little lamb."}
{"time":6,"type":"word","start":0,"end":4,"value":"Mary"}
{"time":6,"type":"viseme","value":"p"}
{"time":73,"type":"viseme","value":"E"}
{"time":180,"type":"viseme","value":"r"}
{"time":292,"type":"viseme","value":"i"}
{"time":373,"type":"word","start":5,"end":8,"value":"had"}
{"time":373,"type":"viseme","value":"k"}
{"time":460,"type":"viseme","value":"a"}
{"time":521,"type":"viseme","value":"t"}
{"time":604,"type":"word","start":9,"end":10,"value":"a"}
{"time":604,"type":"viseme","value":"@"}
{"time":643,"type":"word","start":11,"end":17,"value":"little"}
{"time":643,"type":"viseme","value":"t"}
{"time":739,"type":"viseme","value":"i"}
{"time":769,"type":"viseme","value":"t"}
{"time":799,"type":"viseme","value":"t"}
{"time":882,"type":"word","start":18,"end":22,"value":"lamb"}
{"time":882,"type":"viseme","value":"t"}
{"time":964,"type":"viseme","value":"a"}
{"time":1082,"type":"viseme","value":"p"}
"""
# https://docs.aws.amazon.com/polly/latest/dg/sp-mks-example2.html
AWS_SSML = (
    r'{"time":0,"type":"sentence","start":31,"end":95,"value":'
    r'"Mary had <break time=\"300ms\"\/>a little <mark name=\"animal\"\/>lamb"}'
    r"""
{"time":6,"type":"word","start":31,"end":35,"value":"Mary"}
{"time":325,"type":"word","start":36,"end":39,"value":"had"}
{"time":897,"type":"word","start":40,"end":61,"value":"<break time=\"300ms\"\/>"}
{"time":1291,"type":"word","start":61,"end":62,"value":"a"}
{"time":1373,"type":"word","start":63,"end":69,"value":"little"}
{"time":1635,"type":"ssml","start":70,"end":91,"value":"animal"}
{"time":1635,"type":"word","start":91,"end":95,"value":"lamb"}
"""
)
MARY = SpokenSentence(
    0,
    "Mary had a little lamb.",
    (
        SpokenWord(6, 0, 4),
        SpokenWord(373, 5, 8),
        SpokenWord(604, 9, 10),
        SpokenWord(643, 11, 17),
        SpokenWord(882, 18, 22),
    ),
)


def mark(time: int, kind: str, start: int, value: str, end: int | None = None) -> dict[str, Any]:
    end = start + len(value.encode()) if end is None else end
    return {"time": time, "type": kind, "start": start, "end": end, "value": value}


def marks_of(source: str, words: Iterable[tuple[int, str]], *, start: int = 0, time: int = 0) -> str:
    """Return the marks of a sentence and of words, each of which is searched after the one before."""
    lines = [mark(time, "sentence", start, source)]
    at = 0
    for moment, word in words:
        at = source.index(word, at)
        lines.append(mark(moment, "word", start + len(source[:at].encode()), word))
    return lines_of(lines)


def lines_of(marks: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(each) + "\n" for each in marks)


def words_of(sentence: SpokenSentence) -> list[tuple[int, str]]:
    return [(word.time_ms, sentence.text[word.start : word.end]) for word in sentence.words]


def test_awss_example_of_a_text() -> None:
    assert list(read_sentences(AWS_TEXT)) == [MARY]


def test_awss_example_of_ssml() -> None:
    (sentence,) = read_sentences(AWS_SSML)
    assert sentence.text == "Mary had a little lamb"
    assert words_of(sentence) == [(6, "Mary"), (325, "had"), (1291, "a"), (1373, "little"), (1635, "lamb")]
    # The pause shows how long the word is.
    assert [word.until_ms for word in sentence.words] == [None, 897, None, None, None]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_marks_are_read_from_anything_with_bytes(size: int, tmp_path: Path) -> None:
    data = AWS_TEXT.encode()
    path = tmp_path / "some.marks"
    path.write_bytes(data)
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    with path.open("rb") as file:
        for given in (data, path, file, io.BytesIO(data), chunks, iter(chunks), data[:-1]):
            assert list(read_sentences(given)) == [MARY]


def test_a_text_file_is_rejected() -> None:
    with pytest.raises(TypeError, match="open the file in binary mode"):
        list(read_sentences(io.StringIO(AWS_TEXT)))  # type: ignore[arg-type]


def test_sentences_are_read_one_by_one() -> None:
    def chunks() -> Iterable[bytes]:
        yield marks_of("One.", [(0, "One")]).encode()
        yield marks_of("Two.", [(900, "Two")], time=900).encode()
        pytest.fail("was read too early")

    sentences = read_sentences(chunks())
    assert next(sentences).text == "One."


def test_empty_marks_have_no_sentences() -> None:
    assert list(read_sentences(b"")) == []
    assert list(read_sentences(b"\n\r\n")) == []


@pytest.mark.parametrize(
    ("source", "text_type", "text"),
    [
        ("a <emphasis level='x>y'>b</emphasis>c", None, "a bc"),
        ("R&amp;D &lt;b&gt; &#x41;&#66;", None, "R&D <b> AB"),
        ("5 < 6 & 7 > 3", None, "5 < 6 & 7 > 3"),
        ("the <b> tag and &nbsp;", None, "the <b> tag and &nbsp;"),
        ("the <p> tag &amp; so on", "text", "the <p> tag &amp; so on"),
        ("the <unknown/>tag", "ssml", "the tag"),
        ("<![CDATA[a < b &amp;]]> c<!-- no > -->d", "ssml", "a < b &amp; cd"),
        ("<![CDATA[<p>]]><!-- <p> --><?x <p>?>a <!-- b", "ssml", "<p>a <!-- b"),
        ("<![CDATA[<p ']]><break/>a<mark name='<!--'/>b", "ssml", "<p ' ab"),
        ("one<break/>two<break/>, <p>three</p><p>four</p>", "ssml", "one two, three four"),
        ("一<break/>二", "ssml", "一二"),
        (" a \n\r\n\tb\u2028c\u0085d\u00a0e\u3000f ", None, "a b c d e f"),
        ("a\x07b\ufeffc", None, "abc"),
        ("a\ud800b", None, "a\ufffdb"),
        ("a&#xD800;b", "ssml", "a\ufffdb"),
    ],
)
def test_the_text_is_readable(source: str, text_type: Any, text: str) -> None:
    line = json.dumps(mark(0, "sentence", 0, source.replace("\ud800", "x")))
    line = line.replace("axb", r"a\ud800b") if "\ud800" in source else line
    assert [sentence.text for sentence in read_sentences(line, text_type=text_type)] == [text]


def test_words_are_found_behind_tags_and_entities() -> None:
    source = (
        '“Größe &amp; <emphasis>Maß</emphasis>”,  sagte <sub alias="Doktor">Dr.</sub> Weiß &#8212; R&amp;D.'
    )
    words = [(0, "Größe"), (500, "Maß"), (900, "sagte"), (1200, "Dr."), (1600, "Weiß"), (2000, "R&amp;D")]
    (sentence,) = read_sentences(marks_of(source, words, start=7))
    assert sentence.text == "“Größe & Maß”, sagte Dr. Weiß — R&D."
    assert words_of(sentence) == [*words[:-1], (2000, "R&D")]


def test_several_marks_for_a_place_are_one_word() -> None:
    source = 'The <sub alias="World Wide Web">W3</sub> has 1984 pages.'
    element = '<sub alias="World Wide Web">W3</sub>'
    words = [
        mark(0, "word", 0, "The"),
        mark(100, "word", 4, element),
        mark(400, "word", 4, element),
        mark(700, "word", 4, element),
        mark(900, "word", 41, "has"),
        mark(1100, "word", 45, "1984"),
        mark(1500, "word", 47, "84"),
        mark(1900, "word", 50, "pages"),
    ]
    (sentence,) = read_sentences(lines_of([mark(0, "sentence", 0, source), *words]))
    assert words_of(sentence) == [(0, "The"), (100, "W3"), (900, "has"), (1100, "1984"), (1900, "pages")]
    assert [word.until_ms for word in sentence.words] == [None, 700, None, 1500, None]


def test_words_contain_whole_graphemes() -> None:
    family = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
    source = f"e\u0301 {family} x क्षत्र น้ำ"
    data = source.encode()
    places = [(0, 1), (4, 8), (8, 15)]
    places += [(data.index("क".encode()), data.index("ष".encode()))]
    places += [(data.index("น".encode()), data.index("้".encode()) + 3)]
    marks = [
        mark(number, "word", start, data[start:end].decode(errors="replace"), end)
        for number, (start, end) in enumerate(places)
    ]
    (sentence,) = read_sentences(lines_of([mark(0, "sentence", 0, source), *marks]))
    assert words_of(sentence) == [(0, "e\u0301"), (1, family), (3, "क्ष"), (4, "น้ำ")]


def test_a_word_that_begins_or_ends_inside_a_grapheme_is_extended() -> None:
    syllable = "\u1112\u1161\u11ab"
    marks = [
        mark(0, "sentence", 0, f"e\u0301x {syllable}"),
        mark(0, "word", 1, "", 4),
        mark(9, "word", 5, "", 8),
    ]
    (sentence,) = read_sentences(lines_of(marks))
    assert words_of(sentence) == [(0, "e\u0301x"), (9, syllable)]


def test_offsets_that_are_outside_or_inside_a_character_do_no_harm() -> None:
    marks = [mark(0, "sentence", 10, "äöü xy"), mark(0, "word", 5, "?", 13), mark(9, "word", 17, "?", 99)]
    (sentence,) = read_sentences(lines_of(marks))
    assert words_of(sentence) == [(0, "ä"), (9, "xy")]


def test_a_sentence_without_words_has_only_text() -> None:
    assert list(read_sentences(lines_of([mark(5, "sentence", 0, "Hi.")]))) == [SpokenSentence(5, "Hi.", ())]


def test_a_sentence_without_readable_text_is_skipped() -> None:
    assert list(read_sentences(lines_of([mark(5, "sentence", 0, '<break time="1s"/>')]))) == []


def test_words_without_sentences_form_sentences_at_pauses() -> None:
    marks = [
        mark(0, "word", 0, "Hello"),
        mark(300, "word", 6, "R&amp;D"),
        mark(300, "word", 6, "R&amp;D"),
        mark(2900, "word", 20, "今日"),
        mark(3200, "word", 26, "は"),
    ]
    first, second = read_sentences(lines_of(marks))
    assert (first.text, words_of(first)) == ("Hello R&D", [(0, "Hello"), (300, "R&D")])
    assert (second.time_ms, second.text) == (2900, "今日は")


def test_words_without_pauses_do_not_fill_the_memory() -> None:
    marks = lines_of(mark(number * 100, "word", number * 3, "ab") for number in range(2000))
    found = list(read_sentences(marks))
    assert max(len(sentence.words) for sentence in found) <= 500
    assert sum(len(sentence.words) for sentence in found) == 2000


def test_a_word_before_its_sentence_belongs_to_it() -> None:
    marks = [
        mark(0, "sentence", 0, "Yes."),
        mark(0, "word", 0, "Yes"),
        mark(500, "word", 5, "No"),
        mark(500, "sentence", 5, "No way."),
        mark(700, "word", 8, "way"),
    ]
    assert [words_of(sentence) for sentence in read_sentences(lines_of(marks))] == [
        [(0, "Yes")],
        [(500, "No"), (700, "way")],
    ]


def test_a_closing_quotation_mark_belongs_to_the_sentence_before() -> None:
    marks = [
        mark(0, "sentence", 0, "“Yes."),
        mark(0, "word", 3, "Yes"),
        mark(500, "sentence", 7, "” She left."),
        mark(500, "word", 11, "She"),
    ]
    first, second = read_sentences(lines_of(marks))
    assert (first.text, second.text) == ("“Yes.”", "She left.")
    assert words_of(second) == [(500, "She")]


def test_the_marks_of_a_joined_file_are_read() -> None:
    """Offsets begin anywhere and may go back between pieces; times only grow."""
    joined = marks_of("One two.", [(0, "One"), (300, "two")], start=500)
    joined += marks_of("Three four.", [(1000, "Three"), (1300, "four")], start=7, time=1000)
    assert [words_of(sentence) for sentence in read_sentences(joined)] == [
        [(0, "One"), (300, "two")],
        [(1000, "Three"), (1300, "four")],
    ]


def test_a_time_that_is_a_little_too_early_is_moved() -> None:
    marks = [mark(900, "sentence", 0, "A b"), mark(900, "word", 0, "A"), mark(850, "word", 2, "b")]
    (sentence,) = read_sentences(lines_of(marks))
    assert words_of(sentence) == [(900, "A"), (900, "b")]


def test_the_emulators_marks_of_ssml_are_read() -> None:
    text = (
        '<speak><p>R&amp;D costs <say-as interpret-as="cardinal">1200</say-as> &lt; 5.</p>'
        '<p>A<break time="1s"/> <sub alias="kilo gram">kg</sub> of <emphasis>crème</emphasis>!</p></speak>'
    )
    document = Ssml(text, pronouncer=Pronouncer([]))
    events = hum(str(document.plain), 50, lambda _: None)
    lines = mark_lines(
        events,
        document.plain,
        text,
        tags=[],
        kinds=["sentence", "word"],
        end_milliseconds=60_000,
        markup=True,
    )
    sentences = list(read_sentences(lines, text_type="ssml"))
    assert "".join(sentence.text for sentence in sentences).replace(" ", "") == "R&Dcosts1200<5.Akgofcrème!"
    words = [word for sentence in sentences for _, word in words_of(sentence)]
    assert [word for word in words if word.isalnum()][-4:] == ["A", "kg", "of", "crème"]


LINE = AWS_TEXT.splitlines()[0]
SECRET = "lamb"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE[:-1], "its character 81 is not JSON"),
        (LINE + LINE, "its character 82 is not JSON"),
        (LINE.encode().replace(b"M", b"\xff"), "its byte 57 is not UTF-8"),
        ('["lamb"]', "it is not a JSON object"),
        ('{"type":"word","value":"lamb"}', "'time' is missing, or is not a whole number of at least 0"),
        (LINE.replace(":0,", ":-1,", 1), "'time' is missing, or is not a whole number of at least 0"),
        (LINE.replace(":0,", ":1.5,", 1), "'time' is missing, or is not a whole number of at least 0"),
        (LINE.replace(":0,", ":true,", 1), "'time' is missing, or is not a whole number of at least 0"),
        (LINE.replace("type", "kind"), "'type' is missing, or is not a string"),
        (LINE.replace('"start":0', '"start":"0"'), "'start' is missing, or is not a whole number"),
        (LINE.replace('"start":0', '"start":30'), "'end' is 23, but 'start' is 30"),
        (LINE.replace('"Mary', '1,"x":"Mary'), "'value' is missing, or is not a string"),
        (LINE.replace(":0,", f":{'9' * 5000},", 1), "it is not usable JSON"),
        ("[" * 100_000, "it is not usable JSON"),
    ],
)
def test_a_damaged_line_is_an_error_with_its_number_and_without_its_text(line: Any, reason: str) -> None:
    data = line if isinstance(line, bytes) else line.encode()
    marks = f"{LINE}\n".encode() * 2 + data + b"\n"
    with pytest.raises(ValueError, match="line 3 of the speech marks is not valid: ") as caught:
        list(read_sentences(marks))
    assert reason in str(caught.value)
    assert "make new speech marks" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_times_that_go_back_are_an_error() -> None:
    marks = marks_of("One.", [(5000, "One")], time=5000) + AWS_TEXT
    with pytest.raises(ValueError, match=r"line 3 .* its time is 0 ms, but an earlier mark has 5000 ms"):
        list(read_sentences(marks))


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_that_is_too_long_is_an_error(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks_module, "_MAX_LINE_BYTES", 1000)
    with pytest.raises(ValueError, match=r"line 1 .* it has more than 1,000 bytes"):
        list(read_sentences([b"x" * 600, b"x" * 600, end]))


def test_another_text_type_is_an_error() -> None:
    with pytest.raises(ValueError, match="text_type must be 'text', 'ssml' or None, not 'xml'"):
        read_sentences(b"", text_type="xml")  # type: ignore[arg-type]


def test_a_file_is_read_in_chunks() -> None:
    class File:
        def __init__(self) -> None:
            self.sizes: list[int] = []

        def read(self, size: int, /) -> bytes:
            self.sizes.append(size)
            return AWS_TEXT.encode() if len(self.sizes) == 1 else b""

    file = File()
    assert list(read_sentences(file)) == [MARY]
    assert 0 < max(file.sizes) <= 1 << 20
