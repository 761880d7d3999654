# ruff: noqa: RUF001 - letters of the IPA look like other letters

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.text.ssml import Ssml

ALL_TAGS = """<?xml version="1.0"?>
<speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US">
<amazon:auto-breaths volume="low"><p><s>One <break strength="x-strong"/><break time="300ms"/> two.</s></p>
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
    said = str(document.plain)
    assert "seven" in said
    assert "bad" not in said
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
        "<speak><mark/></speak>",
        "<speak><sub>no alias</sub></speak>",
        "<speak><say-as>no</say-as></speak>",
        "<speak><lang>no</lang></speak>",
        "<speak><phoneme alphabet='ipa'>no</phoneme></speak>",
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
    ("engine", "inner"),
    [
        ("neural", "<emphasis>no</emphasis>"),
        ("neural", "<prosody pitch='high'>no</prosody>"),
        ("long-form", "<amazon:effect name='whispered'>no</amazon:effect>"),
        ("neural", "<prosody amazon:max-duration='2s'>no</prosody>"),
        ("generative", "<amazon:effect name='drc'>no</amazon:effect>"),
        ("standard", "<amazon:domain name='news'>no</amazon:domain>"),
    ],
)
def test_a_tag_is_refused_only_for_an_engine_that_does_not_support_it(engine: str, inner: str) -> None:
    assert Ssml(f"<speak>{inner}</speak>").words == "no"
    with pytest.raises(ApiError, match=f"the {engine} engine does not support"):
        Ssml(f"<speak>{inner}</speak>", engine=engine)


@given(st.text(max_size=60))
def test_any_text_is_accepted_or_refused_as_invalid_ssml(text: str) -> None:
    try:
        Ssml(f"<speak>{text}</speak>" if text.isprintable() else text)
    except ApiError as error:
        refused = error.code
    else:
        refused = "InvalidSsmlException"
    assert refused == "InvalidSsmlException"
