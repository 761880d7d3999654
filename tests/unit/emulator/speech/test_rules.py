"""Checks of a synthesis request that the service model does not contain."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.speech import rules

VALID: dict[str, Any] = {"OutputFormat": "mp3", "VoiceId": "Joanna", "Text": "Hello"}


def check(**changes: Any) -> int:
    return rules.check_synthesis(VALID | changes, limits=rules.TASK_LIMITS, task=True)


@pytest.mark.parametrize(
    "text",
    [
        "<speak>" + "x\r\n" * 50_000 + "</speak>",
        "<speak>" + "<s>x</s>" * 24_990 + "</speak>" + "\r\n" * 100,
    ],
    ids=["CRLF", "white space around the document"],
)
def test_ssml_at_the_limit_is_accepted_by_the_most_lenient_way_to_count(text: str) -> None:
    assert check(Text=text, TextType="ssml") <= 100_000


def test_the_content_of_cdata_is_billed() -> None:
    assert check(Text="<speak><![CDATA[one < two]]></speak>", TextType="ssml") == 9


@pytest.mark.parametrize("rate", ["8000", "22050", "44100", "48000"])
def test_speech_marks_are_accepted_with_any_sample_rate_of_audio(rate: str) -> None:
    assert check(OutputFormat="json", SpeechMarkTypes=["word"], SampleRate=rate) == 5


def test_a_sample_rate_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ApiError, match="InvalidSampleRateException"):
        check(OutputFormat="json", SpeechMarkTypes=["word"], SampleRate="fast")


OUTPUT = {"OutputS3BucketName": "my-bucket"}


@pytest.mark.parametrize("prefix", ["", "a/../b", "./a", "a/./b", "a//b", "a..b/c"])
def test_a_key_prefix_that_stays_in_the_bucket_is_accepted(prefix: str) -> None:
    rules.check_output(OUTPUT | {"OutputS3KeyPrefix": prefix})


@pytest.mark.parametrize("prefix", ["..", "../a", "a/../../b", "./../a"])
def test_a_key_prefix_that_leaves_the_bucket_is_refused(prefix: str) -> None:
    with pytest.raises(ApiError, match="InvalidS3KeyException"):
        rules.check_output(OUTPUT | {"OutputS3KeyPrefix": prefix})


@pytest.mark.parametrize("name", ["my.-bucket", "my-.bucket", "a--b", "1.2.3"])
def test_a_bucket_name_that_the_rules_of_s3_allow_is_accepted(name: str) -> None:
    rules.check_output({"OutputS3BucketName": name})


@pytest.mark.parametrize("name", ["192.168.5.4", "my..bucket", "xn--a", "sthree-a", "a-s3alias", "a--x-s3"])
def test_a_bucket_name_that_the_rules_of_s3_forbid_is_refused(name: str) -> None:
    with pytest.raises(ApiError, match="InvalidS3BucketException"):
        rules.check_output({"OutputS3BucketName": name})
