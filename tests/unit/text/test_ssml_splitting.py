from __future__ import annotations

import os
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.text.limits import MAX_TOTAL_CHARACTERS, billed_characters
from airflow_polly_provider.text.ssml_splitting import split_ssml
from benchmarks.documents.books import as_ssml, book
from benchmarks.documents.splitting import changed, digest, edits, known

EXAMPLES = int(os.environ.get("POLLY_SPLITTING_EXAMPLES", "200"))

WORDS = st.sampled_from(
    [
        *("a", "The", "house.", "Dr.", "No!", "“Yes?”", "is,", "3.", "है।", "نعم؟", "「行くよ。」"),
        *("e\u0301", "\N{MAN}\u200d\N{WOMAN}", "&", "<", ">", "]]", "it's", '"quoted"', "--it;"),
        "10\u00a0km",
    ]
)
GAPS = st.sampled_from([" ", " ", "\n", "\r\n", "\r", "\n\n  ", "\t"])
EMPTY = st.sampled_from(
    [
        '<break time="1s"/>',
        "<break/>",
        "<break strength='weak' />",
        '<mark name="a>b/"/>',
        "<amazon:breath/>",
        "<!-- a <b> -- comment -->".replace(" -- c", " c"),
        "<?note here?>",
        "<p/>",
    ]
)
UNDIVIDED = st.sampled_from(
    [
        ("w", {"role": "amazon:VB"}),
        ("sub", {"alias": "a > b"}),
        ("say-as", {"interpret-as": "date"}),
        ("phoneme", {"ph": "x"}),
        ("prosody", {"amazon:max-duration": "2s"}),
    ]
)
ELEMENTS = st.sampled_from(
    [
        ("p", {}),
        ("s", {}),
        ("prosody", {"rate": "85%", "volume": "+6dB"}),
        ("emphasis", {"level": "strong"}),
        ("lang", {"xml:lang": "fr-FR"}),
        ("amazon:effect", {"name": 'whis"pered'}),
    ]
)
ROOTS = st.sampled_from(
    [
        ("<speak>", "</speak>"),
        (
            '<?xml version="1.0"?>\r\n<!-- c -->\n<speak xml:lang="en-GB"\n version="1.0">',
            "</speak >\n<!-- end -->\n",
        ),
    ]
)


def _tag(name: str, attributes: dict[str, str]) -> str:
    return f"<{name}{''.join(f' {key}={quoteattr(value)}' for key, value in attributes.items())}>"


@st.composite
def words(draw: st.DrawFn, most: int = 30) -> str:
    """Return markup of words with white space after them, as text, entities or CDATA."""
    text = "".join(draw(WORDS) + draw(GAPS) for _ in range(draw(st.integers(1, most))))
    way = draw(st.integers(0, 5))
    if way == 0 and "]]>" not in text and len(text) < 60:
        return f"<![CDATA[{text}]]> "
    if way == 1:
        return "".join(f"&#{ord(each)};" if each in "aeTh今" else escape(each) for each in text)
    if way == 2:
        written = {'"': "&quot;", "'": "&apos;", "a": "&#x61;", "\u00a0": "&#xA0;"}
        return "".join(written.get(each, escape(each)) for each in text)
    return escape(text)


@st.composite
def content(draw: st.DrawFn, depth: int = 3) -> str:
    """Return markup of text, empty elements and elements in each other."""
    parts = []
    for _ in range(draw(st.integers(0 if depth < 3 else 1, 5))):
        way = draw(st.integers(0, 6))
        if way <= 1:
            parts.append(draw(words()))
        elif way == 2:
            parts.append(draw(EMPTY))
        elif way == 3:
            name, attributes = draw(UNDIVIDED)
            parts.append(f"{_tag(name, attributes)}{draw(words(3))}</{name}> ")
        elif depth:
            name, attributes = draw(ELEMENTS)
            gap = draw(st.sampled_from(["", " "]))
            inside = draw(content(depth - 1))
            parts.append(f"{_tag(name, attributes)}{inside}</{name}>{gap}")
    return "".join(parts)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Return a document with something to speak."""
    start, end = draw(ROOTS)
    return f"{start}{draw(content())}{draw(words())}{draw(content())}{end}"


class Meaning:
    """What a document says, as an XML parser reads it.

    ``spoken`` has each character and each empty element in order, with the elements around it.
    ``without_text`` is the number of elements that contain only white space or nothing.
    """

    def __init__(self, document: str) -> None:
        self.spoken: list[tuple[Any, ...]] = []
        self.without_text = 0
        self.comments: list[str] = []
        self._open: list[Any] = []
        self._has_text: list[bool] = []
        self._events: list[int] = []
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = self.comments.append
        parser.Parse(document.encode("utf-8"), True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._open.append((name, tuple(attributes.items())))
        self._has_text.append(False)
        self._events.append(len(self.spoken))

    def _end(self, name: str) -> None:
        has_text, events = self._has_text.pop(), self._events.pop()
        if name in ("break", "mark", "amazon:breath"):
            self.spoken.append(tuple(self._open))
        elif not has_text and name != "speak":
            self.without_text += 1
        if has_text and self._has_text:
            self._has_text[-1] = True
        assert events <= len(self.spoken)
        self._open.pop()

    def _text(self, text: str) -> None:
        if text.strip():
            self._has_text[-1] = True
        around = tuple(self._open)
        self.spoken += ((each, *around) for each in text)


def check(document: str, limit: int, **previous: Any) -> None:
    """Assert what is true of the pieces of each document."""
    found = split_ssml(document, max_characters=limit, **previous)
    meanings = [Meaning(piece.text) for piece in found]
    whole = Meaning(document)
    assert [each for meaning in meanings for each in meaning.spoken] == whole.spoken
    assert [each for meaning in meanings for each in meaning.comments] == whole.comments
    assert sum(meaning.without_text for meaning in meanings) == whole.without_text
    billed = [billed_characters(piece.text, ssml=True) for piece in found]
    assert max(billed) <= limit
    assert sum(billed) == billed_characters(document, ssml=True)
    assert max(len(piece.text) for piece in found) <= MAX_TOTAL_CHARACTERS
    position = 0
    for piece in found:
        assert piece.start == position
        position += piece.length
        assert document[piece.start : position] in piece.text
    assert position == len(document)
    for meaning in meanings:
        assert any(not each[0].isspace() for each in meaning.spoken if isinstance(each[0], str))


class TestAnyDocument:
    @settings(max_examples=EXAMPLES)
    @given(documents(), st.integers(100, 300))
    def test_has_the_meaning_and_the_price_of_its_pieces(self, document: str, limit: int) -> None:
        check(document, limit)

    @settings(max_examples=EXAMPLES)
    @given(documents(), documents(), st.integers(100, 300))
    def test_has_the_meaning_of_its_pieces_with_pieces_of_an_earlier_version(
        self, document: str, other: str, limit: int
    ) -> None:
        before = known(split_ssml(document, max_characters=limit))
        before += known(split_ssml(other, max_characters=limit))
        check(document, limit, previous=before, digest=digest)

    @settings(max_examples=EXAMPLES)
    @given(documents(), st.integers(100, 300))
    def test_keeps_all_pieces_if_it_did_not_change(self, document: str, limit: int) -> None:
        before = split_ssml(document, max_characters=limit)
        after = split_ssml(document, max_characters=limit, previous=known(before), digest=digest)
        assert after == before

    @settings(max_examples=EXAMPLES)
    @given(documents())
    def test_that_is_short_is_one_piece(self, document: str) -> None:
        assert [piece.text for piece in split_ssml(document, max_characters=100_000)] == [document]


TEN = "Ten chars. " * 9


class TestCuts:
    @pytest.mark.parametrize(
        ("inside", "first", "second"),
        [
            (f"<p>{TEN}</p><p>Two</p>", f"<p>{TEN}</p>", "<p>Two</p>"),
            (
                f"<p>{TEN}</p><break/><mark name='2'/><p>Two</p>",
                f"<p>{TEN}</p><break/>",
                "<mark name='2'/><p>Two</p>",
            ),
            (f"<p>{TEN}</p> <p><break/>Two</p>", f"<p>{TEN}</p> ", "<p><break/>Two</p>"),
            (
                f"<p>{TEN[11:]}</p>\n <p>\n  Two and three\n </p>",
                f"<p>{TEN[11:]}</p>\n ",
                "<p>\n  Two and three\n </p>",
            ),
            (f"<p><s>{TEN}</s><s>two</s></p>", f"<p><s>{TEN}</s></p>", "<p><s>two</s></p>"),
            (
                f'<prosody rate="80%">{"x" * 90}<break time="1s"/>{"y" * 30}</prosody>',
                f'<prosody rate="80%">{"x" * 90}<break time="1s"/></prosody>',
                f'<prosody rate="80%">{"y" * 30}</prosody>',
            ),
            (
                f"{'x' * 60} <sub alias='a'>not to be divided here</sub> {'y' * 30}",
                f"{'x' * 60} ",
                f"<sub alias='a'>not to be divided here</sub> {'y' * 30}",
            ),
            (f"{'x' * 60} <![CDATA[a b c]]>{'y' * 60}", f"{'x' * 60} ", f"<![CDATA[a b c]]>{'y' * 60}"),
            (f"{'x' * 60} &amp;{'y' * 60}", f"{'x' * 60} ", f"&amp;{'y' * 60}"),
        ],
    )
    def test_are_where_the_fewest_elements_are_open(self, inside: str, first: str, second: str) -> None:
        found = split_ssml(f"<speak xml:lang='en'>{inside}</speak>", max_characters=100)
        assert [piece.text for piece in found] == [
            f"<speak xml:lang='en'>{first}</speak>",
            f"<speak xml:lang='en'>{second}</speak>",
        ]

    def test_keep_pieces_below_the_total_limit(self) -> None:
        word = f'<lang xml:lang="fr-FR"><prosody rate="{"1" * 900}%">ici</prosody></lang> '
        document = f"<speak><p>{word * 700}</p></speak>"
        found = split_ssml(document, max_characters=100_000)
        assert 4 <= len(found) <= 8
        check(document, 100_000)

    def test_keep_pieces_below_the_total_limit_with_the_tags_around_them(self) -> None:
        around = f'<prosody rate="{"1" * 150_000}%">'
        document = f"<speak>{around}{'word <break/>' * 8_000}</prosody></speak>"
        check(document, 100_000)


class TestErrors:
    def test_ssml_that_is_not_well_formed_is_refused(self) -> None:
        with pytest.raises(PollyInvalidRequestError, match="line 1, column 16"):
            split_ssml("<speak><p>One</speak>")

    @pytest.mark.parametrize("document", ["<speak/>", "<speak> <break/>\n</speak>", "<speak><p></p></speak>"])
    def test_ssml_with_nothing_to_speak_is_refused(self, document: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match="nothing to speak"):
            split_ssml(document)

    @pytest.mark.parametrize(
        "part", ["secret" * 20, f"<sub alias='x'>{'secret ' * 20}</sub>", f"<![CDATA[{'secret ' * 20}]]>"]
    )
    def test_a_part_that_cannot_be_divided_is_refused_with_its_place(self, part: str) -> None:
        document = f"<speak>\na <p>{part}</p><p>two</p></speak>"
        place = r"from line 2, column 3\. It has 1\d\d billed"
        with pytest.raises(PollyInvalidRequestError, match=place) as refused:
            split_ssml(document, max_characters=100)
        assert "secret" not in str(refused.value)

    @pytest.mark.parametrize("declared", ["", " [<!ENTITY a 'b'>]"])
    def test_ssml_with_a_doctype_is_one_piece_or_refused(self, declared: str) -> None:
        document = f"<!-- c -->\n<!DOCTYPE speak{declared}><speak>{TEN}</speak>"
        assert [piece.text for piece in split_ssml(document, max_characters=100)] == [document]
        with pytest.raises(PollyInvalidRequestError, match="Remove the DOCTYPE"):
            split_ssml(document.replace(TEN, TEN * 2), max_characters=100)


class TestEdits:
    @pytest.mark.parametrize("kind", ["word", "insert", "delete"])
    def test_change_at_most_three_pieces(self, kind: str) -> None:
        text = book(60_000, seed=7)
        edited = map(as_ssml, edits(text, kind, 20, seed=7))
        numbers = changed(split_ssml, as_ssml(text), edited, 3_000, use_previous=True)
        assert numbers[-1] <= 3
        assert sum(number <= 2 for number in numbers) >= 19
