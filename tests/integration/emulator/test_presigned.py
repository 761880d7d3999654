"""SynthesizeSpeech through a presigned URL, as a web page uses it to play audio."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.emulator.support import lexicon

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator


def test_a_presigned_url_returns_the_audio(polly: Any, emulator: RunningEmulator) -> None:
    for name, alias in (("first", "one"), ("second", "two")):
        polly.put_lexicon(Name=name, Content=lexicon(grapheme=name, alias=alias))
    members = {
        "Text": "first, <second> & größer 日本",
        "VoiceId": "Joanna",
        "OutputFormat": "pcm",
        "SampleRate": "8000",
        "LexiconNames": ["first", "second"],
    }
    url = polly.generate_presigned_url("synthesize_speech", Params=members, HttpMethod="GET")
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.headers["Content-Type"] == "audio/pcm"
        assert answer.headers["x-amzn-RequestCharacters"] == str(len(members["Text"]))
        audio = answer.read()
    assert emulator.counters.calls("SynthesizeSpeech", "ok") == 1
    assert audio == polly.synthesize_speech(**members)["AudioStream"].read()


def test_a_presigned_url_with_invalid_parameters_is_refused(polly: Any) -> None:
    members = {"Text": "no", "VoiceId": "Joanna", "OutputFormat": "mp3", "LexiconNames": ["unknown"]}
    url = polly.generate_presigned_url("synthesize_speech", Params=members, HttpMethod="GET")
    for wrong, status, error in (
        (url, 404, "LexiconNotFoundException"),
        (url.replace("Joanna", "Nobody"), 400, "ValidationException"),
        (url.replace("Text=", "text="), 400, "ValidationException"),
    ):
        with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(wrong, timeout=10):
            pass
        with caught.value as answer:
            assert (answer.code, answer.headers["x-amzn-ErrorType"]) == (status, error)
