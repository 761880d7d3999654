from __future__ import annotations

import inspect
from datetime import timedelta
from typing import Any

import pytest

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.operators.document import PollySynthesizeDocumentOperator
from tests.unit.support import execute

TURNS = [{"voice_id": "Amy", "text": "Hello."}]


def operator(**given: Any) -> PollySynthesizeDocumentOperator:
    arguments: dict[str, Any] = {
        "document": "Hello there.",
        "voice_id": "Amy",
        "output_s3_bucket_name": "my-bucket",
        "output_s3_key": "a.mp3",
    }
    return PollySynthesizeDocumentOperator(task_id="speak", **arguments | given)


class TestWhenTheDagIsParsed:
    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"document": None}, "Give either document or turns"),
            ({"turns": TURNS}, "Give either document or turns"),
            ({"output_container": "mp3"}, "output_container must be 'wav' or None, not 'mp3'"),
            ({"text_may_name_file": "False"}, "text_may_name_file must be True or False, not 'False'"),
            ({"chapter_pause_seconds": -1}, "chapter_pause_seconds must be a number from 0 to 60, not -1"),
            ({"chapter_pause_seconds": 61}, "chapter_pause_seconds must be a number from 0 to 60, not 61"),
            ({"piece_pause_seconds": "1"}, "piece_pause_seconds must be a number from 0 to 60, not '1'"),
            ({"piece_pause_seconds": None}, "piece_pause_seconds must be a number from 0 to 60, not None"),
            ({"max_piece_characters": 99}, "max_piece_characters must be an integer from 100 to 100,000"),
            ({"max_piece_characters": 100_001}, "max_piece_characters must be an integer from 100"),
            ({"max_document_characters": 0}, "max_document_characters must be a positive integer, not 0"),
            ({"max_request_characters": 0}, "max_request_characters must be a whole number above 0"),
            ({"reuse": "always"}, "reuse must be 'unchanged' or 'never', not 'always'"),
            ({"dry_run": "maybe"}, "dry_run"),
            ({"poke_interval": 0}, r"poke_interval \(0.0 s\) and timeout"),
            ({"timeout": timedelta(0)}, r"and timeout \(0.0 s\) must be above 0"),
        ],
    )
    def test_invalid_parameters_are_refused(self, given: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            operator(**given)

    def test_an_empty_document_is_refused_only_when_the_task_runs(self) -> None:
        """A template can be rendered to an empty text, which only the running task sees."""
        assert operator(document="").document == ""
        assert operator(document=None, turns=[]).turns == []


class TestWhenTheTaskRuns:
    """Without a network a request would fail with another error, so these errors precede any request."""

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"document": " "}, "nothing to speak"),
            ({"document": b"Hello."}, "document must be a text or the path of a file, not bytes"),
            ({"max_document_characters": 5}, r"maximum is 5\..*Raise max_document_characters"),
            ({"document": "<speak>Hello.", "text_type": "ssml"}, "SSML"),
            ({"text_type": "html"}, "text_type must be 'text' or 'ssml', not 'html'"),
            (
                {"document": None, "turns": TURNS, "max_document_characters": 5},
                r"maximum is 5\..*Raise max_document_characters",
            ),
            ({"document": None, "turns": []}, "turns is empty"),
            ({"document": None, "turns": "Hello."}, "turns must be a list of mappings"),
            ({"output_format": "ogg_vorbis"}, "ogg_vorbis cannot be joined: browsers play only the first"),
            ({"output_format": "json"}, "json cannot be joined: speech marks are not audio"),
            ({"output_s3_bucket_name": "s3://bucket"}, "the name of an S3 bucket without s3:"),
        ],
    )
    def test_invalid_parameters_are_refused_before_any_request(
        self, given: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(PollyInvalidRequestError, match=words):
            execute(operator(**given))


class TestDefaults:
    def test_of_the_sizes_are_those_that_the_docstring_names(self) -> None:
        documented = " ".join(inspect.getdoc(PollySynthesizeDocumentOperator).split())  # type: ignore[union-attr]
        parameters = inspect.signature(PollySynthesizeDocumentOperator.__init__).parameters
        for name, text in (
            ("max_piece_characters", "default {:,}. With smaller"),
            ("max_document_characters", "in the document; default {:,}"),
            ("chapter_pause_seconds", "default {} seconds"),
            ("piece_pause_seconds", "default {} seconds, because"),
        ):
            assert text.format(parameters[name].default) in documented

    def test_every_templated_field_is_a_parameter(self) -> None:
        parameters = inspect.signature(PollySynthesizeDocumentOperator.__init__).parameters
        own = {*PollySynthesizeDocumentOperator.template_fields} - {"only_estimate"}
        inherited = {"aws_conn_id", "region_name", "verify", "botocore_config"}
        assert own - inherited <= {*parameters}
