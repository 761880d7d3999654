# ruff: noqa: RUF001 - letters of the IPA look like other letters

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.text.ssml import Ssml

ALL_TAGS = """<?xml version="1.0"?>
<speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US">
<amazon:auto-breaths volume="soft"><p><s>One <break strength="x-strong"/><break time="300ms"/> two.</s></p>
<prosody rate="120%" volume="+6dB" pitch="-10%">three</prosody> <emphasis level="strong">four</emphasis>
<lang xml:lang="fr-FR">cinq</lang> <say-as interpret-as="characters">six</say-as>
<say-as interpret-as="expletive">bad</say-as> <sub alias="seven">7</sub> <w role="amazon:VB">read</w>
<phoneme alphabet="ipa" ph="pɪˈkɑːn">pecan</phoneme> <mark name="here"/>
<amazon:effect name="whispered">hush</amazon:effect>
<amazon:effect vocal-tract-length="+15%">long</amazon:effect>
<amazon:breath duration="medium"/><!-- a comment --><![CDATA[x < y & z]]>
</amazon:auto-breaths></speak>"""


def test_a_document_with_every_tag_that_polly_documents_is_accepted() -> None:
    document = Ssml(ALL_TAGS, engine="standard")
    assert document.words.split()[:3] == ["One", "two.", "three"]
    assert document.words.split()[-5:] == ["x", "<", "y", "&", "z"]
    expected = str(document.plain)
    assert "seven" in expected
    assert "bad" not in expected
    assert "[[pI'kA:n]]" in str(document.spoken)


@pytest.mark.parametrize(
    "ssml",
    [
        "plain",
        "<speak>open",
        "<speak>a & b</speak>",
        "<p>no speak</p>",
        "<speak><speak>twice</speak></speak>",
        "<speak><voice name='x'>no</voice></speak>",
        "<speak><audio src='x'/></speak>",
        "<speak><break time='11s'/></speak>",
        "<speak><break time='soon'/></speak>",
        "<speak><break strength='huge'/></speak>",
        "<speak><prosody>nothing</prosody></speak>",
        "<speak><prosody rate='quick'>no</prosody></speak>",
        "<speak><prosody rate='-81%'>no</prosody></speak>",
        "<speak><prosody rate='19%'>no</prosody></speak>",
        "<speak><prosody rate='0.1'>no</prosody></speak>",
        "<speak><phoneme type='rubi' ph='x'>no</phoneme></speak>",
        "<speak><say-as interpret-as='currency'>no</say-as></speak>",
        "<speak><say-as interpret-as='date' format='iso'>no</say-as></speak>",
        "<speak><amazon:breath volume='huge'/></speak>",
        "<speak><amazon:auto-breaths frequency='often'>no</amazon:auto-breaths></speak>",
        "<speak><amazon:domain name='music'>no</amazon:domain></speak>",
        "<speak><break time='\N{ARABIC-INDIC DIGIT FIVE}s'/></speak>",
        "<speak><mark/></speak>",
        "<speak><sub>no alias</sub></speak>",
        "<speak><say-as>no</say-as></speak>",
        "<speak><lang>no</lang></speak>",
        "<speak><phoneme alphabet='ipa'>no</phoneme></speak>",
        "<speak><w role='VB'>no</w></speak>",
        "<speak><say-as interpret-as='verse'>no</say-as></speak>",
        "<speak><say-as interpret-as='date' format='ymdh'>no</say-as></speak>",
        "<speak><p bold='yes'>no</p></speak>",
        "<!DOCTYPE speak><speak>no</speak>",
        '<!DOCTYPE speak [<!ENTITY a "b">]><speak>&a;</speak>',
        "<speak>&undefined;</speak>",
        "<speak>\0</speak>",
    ],
)
def test_ssml_that_polly_refuses_is_refused(ssml: str) -> None:
    with pytest.raises(ApiError, match="InvalidSsmlException"):
        Ssml(ssml)


@pytest.mark.parametrize(
    ("rate", "spoken"),
    [
        ("-10%", "90%"),
        ("+10%", "110%"),
        ("-80%", "20%"),
        ("20%", "20%"),
        ("85.5%", "86%"),
        ("300%", "300%"),
        ("2", "200%"),
        ("slow", "slow"),
    ],
)
def test_a_rate_is_converted_to_per_cent_of_the_voices_default_rate(rate: str, spoken: str) -> None:
    document = Ssml(f"<speak><prosody rate='{rate}'>yes</prosody></speak>")
    assert f'<prosody rate="{spoken}">' in str(document.spoken)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('type="ruby" ph="にっぽんばし"', "にっぽんばし"),
        ('alphabet="x-amazon-yomigana" ph="ひろかず"', "ひろかず"),
        ('alphabet="x-amazon-pron-kana" ph="ヒロカ\'ズ"', "ヒロカズ"),
        ('alphabet="x-amazon-pinyin" ph="bo2"', "bo2"),
        ('alphabet="x-amazon-jyutping" ph="sing3"', "sing3"),
    ],
)
def test_a_phoneme_in_syllables_is_spoken_instead_of_the_text(attributes: str, expected: str) -> None:
    document = Ssml(f"<speak>a <phoneme {attributes}>日本橋</phoneme></speak>")
    assert str(document.plain) == f"a {expected}"
    assert document.words == "a 日本橋"


@pytest.mark.parametrize("time", [".5s", "+0.5s", "10s", "10000ms"])
def test_every_form_of_duration_is_accepted(time: str) -> None:
    assert f'<break time="{time}"/>' in str(Ssml(f"<speak><break time='{time}'/></speak>").spoken)


# https://docs.aws.amazon.com/polly/latest/dg/supportedtags.html; standard voices support all of these.
WITH_AN_ENGINE = {
    "<break/>": "neural long-form generative",
    "<emphasis>no</emphasis>": "",
    "<lang xml:lang='fr-FR'>non</lang>": "neural long-form generative",
    "<mark name='here'/>": "neural long-form generative",
    "<p>no</p>": "neural long-form generative",
    "<phoneme ph='n'>no</phoneme>": "neural long-form generative",
    "<prosody rate='slow' volume='loud'>no</prosody>": "neural long-form generative",
    "<prosody pitch='high'>no</prosody>": "",
    "<prosody amazon:max-duration='2s'>no</prosody>": "",
    "<s>no</s>": "neural long-form generative",
    "<say-as interpret-as='date' format='mdy'>1/2/2026</say-as>": "neural long-form generative",
    "<sub alias='yes'>no</sub>": "neural long-form generative",
    "<w role='amazon:VB'>read</w>": "neural long-form generative",
    "<amazon:auto-breaths>no</amazon:auto-breaths>": "",
    "<amazon:breath/>": "",
    "<amazon:effect name='drc'>no</amazon:effect>": "neural long-form",
    "<amazon:effect phonation='soft'>no</amazon:effect>": "",
    "<amazon:effect vocal-tract-length='+5%'>no</amazon:effect>": "",
    "<amazon:effect name='whispered'>no</amazon:effect>": "",
}


@pytest.mark.parametrize("engine", ["standard", "neural", "long-form", "generative"])
@pytest.mark.parametrize("inner", WITH_AN_ENGINE)
def test_a_tag_is_refused_only_for_an_engine_that_does_not_support_it(inner: str, engine: str) -> None:
    ssml = f"<speak>{inner}</speak>"
    if engine in ("standard", *WITH_AN_ENGINE[inner].split()):
        Ssml(ssml, engine=engine)
        return
    with pytest.raises(ApiError, match=f"InvalidSsmlException: Unsupported {engine.capitalize()} feature"):
        Ssml(ssml, engine=engine)


@pytest.mark.parametrize(
    ("voice_id", "engine", "speaks_news"),
    [
        ("Joanna", "neural", True),
        ("Matthew", "neural", True),
        ("Lupe", "neural", True),
        ("Amy", "neural", True),
        ("Brian", "neural", False),
        ("Joanna", "standard", False),
        ("Danielle", "long-form", False),
        ("Amy", "generative", False),
    ],
)
def test_only_four_neural_voices_accept_the_news_style(voice_id: str, engine: str, speaks_news: bool) -> None:
    news = "<speak><amazon:domain name='news'>yes</amazon:domain></speak>"
    if speaks_news:
        assert Ssml(news, engine=engine, voice_id=voice_id).words == "yes"
        return
    with pytest.raises(ApiError, match="ValidationException: This voice does not support one of the used"):
        Ssml(news, engine=engine, voice_id=voice_id)


@pytest.mark.parametrize("before", ["<emphasis>no</emphasis>", "<amazon:domain name='news'/>", "<marquee/>"])
def test_the_refusal_of_a_malformed_document_says_not_well_formed(before: str) -> None:
    with pytest.raises(ApiError, match="InvalidSsmlException: Invalid SSML request: not well-formed at line"):
        Ssml(f"<speak>{before}<p></speak>", engine="neural", voice_id="Brian")


@pytest.mark.parametrize("role", ["VB", "VBD", "DT", "IN", "JJ", "NN", "DEFAULT", "SENSE_1"])
def test_every_role_that_pollys_guide_documents_is_accepted(role: str) -> None:
    assert Ssml(f"<speak><w role='amazon:{role}'>read</w></speak>").words == "read"


@given(st.text(max_size=60))
def test_any_text_is_accepted_or_refused_as_invalid_ssml(text: str) -> None:
    try:
        Ssml(f"<speak>{text}</speak>" if text.isprintable() else text)
    except ApiError as error:
        refused = error.code
    else:
        refused = "InvalidSsmlException"
    assert refused == "InvalidSsmlException"
