from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from xml.dom import minidom

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.compat import AirflowFailException
from airflow_polly_provider.emulator.text.ssml import Ssml as EmulatedSsml
from airflow_polly_provider.exceptions import PollySsmlError
from airflow_polly_provider.text import ssml
from airflow_polly_provider.text.limits import billed_characters
from tests.unit.support import warnings_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.text.markup import Ssml, SsmlDocument

# Every character that XML allows, including carriage returns and markup.
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r&<>\"'];-"),
    max_size=30,
)
some_texts = texts.filter(str.strip)

# Functions that wrap a piece of SSML; some put text in an attribute.
around: list[Callable[[Any, str], Ssml]] = [
    lambda inner, _: ssml.p(inner),
    lambda inner, _: ssml.s(inner),
    lambda inner, _: ssml.emphasis(inner, level="strong"),
    lambda inner, _: ssml.prosody(inner, rate="85%", pitch="+5%", volume="-6dB"),
    lambda inner, _: ssml.prosody(inner, max_duration="2s"),
    lambda inner, _: ssml.lang(inner, language="fr-FR"),
    lambda inner, _: ssml.effect(inner, name="whispered"),
    lambda inner, _: ssml.effect(inner, phonation="soft"),
    lambda inner, _: ssml.effect(inner, vocal_tract_length="+10%"),
    lambda inner, text: ssml.mark(text) + inner + ssml.pause(time="1s"),
    lambda inner, _: inner + ssml.pause(strength="x-strong") + ssml.pause(),
]
words: list[Callable[[str, str], Ssml]] = [
    lambda text, _: ssml.escape(text),
    lambda text, other: ssml.sub(text, alias=other),
    lambda text, other: ssml.phoneme(text, ph=other),
    lambda text, _: ssml.say_as(text, interpret_as="date", format="mdy"),
    lambda text, _: ssml.w(text, role="amazon:VB"),
]


@st.composite
def documents(draw: st.DrawFn) -> tuple[SsmlDocument, str]:
    """Return a document and the text that it contains."""
    parts: list[Ssml | str] = []
    put_in = []
    for text in draw(st.lists(texts, max_size=5)):
        part: Any = draw(st.sampled_from(words))(text, draw(some_texts))
        for wrap in draw(st.lists(st.sampled_from(around), max_size=3)):
            part = wrap(part, draw(some_texts))
        parts.append(draw(st.sampled_from([part, ssml.escape(part)])))
        put_in.append(text)
        plain = draw(texts)
        parts.append(plain)
        put_in.append(plain)
    return ssml.speak(*parts), "".join(put_in)


def text_of(markup: str) -> str:
    """Return the text of a document as an XML parser reads it."""
    declared = markup.replace("<speak>", '<speak xmlns:amazon="urn:a">', 1)
    root: Any = minidom.parseString(declared.encode()).documentElement

    def texts_in(node: Any) -> str:
        return node.data if node.nodeType == node.TEXT_NODE else "".join(map(texts_in, node.childNodes))

    return texts_in(root)


class TestAnyText:
    @given(documents())
    def test_is_read_back_unchanged_by_an_xml_parser(self, made: tuple[SsmlDocument, str]) -> None:
        document, put_in = made
        assert text_of(str(document)) == put_in

    @given(documents())
    def test_is_billed_by_its_length_without_tags(self, made: tuple[SsmlDocument, str]) -> None:
        document, put_in = made
        assert document.billed_characters == len(put_in)
        assert billed_characters(str(document), ssml=True) == len(put_in)
        assert ssml.billed_characters(document) == len(put_in)

    @given(documents())
    def test_is_accepted_unchanged_by_the_emulator(self, made: tuple[SsmlDocument, str]) -> None:
        document, put_in = made
        assert EmulatedSsml(str(document)).words == put_in

    @given(some_texts)
    def test_in_an_attribute_is_read_back_unchanged_by_an_xml_parser(self, text: str) -> None:
        root = minidom.parseString(str(ssml.speak(ssml.sub("x", alias=text))).encode()).documentElement
        assert root is not None
        assert isinstance(root.firstChild, minidom.Element)
        assert root.firstChild.getAttribute("alias") == text

    @given(texts, st.sampled_from([*map(chr, range(9)), "\x0b", "\x1f", "\ud800", "\ufffe"]), texts)
    def test_with_a_character_that_xml_forbids_is_refused_with_its_position(
        self, before: str, bad: str, after: str
    ) -> None:
        for make in (ssml.speak, lambda text: ssml.sub("x", alias=f"a{text}"), ssml.escape):
            with pytest.raises(PollySsmlError) as refused:
                make(before + bad + after)
            assert f"U+{ord(bad):04X}" in str(refused.value)
        with pytest.raises(PollySsmlError, match=f"at position {len(before)},"):
            ssml.speak(before + bad + after)

    def test_is_not_quoted_in_the_error_that_refuses_it(self) -> None:
        with pytest.raises(PollySsmlError) as refused:
            ssml.speak("secret\0secret")
        assert "secret" not in str(refused.value)


class TestFunctions:
    @pytest.mark.parametrize(
        ("made", "markup"),
        [
            (ssml.speak("AT&T ", 3, " < ", 4.5), "<speak>AT&amp;T 3 &lt; 4.5</speak>"),
            (ssml.pause(), "<break/>"),
            (ssml.pause(time=timedelta(seconds=1.5)), '<break time="1500ms"/>'),
            (ssml.pause(strength="none"), '<break strength="none"/>'),
            (ssml.emphasis("now"), '<emphasis level="moderate">now</emphasis>'),
            (ssml.prosody("x", max_duration="2s"), '<prosody amazon:max-duration="2s">x</prosody>'),
            (
                ssml.say_as("12-31", interpret_as="date", format="md"),
                '<say-as interpret-as="date" format="md">12-31</say-as>',
            ),
            (ssml.sub("Hg", alias='"Mercury"'), '<sub alias="&quot;Mercury&quot;">Hg</sub>'),
            (
                ssml.phoneme("薄", ph="bo2", alphabet="x-amazon-pinyin"),
                '<phoneme alphabet="x-amazon-pinyin" ph="bo2">薄</phoneme>',
            ),
            (
                ssml.phoneme("日本橋", ph="にっぽんばし", type="ruby"),
                '<phoneme type="ruby" ph="にっぽんばし">日本橋</phoneme>',
            ),
            (
                ssml.phoneme("浩一", ph="ヒロカ'ズ", alphabet="x-amazon-pron-kana"),
                '<phoneme alphabet="x-amazon-pron-kana" ph="ヒロカ\'ズ">浩一</phoneme>',
            ),
            (ssml.phoneme("pecan", ph="x"), '<phoneme alphabet="ipa" ph="x">pecan</phoneme>'),
            (ssml.lang("Oui", language="fr-FR"), '<lang xml:lang="fr-FR">Oui</lang>'),
            (ssml.mark("here"), '<mark name="here"/>'),
            (ssml.w("read", role="amazon:VBD"), '<w role="amazon:VBD">read</w>'),
            (
                ssml.effect("x", vocal_tract_length="110%"),
                '<amazon:effect vocal-tract-length="110%">x</amazon:effect>',
            ),
            ("a < " + ssml.pause() + " b", "a &lt; <break/> b"),
        ],
    )
    def test_return_the_expected_markup(self, made: Ssml, markup: str) -> None:
        assert str(made) == markup
        assert f"{made}" == markup

    @pytest.mark.parametrize("interpret_as", ssml.INTERPRET_AS)
    def test_say_as_accepts_every_interpretation(self, interpret_as: str) -> None:
        assert interpret_as in str(ssml.say_as("1", interpret_as=interpret_as))

    @pytest.mark.parametrize("rate", ["x-slow", "20%", "85.5%", "200%", "-10%", "+10%", "-80%", "+100%"])
    def test_prosody_accepts_every_form_of_rate(self, rate: str, caplog: pytest.LogCaptureFixture) -> None:
        assert str(ssml.prosody("x", rate=rate)) == f'<prosody rate="{rate}">x</prosody>'
        assert warnings_in(caplog) == []

    @pytest.mark.parametrize("language", ["fr-FR", "fr-fr", "FR-fr", "arb", "en-GB-WLS"])
    def test_lang_accepts_a_language_code_in_any_case(self, language: str) -> None:
        assert language in str(ssml.lang("x", language=language))

    @pytest.mark.parametrize("time", [".5s", "0.5s", "500ms", "10s"])
    def test_pause_accepts_every_form_of_duration(self, time: str) -> None:
        assert str(ssml.pause(time=time)) == f'<break time="{time}"/>'

    def test_billed_characters_counts_plain_text_by_its_length(self) -> None:
        assert ssml.billed_characters("a<b/>c") == 6


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "document in another document": (lambda: ssml.p(ssml.speak("x")), "<speak> is the root"),
    "None": (lambda: ssml.speak(None), "not NoneType"),  # type: ignore[arg-type]  # a missing XCom
    "bool": (lambda: ssml.speak(True), "not bool"),
    "long time": (lambda: ssml.pause(time="10.5s"), "the maximum is 10s"),
    "long time in ms": (lambda: ssml.pause(time="10001ms"), "the maximum is 10s"),
    "time without unit": (lambda: ssml.pause(time="1"), "1.5s or 500ms"),
    "time in digits that are not ASCII": (
        lambda: ssml.pause(time="\N{ARABIC-INDIC DIGIT FIVE}s"),
        "1.5s or 500ms",
    ),
    "rate in digits that are not ASCII": (
        lambda: ssml.prosody("x", rate="\N{ARABIC-INDIC DIGIT EIGHT}5%"),
        "from 20%",
    ),
    "time below 0": (lambda: ssml.pause(time=timedelta(seconds=-1)), "is not a duration"),
    "strength": (lambda: ssml.pause(strength="huge"), "x-weak, weak"),
    "level": (lambda: ssml.emphasis("x", level="much"), "strong, moderate, reduced"),
    "prosody without attributes": (lambda: ssml.prosody("x"), "needs at least one of"),
    "two speeds": (lambda: ssml.prosody("x", rate="slow", max_duration="1s"), "not both"),
    "slow rate": (lambda: ssml.prosody("x", rate="19%"), "from 20%"),
    "slow relative rate": (lambda: ssml.prosody("x", rate="-81%"), r"from 20% \(-80%\)"),
    "unknown rate": (lambda: ssml.prosody("x", rate="quick"), "from 20%"),
    "pitch": (lambda: ssml.prosody("x", pitch="steep"), r"\+5% or -10%"),
    "volume": (lambda: ssml.prosody("x", volume="deafening"), r"\+6dB or -6dB"),
    "max_duration": (lambda: ssml.prosody("x", max_duration="soon"), "max_duration 'soon' is not a duration"),
    "interpret_as": (lambda: ssml.say_as("1", interpret_as="currency"), "telephone"),
    "format": (lambda: ssml.say_as("1", interpret_as="date", format="iso"), "yyyymmdd"),
    "ph": (lambda: ssml.phoneme("x", ph=""), "ph must be a non-empty string"),
    "alphabet": (lambda: ssml.phoneme("x", ph="x", alphabet="kirshenbaum"), "x-sampa"),
    "language": (lambda: ssml.lang("x", language="French"), "fr-FR"),
    "mark": (lambda: ssml.mark(""), "name must be a non-empty string"),
    "type": (lambda: ssml.phoneme("x", ph="x", type="rubi"), "ruby"),
    "alias": (lambda: ssml.sub("x", alias=7), "alias must be a non-empty string"),  # type: ignore[arg-type]  # the wrong type is the test
    "role": (lambda: ssml.w("x", role=""), "amazon:VB"),
    "no effect": (lambda: ssml.effect("x"), "needs at least one of"),
    "effect": (lambda: ssml.effect("x", name="shouted"), "'whispered' or 'drc'"),
    "phonation": (lambda: ssml.effect("x", phonation="hard"), "soft"),
    "vocal tract": (lambda: ssml.effect("x", vocal_tract_length="long"), "percentage"),
}


@pytest.mark.parametrize(("make", "words"), BAD.values(), ids=BAD)
def test_invalid_arguments_are_refused_with_an_error_that_airflow_does_not_retry(
    make: Callable[[], Any], words: str
) -> None:
    with pytest.raises(PollySsmlError, match=words) as refused:
        make()
    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, AirflowFailException), "Airflow retries everything else"


UNDOCUMENTED: dict[str, Callable[[], Ssml]] = {
    'rate="300%"': lambda: ssml.prosody("x", rate="300%"),
    'rate="+150%"': lambda: ssml.prosody("x", rate="+150%"),
    'rate="default"': lambda: ssml.prosody("x", rate="default"),
    'rate="2"': lambda: ssml.prosody("x", rate="2"),
    'pitch="5%"': lambda: ssml.prosody("x", pitch="5%"),
    'pitch="+2st"': lambda: ssml.prosody("x", pitch="+2st"),
    'volume="6dB"': lambda: ssml.prosody("x", volume="6dB"),
    'level="none"': lambda: ssml.emphasis("x", level="none"),
    'format="hms12"': lambda: ssml.say_as("1", interpret_as="time", format="hms12"),
    'alias=""': lambda: ssml.sub("x", alias=""),
    'type="default"': lambda: ssml.phoneme("x", ph="x", type="default"),
    'role="amazon:PRT"': lambda: ssml.w("x", role="amazon:PRT"),
    'time="1s" strength="weak"': lambda: ssml.pause(time="1s", strength="weak"),
    'name="drc" phonation="soft"': lambda: ssml.effect("x", name="drc", phonation="soft"),
}


@pytest.mark.parametrize(("markup", "make"), UNDOCUMENTED.items(), ids=UNDOCUMENTED)
def test_undocumented_values_are_sent_with_a_warning(
    markup: str, make: Callable[[], Ssml], caplog: pytest.LogCaptureFixture
) -> None:
    assert markup in str(make())
    (warning,) = warnings_in(caplog)
    assert "Polly may reject it" in warning
