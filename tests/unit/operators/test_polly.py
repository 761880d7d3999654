from __future__ import annotations

import time
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowTaskTimeout
from botocore.exceptions import ClientError, EndpointConnectionError, ProxyConnectionError
from urllib3.exceptions import NewConnectionError, ProxyError

from airflow_polly_provider import waiting
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyInvalidRequestError,
    PollySynthesisTaskFailedError,
    PollySynthesisTaskFailedFinalError,
    PollyWaitTimeoutError,
)
from airflow_polly_provider.operators import patient_start
from airflow_polly_provider.operators.polly import PollyGetSpeechSynthesisTaskOperator
from airflow_polly_provider.synthesis_task import OWN_XCOM_KEYS
from tests.unit.support import Refusal, context, deferral_of, execute, start_operator, synthesis_task

if TYPE_CHECKING:
    from tests.unit.support import Answer, Request, Wire

SCHEDULED = synthesis_task(status="scheduled")
COMPLETED = synthesis_task(status="completed")
FAILED = synthesis_task(status="failed", TaskStatusReason="The bucket does not exist")


def started_then(wire: Wire, *later: Any) -> None:
    """Answer a start with ``scheduled`` and the checks after it one by one; the last answer stays."""
    checks = list(later)

    def answer(request: Any) -> Any:
        if request.operation == "StartSpeechSynthesisTask":
            return SCHEDULED
        if request.operation == "ListSpeechSynthesisTasks":
            return {"SynthesisTasks": []}
        return checks.pop(0) if len(checks) > 1 else checks[0]

    wire.answer = answer


def through_proxy(cause: Exception) -> ProxyConnectionError:
    """What botocore raises where urllib3 blames the proxy."""
    return ProxyConnectionError(proxy_url="proxy", error=ProxyError("Unable to connect to proxy", cause))


def get_operator(**arguments: Any) -> PollyGetSpeechSynthesisTaskOperator:
    return PollyGetSpeechSynthesisTaskOperator(task_id="get", **{"synthesis_task_id": "t1"} | arguments)


class TestStart:
    def test_sends_what_it_was_given_in_awss_own_names(self, wire: Wire) -> None:
        started_then(wire)
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

    def test_puts_a_token_into_the_key_that_a_retry_repeats_and_a_clear_renews(self, wire: Wire) -> None:
        started_then(wire)

        def key_of(**identity: Any) -> str:
            wire.requests.clear()
            operator = start_operator(wait_for_completion=False, output_s3_key_prefix="audio/intro")
            execute(operator, context(**identity))
            (start,) = (each for each in wire.requests if each.operation == "StartSpeechSynthesisTask")
            return start.body["OutputS3KeyPrefix"]

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

    def test_keeps_to_the_token_when_retries_are_edited(self, wire: Wire) -> None:
        started_then(wire)
        for retries in (1, 5):
            operator = start_operator(wait_for_completion=False, retries=retries)
            execute(operator, context(max_tries=1))
        assert len({request.body["OutputS3KeyPrefix"] for request in wire.requests}) == 1

    @pytest.mark.parametrize("namespace", ["", "staging"])
    def test_tells_deployments_apart(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, namespace: str
    ) -> None:
        started_then(wire)
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
    def test_refuses_bad_input_before_any_request_and_for_good(
        self, wire: Wire, given: dict[str, Any]
    ) -> None:
        with DAG("speaking", start_date=datetime(2025, 1, 1), schedule=None):
            operator = start_operator(**given)
        with pytest.raises(PollyInvalidRequestError) as error:
            execute(operator)
        assert isinstance(error.value, AirflowFailException), "Airflow retries everything else"
        assert wire.requests == []

    def test_passes_pollys_refusal_on_for_good(self, wire: Wire) -> None:
        wire.answer = lambda _: Refusal("InvalidSsmlException", 400, "Invalid SSML request")
        with pytest.raises(PollyInvalidRequestError, match=r"InvalidSsmlException.*Invalid SSML"):
            execute(start_operator(text="<speak>", text_type="ssml"))
        assert len(wire.requests) == 1

    @pytest.mark.parametrize(
        ("trouble", "patience"),
        [
            pytest.param(Refusal("ThrottlingException"), 3600, id="throttled"),
            pytest.param(EndpointConnectionError(endpoint_url="polly"), 300, id="no connection"),
            pytest.param(through_proxy(NewConnectionError(None, "refused")), 300, id="no way to the proxy"),
            pytest.param(through_proxy(OSError("Tunnel connection failed: 503 Busy")), 300, id="no tunnel"),
        ],
    )
    def test_that_was_never_taken_is_repeated_and_ends_with_its_own_error(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, trouble: Any, patience: float
    ) -> None:
        """No answer was lost: there is nothing to look for, and no permission to list is missed."""
        slept: list[float] = []
        clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
        monkeypatch.setattr(patient_start, "time", clock)
        wire.answer = lambda _: trouble
        wire.may_list = False
        with pytest.raises(ClientError if isinstance(trouble, Refusal) else type(trouble)):
            execute(start_operator())
        assert patience <= sum(slept) < patience + 61

    def test_denied_names_the_permission_and_is_final(self, wire: Wire) -> None:
        wire.answer = lambda _: Refusal("AccessDeniedException", 403)
        with pytest.raises(PollyConfigurationError, match="Allow polly:StartSpeechSynthesisTask") as error:
            execute(start_operator())
        assert isinstance(error.value, AirflowFailException)


class TestHandOver:
    @pytest.mark.parametrize("make", [start_operator, get_operator])
    def test_pushes_each_own_key(self, wire: Wire, make: Any) -> None:
        started_then(wire, SCHEDULED)
        running = context()
        value = execute(make(wait_for_completion=False), running)
        assert set(running["ti"].pushed) == set(OWN_XCOM_KEYS)
        assert {key: value[key] for key in OWN_XCOM_KEYS} == running["ti"].pushed
        assert value["TaskStatus"] == "scheduled"

    @pytest.mark.parametrize("make", [start_operator, get_operator])
    def test_pushes_nothing_where_told(self, wire: Wire, make: Any) -> None:
        started_then(wire, SCHEDULED)
        running = context()
        execute(make(wait_for_completion=False, do_xcom_push=False), running)
        assert running["ti"].pushed == {}

    def test_of_get_is_any_status_when_it_does_not_wait(self, wire: Wire) -> None:
        started_then(wire, FAILED)
        assert execute(get_operator())["TaskStatus"] == "failed"


class TestWaitInWorker:
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waiting, "FIRST_CHECKS_EVERY_SECONDS", 0.01)

    @pytest.mark.parametrize(
        "trouble",
        [
            Refusal("ThrottlingException"),
            Refusal("ServiceFailureException", 500),
            Refusal("SynthesisTaskNotFoundException"),
            Refusal("ExpiredTokenException", 403),
        ],
        ids=lambda refusal: refusal.code,
    )
    def test_survives(self, wire: Wire, trouble: Refusal) -> None:
        started_then(wire, trouble, SCHEDULED, trouble, COMPLETED)
        operator = start_operator(deferrable=False, botocore_config={"retries": {"total_max_attempts": 1}})
        assert execute(operator)["TaskStatus"] == "completed"

    def test_survives_credentials_that_expire_between_two_checks_that_lie_far_apart(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slept: list[float] = []
        began = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: began + sum(slept))
        monkeypatch.setattr(time, "sleep", slept.append)
        refused = Refusal("ExpiredTokenException", 403)

        def answer(_: Request) -> Answer:
            if not slept or max(slept) < waiting.CREDENTIALS_GRACE_SECONDS:
                return SCHEDULED
            return refused if slept[-1] > waiting.CREDENTIALS_GRACE_SECONDS else COMPLETED

        wire.answer = answer
        operator = get_operator(wait_for_completion=True, deferrable=False, poke_interval=3600)
        assert execute(operator)["TaskStatus"] == "completed"

    def test_of_start_may_be_retried_after_a_failed_synthesis_task(self, wire: Wire) -> None:
        started_then(wire, FAILED)
        with pytest.raises(
            PollySynthesisTaskFailedError, match="t1 failed: The bucket does not exist"
        ) as error:
            execute(start_operator(deferrable=False))
        assert not isinstance(error.value, AirflowFailException)

    def test_of_get_ends_for_good_with_a_failed_synthesis_task(self, wire: Wire) -> None:
        started_then(wire, FAILED)
        with pytest.raises(PollySynthesisTaskFailedFinalError, match="The bucket does not exist"):
            execute(get_operator(wait_for_completion=True, deferrable=False))

    def test_ends_at_its_timeout(self, wire: Wire) -> None:
        started_then(wire, SCHEDULED)
        began = time.monotonic()
        with pytest.raises(PollyWaitTimeoutError, match=r"t1 was scheduled when the timeout passed"):
            execute(start_operator(deferrable=False, timeout=1, poke_interval=30))
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize("ended_by", ["execution_timeout", "kill"])
    def test_tells_that_the_synthesis_task_runs_on(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, ended_by: str
    ) -> None:
        told: list[str] = []
        started_then(wire, SCHEDULED)
        operator = start_operator(deferrable=False)
        monkeypatch.setattr(operator.log, "warning", lambda line, *values: told.append(line % values))

        def interrupt(_: float) -> None:
            if ended_by == "kill":
                operator.on_kill()
            raise AirflowTaskTimeout("Timeout")

        monkeypatch.setattr(time, "sleep", interrupt)
        with pytest.raises(AirflowTaskTimeout):
            execute(operator)
        assert "Synthesis task t1 runs on and is billed" in told[0]
        assert ("killed" if ended_by == "kill" else "execution_timeout") in told[0]


class TestDeferral:
    def test_waits_for_what_was_started(self, wire: Wire) -> None:
        started_then(wire)
        assert deferral_of("start").trigger.synthesis_task_id == "t1"

    def test_comes_from_airflows_setting_unless_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
        assert start_operator().deferrable
        assert not start_operator(deferrable=False).deferrable

    def test_never_says_whether_to_wait(self, wire: Wire) -> None:
        started_then(wire)
        assert (
            execute(start_operator(wait_for_completion=False, deferrable=True))["TaskStatus"] == "scheduled"
        )

    def test_is_spared_for_a_synthesis_task_that_ended(self, wire: Wire) -> None:
        started_then(wire, COMPLETED)
        operator = get_operator(wait_for_completion=True, deferrable=True)
        assert execute(operator)["TaskStatus"] == "completed"

    def test_takes_durations_either_way(self, wire: Wire) -> None:
        started_then(wire)
        trigger = deferral_of(
            "start", poke_interval=timedelta(seconds=7), timeout=timedelta(minutes=10)
        ).trigger
        assert trigger.poke_interval == 7
        assert trigger.deadline == pytest.approx(time.time() + 600, abs=5)

    @pytest.mark.parametrize("given", [{"poke_interval": 0}, {"timeout": -1}, {"timeout": timedelta(0)}])
    def test_of_no_length_is_refused_when_the_dag_is_read(self, given: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="above 0"):
            start_operator(**given)
