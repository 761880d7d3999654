from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import DAG, AirflowFailException
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyInvalidRequestError,
    PollySynthesisTaskFailedError,
    PollySynthesisTaskFailedFinalError,
)
from airflow_polly_provider.results.synthesis_task import OWN_XCOM_KEYS
from tests.unit.support import (
    Refusal,
    context,
    execute,
    get_operator,
    start_operator,
    synthesis_task,
)

if TYPE_CHECKING:
    from tests.unit.support import Wire

SCHEDULED = synthesis_task(status="scheduled")
FAILED = synthesis_task(status="failed", TaskStatusReason="The bucket does not exist")


class TestStart:
    def test_sends_each_parameter_under_its_aws_name(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED)
        execute(
            start_operator(
                wait_for_completion=False,
                durable=False,
                output_format="ogg_vorbis",
                output_s3_key_prefix="audio/",
                engine="neural",
                language_code="en-GB",
                lexicon_names=["one"],
                sample_rate=22050,
                sns_topic_arn="arn:aws:sns:eu-west-1:123456789012:topic",
                text_type="text",
            )
        )
        assert wire.requests[-1].body == {
            "Engine": "neural",
            "LanguageCode": "en-GB",
            "LexiconNames": ["one"],
            "OutputFormat": "ogg_vorbis",
            "OutputS3BucketName": "my-bucket",
            "OutputS3KeyPrefix": "audio/",
            "SampleRate": "22050",
            "SnsTopicArn": "arn:aws:sns:eu-west-1:123456789012:topic",
            "Text": "Hello there",
            "TextType": "text",
            "VoiceId": "Amy",
        }

    def test_appends_a_token_to_the_key_prefix_that_is_the_same_in_a_retry_and_new_after_a_clear(
        self, wire: Wire
    ) -> None:
        wire.script_start(SCHEDULED)

        def key_of(**identity: Any) -> str:
            wire.requests.clear()
            operator = start_operator(wait_for_completion=False, output_s3_key_prefix="audio/intro")
            execute(operator, context(**identity))
            (start,) = (each for each in wire.requests if each.operation == "StartSpeechSynthesisTask")
            return str(start.body["OutputS3KeyPrefix"])

        first = key_of(max_tries=2)
        assert first.startswith("audio/intro-")
        assert key_of(max_tries=2) == first
        others = [
            key_of(max_tries=3),
            key_of(max_tries=2, map_index=0),
            key_of(max_tries=2, run_id="other"),
            key_of(max_tries=2, task_id="other"),
        ]
        assert len({first, *others}) == 5

    def test_keeps_its_token_when_the_dags_retries_are_edited(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED)
        for retries in (1, 5):
            operator = start_operator(wait_for_completion=False, retries=retries)
            execute(operator, context(max_tries=1))
        assert len({request.body["OutputS3KeyPrefix"] for request in wire.requests}) == 1

    @pytest.mark.parametrize("namespace", ["", "staging"])
    def test_has_a_different_token_in_a_different_token_namespace(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, namespace: str
    ) -> None:
        wire.script_start(SCHEDULED)
        execute(start_operator(wait_for_completion=False), context())
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__TOKEN_NAMESPACE", namespace)
        execute(start_operator(wait_for_completion=False), context())
        keys = {request.body["OutputS3KeyPrefix"] for request in wire.requests}
        assert len(keys) == (2 if namespace else 1)

    @pytest.mark.parametrize(
        "given",
        [
            {"text": ""},
            {"text": "x" * 100_001},
            {"sample_rate": 1},
            {"speech_mark_types": ["word"]},
            {"output_s3_bucket_name": "Not A Bucket"},
            {"output_s3_key_prefix": "x" * 790},
            {"text": "missing.txt"},
        ],
        ids=str,
    )
    def test_refuses_bad_input_before_any_request_and_without_retries(
        self, wire: Wire, given: dict[str, Any]
    ) -> None:
        with DAG("speaking", start_date=datetime(2025, 1, 1), schedule=None):
            operator = start_operator(**given)
        with pytest.raises(PollyInvalidRequestError) as error:
            execute(operator)
        assert isinstance(error.value, AirflowFailException), "Airflow retries everything else"
        assert wire.requests == []

    def test_fails_without_retries_and_quotes_pollys_message_if_polly_refuses_the_request(
        self, wire: Wire
    ) -> None:
        wire.answer = lambda _: Refusal("InvalidSsmlException", 400, "Invalid SSML request")
        with pytest.raises(PollyInvalidRequestError, match=r"InvalidSsmlException.*Invalid SSML"):
            execute(start_operator(text="<speak><shout/></speak>", text_type="ssml"))
        assert len(wire.requests) == 1

    def test_fails_without_retries_and_names_the_permission_if_aws_denies_access(self, wire: Wire) -> None:
        wire.answer = lambda _: Refusal("AccessDeniedException", 403)
        with pytest.raises(PollyConfigurationError, match="Allow polly:StartSpeechSynthesisTask") as error:
            execute(start_operator())
        assert isinstance(error.value, AirflowFailException)

    def test_output_s3_key_is_a_template_field(self) -> None:
        operator = start_operator(output_s3_key="{{ ds }}.mp3")
        assert "output_s3_key" in operator.template_fields


class TestXComs:
    @pytest.mark.parametrize("make", [start_operator, get_operator])
    def test_contain_every_key_of_the_operator_by_default(self, wire: Wire, make: Any) -> None:
        wire.script_start(SCHEDULED, SCHEDULED)
        running = context()
        value = execute(make(wait_for_completion=False), running)
        known = set(OWN_XCOM_KEYS) - {"DurationSeconds", "EstimatedCost"}
        assert running["ti"].pushed.pop("AwsConnection")["AwsConnId"] == "aws_default"
        assert set(running["ti"].pushed) == known
        assert {key: value[key] for key in known} == running["ti"].pushed
        assert value["TaskStatus"] == "scheduled"
        assert wire.s3_reads == []

    @pytest.mark.parametrize("make", [start_operator, get_operator])
    def test_are_empty_with_do_xcom_push_false(self, wire: Wire, make: Any) -> None:
        wire.script_start(SCHEDULED, SCHEDULED)
        running = context()
        execute(make(wait_for_completion=False, do_xcom_push=False), running)
        assert running["ti"].pushed == {}

    def test_of_get_without_waiting_contain_the_current_status(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, FAILED)
        assert execute(get_operator())["TaskStatus"] == "failed"


class TestWaitInWorker:
    def test_of_the_start_operator_raises_a_retryable_error_if_the_synthesis_task_fails(
        self, wire: Wire
    ) -> None:
        wire.script_start(SCHEDULED, FAILED)
        with pytest.raises(
            PollySynthesisTaskFailedError, match="t1 failed: The bucket does not exist"
        ) as error:
            execute(start_operator(deferrable=False))
        assert not isinstance(error.value, AirflowFailException)

    def test_of_the_get_operator_raises_a_final_error_if_the_synthesis_task_fails(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, FAILED)
        with pytest.raises(PollySynthesisTaskFailedFinalError, match="The bucket does not exist"):
            execute(get_operator(wait_for_completion=True, deferrable=False))
