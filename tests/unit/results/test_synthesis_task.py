from __future__ import annotations

import ast
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_polly_provider.exceptions import (
    PollyInvalidRequestError,
)
from airflow_polly_provider.results.synthesis_task import (
    OWN_XCOM_KEYS,
    SynthesisTaskXCom,
    synthesis_task_id_of,
    to_xcom_value,
)
from tests.unit.support import members_of, synthesis_task, warnings_in


class TestXComForm:
    def test_has_awss_field_names_and_the_s3_uri_and_survives_json(self) -> None:
        given_task = synthesis_task(SnsTopicArn="arn:aws:sns:eu-west-1:123456789012:t", LexiconNames=["a"])
        value = to_xcom_value(given_task)
        assert json.loads(json.dumps(value)) == value
        assert set(value) == {*given_task, "OutputS3Uri", "SpokenCharacters"}
        assert value["OutputS3Uri"] == "s3://bucket/audio.t1.mp3"
        assert datetime.fromisoformat(value["CreationTime"]) == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)

    def test_is_unchanged_when_converted_again(self) -> None:
        value = to_xcom_value(synthesis_task())
        assert to_xcom_value(value) == value

    def test_has_no_s3_uri_if_polly_returned_no_output_uri(self) -> None:
        assert "OutputS3Uri" not in to_xcom_value({"TaskId": "t1", "TaskStatus": "scheduled"})

    def test_has_all_fields_except_the_s3_uri_if_the_output_uri_names_no_object(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An error would lose the other fields of a synthesis task that was paid for."""
        value = to_xcom_value(synthesis_task(OutputUri="https://elsewhere"))
        assert value["OutputUri"] == "https://elsewhere"
        assert "OutputS3Uri" not in value
        assert "https://elsewhere" in warnings_in(caplog)[0]

    def test_own_keys_are_fields_of_a_synthesis_task(self) -> None:
        own = {"OutputS3Uri", "SpokenCharacters", "DurationSeconds", "EstimatedCost"}
        assert set(OWN_XCOM_KEYS) - own <= set(members_of("SynthesisTask"))

    def test_uses_the_billed_characters_as_spoken_characters(self) -> None:
        assert to_xcom_value(synthesis_task(RequestCharacters=7))["SpokenCharacters"] == 7

    def test_has_no_spoken_characters_if_polly_returned_no_billed_characters(self) -> None:
        assert "SpokenCharacters" not in to_xcom_value({"TaskId": "t1", "TaskStatus": "scheduled"})

    def test_keeps_the_spoken_characters_of_an_unchanged_object(self) -> None:
        unchanged = synthesis_task(RequestCharacters=0, SpokenCharacters=7, Unchanged=True)
        assert to_xcom_value(unchanged)["SpokenCharacters"] == 7

    def test_of_an_unchanged_object_of_an_earlier_version_has_no_spoken_characters(self) -> None:
        assert "SpokenCharacters" not in to_xcom_value(synthesis_task(RequestCharacters=0, Unchanged=True))


class TestSynthesisTaskId:
    @pytest.mark.parametrize("value", ["t1", synthesis_task("t1"), to_xcom_value(synthesis_task("t1"))])
    def test_is_read_from_an_id_or_a_synthesis_task(self, value: str | dict[str, Any]) -> None:
        assert synthesis_task_id_of(value) == "t1"

    @pytest.mark.parametrize("value", ["", "  ", None, 7, {}, {"TaskId": None}, ["t1"]])
    def test_that_is_missing_is_refused_with_advice_on_what_to_pass(self, value: Any) -> None:
        with pytest.raises(PollyInvalidRequestError, match=r"TaskId.*start\.output"):
            synthesis_task_id_of(value)

    def test_of_a_dry_run_is_refused_with_the_reason(self) -> None:
        with pytest.raises(PollyInvalidRequestError, match="report of a dry run"):
            synthesis_task_id_of({"DryRun": True, "RequestCharacters": 5})


class TestResultType:
    def test_has_exactly_the_fields_of_a_synthesis_task_and_the_own_xcom_keys(self) -> None:
        own = {
            "OutputS3Uri",
            "RequestDigest",
            "SpokenCharacters",
            "DurationSeconds",
            "EstimatedCost",
            "OutputContainer",
            "Unchanged",
        }
        assert SynthesisTaskXCom.__annotations__.keys() - own == members_of("SynthesisTask").keys()

    def test_annotates_each_field_with_its_type_in_xcom(self) -> None:
        types = {"string": "str", "timestamp": "str", "integer": "int", "list": "list[str]"}
        for name, member in members_of("SynthesisTask").items():
            annotated = SynthesisTaskXCom.__annotations__[name].__forward_arg__
            annotation = ast.unparse(ast.parse(annotated.removeprefix("NotRequired[").removesuffix("]")))
            expected = types[member.type_name]
            assert annotation in (expected, expected.removesuffix("]")), name
