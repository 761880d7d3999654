from __future__ import annotations

from typing import Any

import pytest

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.rules import SAMPLE_RATES
from airflow_polly_provider.request.validation import build_request, build_speech_request
from tests.unit.support import NEWER_FORMATS, values_of

VALID: dict[str, Any] = {"OutputFormat": "mp3", "Text": "Hello", "VoiceId": "Amy"}


class TestSampleRates:
    def test_exist_for_every_audio_format_of_the_service_model(self) -> None:
        assert set(SAMPLE_RATES) - set(NEWER_FORMATS) == set(values_of("OutputFormat")) - {"json"}

    @pytest.mark.parametrize("output_format", ["mp3", "ogg_vorbis"])
    @pytest.mark.parametrize("rate", ["44100", "48000"])
    def test_of_44100_and_48000_are_accepted_for_synthesize_speech_but_not_for_a_synthesis_task(
        self, output_format: str, rate: str
    ) -> None:
        changes = {"OutputFormat": output_format, "SampleRate": rate}
        assert build_speech_request(**{**VALID, **changes})["SampleRate"] == rate
        with pytest.raises(PollyInvalidRequestError, match=rate):
            build_request(**{**VALID, **changes}, OutputS3BucketName="bucket")
