from __future__ import annotations

from typing import Any

import pytest

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.operators.polly import PollySynthesizeSpeechOperator
from tests.unit.support import execute

S3: dict[str, Any] = {"output_s3_bucket_name": "bucket", "output_s3_key": "a.mp3"}


def operator(**given: Any) -> PollySynthesizeSpeechOperator:
    return PollySynthesizeSpeechOperator(task_id="speak", **{"text": "Hello", "voice_id": "Amy"} | given)


class TestWhenTheDagIsParsed:
    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({}, "No destination was given: give either"),
            ({**S3, "output_path": "file:///a.mp3"}, "Two destinations were given: give either"),
            ({"output_s3_key": "a.mp3"}, "must be given together"),
            ({"output_s3_bucket_name": "bucket"}, "must be given together"),
            ({"output_s3_key": "a.mp3", "output_path": "file:///a.mp3"}, "must be given together"),
            ({**S3, "max_request_characters": 0}, "max_request_characters must be a whole number above 0"),
            ({**S3, "output_container": "mp3"}, "output_container must be 'wav' or None, not 'mp3'"),
            ({**S3, "text_may_name_file": "False"}, "text_may_name_file must be True or False, not 'False'"),
        ],
    )
    def test_contradicting_parameters_are_refused(self, given: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            operator(**given)


class TestWhenTheTaskRuns:
    """Without a network a request would fail with another error, so these errors precede any request."""

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"output_s3_bucket_name": "s3://bucket"}, "the name of an S3 bucket without s3:"),
            ({"output_s3_bucket_name": ""}, "the name of an S3 bucket without s3:"),
            ({"output_s3_key": ""}, "output_s3_key is empty"),
            ({"output_s3_key": " "}, "output_s3_key is empty"),
            ({"output_s3_key": "audio/"}, "output_s3_key 'audio/' is a folder"),
            ({"output_s3_key": "s3://bucket/a.mp3"}, "output_s3_key 's3://bucket/a.mp3' is a URI"),
            (
                {"output_s3_key": "ä" * 513},
                "output_s3_key has 1,026 bytes in UTF-8; S3 accepts at most 1,024",
            ),
            ({"text": "x" * 3_001}, "PollyStartSpeechSynthesisTaskOperator"),
            ({"max_request_characters": 4}, "max_request_characters is 4"),
            ({"text": ("secret", 1)}, r"text must be a string, not tuple\..*render_template_as_native_obj"),
            ({"output_container": "wav"}, "cannot hold output_format 'mp3': it is compressed audio"),
            ({"output_s3_key": 1.5}, "output_s3_key must be a string, not float"),
        ],
    )
    def test_invalid_parameters_are_refused_before_any_request(
        self, given: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(PollyInvalidRequestError, match=words):
            execute(operator(**{**S3, **given}))

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("s3://bucket", "must have a bucket and a key"),
            ("s3://bucket/", "must have a bucket and a key"),
            ("s3://bucket/audio/", "the key in output_path 'audio/' is a folder"),
            ("s3a://connection@Bucket/a.mp3", "the name of an S3 bucket without s3:"),
            ("file:///data/", "must name a file"),
            ("", "output_path is empty"),
            ("\n", "output_path is empty"),
        ],
    )
    def test_an_output_path_that_names_no_file_is_refused_before_any_request(
        self, path: str, words: str
    ) -> None:
        with pytest.raises(PollyInvalidRequestError, match=words):
            execute(operator(output_path=path))

    @pytest.mark.parametrize("path", [1.5, True, (1, 0), ["a"], {"a": 1}, b"a"])
    def test_an_output_path_of_another_type_is_refused_before_any_request(self, path: Any) -> None:
        name = type(path).__name__
        with pytest.raises(PollyInvalidRequestError, match=f"output_path must be a string, not {name}"):
            execute(operator(output_path=path))

    def test_the_error_for_an_output_path_of_none_names_output_path(self) -> None:
        speak = operator(output_path="{{ None }}")
        speak.output_path = None
        with pytest.raises(
            PollyInvalidRequestError, match=r"output_path must .* upstream task returned no value"
        ):
            execute(speak)

    def test_an_output_path_that_is_a_folder_is_refused_before_any_request(self, tmp_path: Any) -> None:
        with pytest.raises(PollyInvalidRequestError, match="is a folder"):
            execute(operator(output_path=f"file://{tmp_path}"))
