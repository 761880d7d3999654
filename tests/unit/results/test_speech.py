from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.results.speech import SPEECH_XCOM_KEYS, SpeechXCom, speech_xcom
from tests.unit.support import members_of

OUTPUT = {"OutputUri": "https://s3.eu-west-1.amazonaws.com/bucket/a.mp3", "OutputS3Uri": "s3://bucket/a.mp3"}
REQUEST = {"OutputFormat": "mp3", "Text": "Hello", "VoiceId": "Amy", "TextType": "text"}


def value_of(request: dict[str, Any], **reported: Any) -> SpeechXCom:
    return speech_xcom(request, OUTPUT, **{"request_characters": 5, "content_type": "audio/mpeg", **reported})


class TestSpeechXCom:
    @given(st.text(), st.sets(st.sampled_from(sorted(members_of("SynthesizeSpeechInput")))))
    def test_never_contains_the_text(self, text: str, members: set[str]) -> None:
        request = dict.fromkeys(members, "other") | {"Text": f"secret {text}"}
        assert "secret" not in json.dumps(value_of(request))

    def test_contains_the_request_the_destination_and_pollys_report(self) -> None:
        assert value_of(REQUEST) == {
            "OutputFormat": "mp3",
            "VoiceId": "Amy",
            "TextType": "text",
            **OUTPUT,
            "RequestCharacters": 5,
            "SpokenCharacters": 5,
            "ContentType": "audio/mpeg",
        }

    def test_has_the_duration_in_milliseconds_precision(self) -> None:
        assert value_of(REQUEST, seconds=2.0406)["DurationSeconds"] == 2.041

    def test_omits_values_that_polly_did_not_report(self) -> None:
        value = value_of(REQUEST, request_characters=None, content_type=None)
        assert not {"RequestCharacters", "SpokenCharacters", "ContentType"} & value.keys()

    def test_contains_the_container_only_if_it_is_given(self) -> None:
        assert value_of(REQUEST, output_container="wav")["OutputContainer"] == "wav"
        assert "OutputContainer" not in value_of(REQUEST)

    def test_declares_every_member_of_a_request_except_the_text(self) -> None:
        assert SpeechXCom.__annotations__.keys() - {*SPEECH_XCOM_KEYS, "OutputContainer"} == (
            members_of("SynthesizeSpeechInput").keys() - {"Text"}
        )
