from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.audio.wav import WavForm
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.container import validate_output_container, wav_form
from tests.unit.support import NEWER_FORMATS, execute, start_operator

if TYPE_CHECKING:
    from tests.unit.support import Wire

KEY: dict[str, Any] = {"output_s3_key": "a.wav", "output_container": "wav"}


class TestWhenTheDagIsParsed:
    @pytest.mark.parametrize("value", ["wav", None])
    def test_valid_value_is_accepted(self, value: str | None) -> None:
        assert validate_output_container(value) == value

    @pytest.mark.parametrize("value", ["", "WAV", "mp3", "{{ 'wav' }}", True, 1, ["wav"], {"wav": 1}])
    def test_other_value_is_refused_by_the_operator(self, value: Any) -> None:
        with pytest.raises(ValueError, match="output_container must be 'wav' or None, not"):
            start_operator(output_s3_key="a.wav", output_container=value)


class TestWhenTheTaskRuns:
    @pytest.mark.parametrize(
        ("output_format", "reason"),
        [
            ("mp3", "it is compressed audio"),
            ("ogg_vorbis", "it is compressed audio"),
            ("ogg_opus", "it is compressed audio"),
            ("json", "speech marks are text"),
        ],
    )
    def test_format_that_no_wav_file_can_hold_is_refused_before_any_request(
        self, wire: Wire, output_format: str, reason: str
    ) -> None:
        if output_format in NEWER_FORMATS:
            pytest.skip("the installed botocore does not support this format")
        marks = {"speech_mark_types": ["word"]} if output_format == "json" else {}
        operator = start_operator(output_format=output_format, **marks, **KEY)
        with pytest.raises(
            PollyInvalidRequestError,
            match=f"'{output_format}': {reason}.* one of pcm, mulaw, alaw, or remove output_container",
        ):
            execute(operator)
        assert wire.requests == []

    def test_format_is_known_only_after_rendering(self, wire: Wire) -> None:
        operator = start_operator(output_format="{{ params.format }}", **KEY)
        operator.output_format = "mp3"
        with pytest.raises(PollyInvalidRequestError, match="cannot hold output_format 'mp3'"):
            execute(operator)

    def test_form_is_that_of_the_requested_samples(self) -> None:
        expected = WavForm(output_format="mulaw", sample_rate=8000)
        assert wav_form("wav", {"OutputFormat": "mulaw"}) == expected
        assert wav_form(None, {"OutputFormat": "mulaw"}) is None
