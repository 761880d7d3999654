from __future__ import annotations

import time
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowTaskTimeout
from botocore.exceptions import ClientError, EndpointConnectionError, ProxyConnectionError
from urllib3.connection import HTTPConnection
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
from airflow_polly_provider.synthesis_task import OWN_XCOM_KEYS
from tests.unit.support import (
    Refusal,
    context,
    deferral_of,
    execute,
    get_operator,
    start_operator,
    synthesis_task,
)

if TYPE_CHECKING:
    from tests.unit.support import Answer, Request, Wire

SCHEDULED = synthesis_task(status="scheduled")
COMPLETED = synthesis_task(status="completed")
FAILED = synthesis_task(status="failed", TaskStatusReason="The bucket does not exist")


def through_proxy(cause: Exception) -> ProxyConnectionError:
    """Return what botocore raises when the connection to the proxy fails."""
    return ProxyConnectionError(proxy_url="proxy", error=ProxyError("Unable to connect to proxy", cause))


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

    def test_appends_a_token_to_the_key_prefix_that_a_retry_repeats_and_a_clear_renews(
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
    def test_has_another_token_in_another_token_namespace(
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

    def test_refused_by_polly_fails_without_retries_and_quotes_pollys_message(self, wire: Wire) -> None:
        wire.answer = lambda _: Refusal("InvalidSsmlException", 400, "Invalid SSML request")
        with pytest.raises(PollyInvalidRequestError, match=r"InvalidSsmlException.*Invalid SSML"):
            execute(start_operator(text="<speak>", text_type="ssml"))
        assert len(wire.requests) == 1

    @pytest.mark.parametrize(
        ("error", "patience_seconds"),
        [
            pytest.param(Refusal("ThrottlingException"), 3600, id="throttled"),
            pytest.param(EndpointConnectionError(endpoint_url="polly"), 300, id="no connection"),
            pytest.param(
                through_proxy(NewConnectionError(HTTPConnection("proxy"), "refused")),
                300,
                id="proxy not reached",
            ),
            pytest.param(
                through_proxy(OSError("Tunnel connection failed: 503 Busy")), 300, id="proxy without a tunnel"
            ),
        ],
    )
    def test_that_polly_never_accepted_is_repeated_for_a_while_and_then_raises_the_original_error(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, error: Any, patience_seconds: float
    ) -> None:
        """No response was lost, so it does not search for a synthesis task, which needs a permission."""
        slept: list[float] = []
        clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
        monkeypatch.setattr(patient_start, "time", clock)
        wire.answer = lambda _: error
        wire.may_list = False
        with pytest.raises(ClientError if isinstance(error, Refusal) else type(error)):
            execute(start_operator())
        assert patience_seconds <= sum(slept) < patience_seconds + 61

    def test_denied_by_aws_names_the_permission_and_fails_without_retries(self, wire: Wire) -> None:
        wire.answer = lambda _: Refusal("AccessDeniedException", 403)
        with pytest.raises(PollyConfigurationError, match="Allow polly:StartSpeechSynthesisTask") as error:
            execute(start_operator())
        assert isinstance(error.value, AirflowFailException)


class TestXComs:
    @pytest.mark.parametrize("make", [start_operator, get_operator])
    def test_hold_each_own_key_by_default(self, wire: Wire, make: Any) -> None:
        wire.script_start(SCHEDULED, SCHEDULED)
        running = context()
        value = execute(make(wait_for_completion=False), running)
        assert set(running["ti"].pushed) == set(OWN_XCOM_KEYS)
        assert {key: value[key] for key in OWN_XCOM_KEYS} == running["ti"].pushed
        assert value["TaskStatus"] == "scheduled"

    @pytest.mark.parametrize("make", [start_operator, get_operator])
    def test_are_none_with_do_xcom_push_false(self, wire: Wire, make: Any) -> None:
        wire.script_start(SCHEDULED, SCHEDULED)
        running = context()
        execute(make(wait_for_completion=False, do_xcom_push=False), running)
        assert running["ti"].pushed == {}

    def test_of_get_that_does_not_wait_hold_any_status(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, FAILED)
        assert execute(get_operator())["TaskStatus"] == "failed"


class TestWaitInWorker:
    @pytest.fixture(autouse=True)
    def _checks_in_quick_succession(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waiting, "FIRST_CHECKS_EVERY_SECONDS", 0.01)

    @pytest.mark.parametrize(
        "refusal",
        [
            Refusal("ThrottlingException"),
            Refusal("ServiceFailureException", 500),
            Refusal("SynthesisTaskNotFoundException"),
            Refusal("ExpiredTokenException", 403),
        ],
        ids=lambda refusal: refusal.code,
    )
    def test_continues_after_an_error_that_may_pass(self, wire: Wire, refusal: Refusal) -> None:
        wire.script_start(SCHEDULED, refusal, SCHEDULED, refusal, COMPLETED)
        operator = start_operator(deferrable=False, botocore_config={"retries": {"total_max_attempts": 1}})
        assert execute(operator)["TaskStatus"] == "completed"

    def test_continues_when_credentials_expire_between_two_checks_an_hour_apart(
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

    def test_of_start_ends_with_a_retryable_error_when_the_synthesis_task_fails(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, FAILED)
        with pytest.raises(
            PollySynthesisTaskFailedError, match="t1 failed: The bucket does not exist"
        ) as error:
            execute(start_operator(deferrable=False))
        assert not isinstance(error.value, AirflowFailException)

    def test_of_get_ends_with_a_final_error_when_the_synthesis_task_fails(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, FAILED)
        with pytest.raises(PollySynthesisTaskFailedFinalError, match="The bucket does not exist"):
            execute(get_operator(wait_for_completion=True, deferrable=False))

    def test_ends_at_its_timeout_although_the_next_check_is_later(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, SCHEDULED)
        began = time.monotonic()
        with pytest.raises(PollyWaitTimeoutError, match=r"t1 was scheduled when the timeout passed"):
            execute(start_operator(deferrable=False, timeout=1, poke_interval=30))
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize("ended_by", ["execution_timeout", "kill"])
    def test_warns_that_the_synthesis_task_continues_when_the_task_is_interrupted(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, ended_by: str
    ) -> None:
        logged: list[str] = []
        wire.script_start(SCHEDULED, SCHEDULED)
        operator = start_operator(deferrable=False)
        monkeypatch.setattr(operator.log, "warning", lambda line, *values: logged.append(line % values))

        def interrupt(_: float) -> None:
            if ended_by == "kill":
                operator.on_kill()
            raise AirflowTaskTimeout("Timeout")

        monkeypatch.setattr(time, "sleep", interrupt)
        with pytest.raises(AirflowTaskTimeout):
            execute(operator)
        assert "Synthesis task t1 runs on and is billed" in logged[0]
        assert ("killed" if ended_by == "kill" else "execution_timeout") in logged[0]


class TestDeferral:
    def test_of_start_waits_for_the_synthesis_task_that_it_started(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED)
        assert deferral_of("start").trigger.synthesis_task_id == "t1"

    def test_defaults_to_airflows_default_deferrable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
        assert start_operator().deferrable
        assert not start_operator(deferrable=False).deferrable

    def test_does_not_happen_with_wait_for_completion_false(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED)
        assert (
            execute(start_operator(wait_for_completion=False, deferrable=True))["TaskStatus"] == "scheduled"
        )

    def test_does_not_happen_when_the_synthesis_task_has_ended(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, COMPLETED)
        operator = get_operator(wait_for_completion=True, deferrable=True)
        assert execute(operator)["TaskStatus"] == "completed"

    def test_accepts_durations_as_timedelta(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED)
        trigger = deferral_of(
            "start", poke_interval=timedelta(seconds=7), timeout=timedelta(minutes=10)
        ).trigger
        assert trigger.poke_interval == 7
        assert trigger.deadline == pytest.approx(time.time() + 600, abs=5)

    @pytest.mark.parametrize("given", [{"poke_interval": 0}, {"timeout": -1}, {"timeout": timedelta(0)}])
    def test_with_a_duration_of_zero_or_less_is_refused_when_the_dag_is_parsed(
        self, given: dict[str, Any]
    ) -> None:
        with pytest.raises(ValueError, match="above 0"):
            start_operator(**given)
