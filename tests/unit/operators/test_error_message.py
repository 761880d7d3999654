"""The XCom ``ErrorMessage`` says why a task failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import AirflowSkipException, TaskDeferred
from airflow_polly_provider.exceptions import PollyBatchError, PollyError
from airflow_polly_provider.operators.batch import PollySynthesizeBatchOperator
from airflow_polly_provider.operators.document import PollySynthesizeDocumentOperator
from airflow_polly_provider.operators.lexicon import PollyDeleteLexiconOperator, PollyPutLexiconOperator
from airflow_polly_provider.operators.polly import PollySynthesizeSpeechOperator
from airflow_polly_provider.results.delivery import failure_pushed
from airflow_polly_provider.triggers import events
from airflow_polly_provider.wait.errors import timed_out
from tests.unit.support import (
    as_context,
    context,
    execute,
    get_operator,
    running,
    sensor,
    start_operator,
    synthesis_task,
    warnings_in,
)

if TYPE_CHECKING:
    from tests.unit.support import Wire

S3: Any = {"output_s3_bucket_name": "my-bucket", "output_s3_key": "a.mp3"}

INVALID: dict[str, Any] = {
    "start": lambda **given: start_operator(text="", **given),
    "get": lambda **given: get_operator(synthesis_task_id="", **given),
    "sensor": lambda **given: sensor(synthesis_task_id="", **given),
    "synthesize": lambda **given: PollySynthesizeSpeechOperator(
        task_id="t", text="", voice_id="Amy", **S3, **given
    ),
    "batch": lambda **given: PollySynthesizeBatchOperator(
        task_id="t", items=[], output_s3_bucket_name="my-bucket", **given
    ),
    "document": lambda **given: PollySynthesizeDocumentOperator(
        task_id="t", document="", voice_id="Amy", **S3, **given
    ),
    "put lexicon": lambda **given: PollyPutLexiconOperator(task_id="t", name="a b", content="<a />", **given),
    "delete lexicon": lambda **given: PollyDeleteLexiconOperator(task_id="t", name="a b", **given),
}
each_invalid = pytest.mark.parametrize("make", INVALID.values(), ids=INVALID)

RESUMED: dict[str, Any] = {
    "start": start_operator,
    "get": lambda: get_operator(wait_for_completion=True),
    "sensor": sensor,
    "batch": lambda: PollySynthesizeBatchOperator(
        task_id="t", items=[], output_s3_bucket_name="my-bucket", deferrable=True
    ),
    "document": lambda: PollySynthesizeDocumentOperator(
        task_id="t", document="Hi", voice_id="Amy", deferrable=True, **S3
    ),
}


@each_invalid
def test_of_an_invalid_request_is_pushed(wire: Wire, make: Any) -> None:
    running_context: Any = context()
    with pytest.raises(PollyError) as raised:
        execute(make(), running_context)
    assert running_context["ti"].pushed["ErrorMessage"] == str(raised.value)


@each_invalid
def test_is_not_pushed_with_do_xcom_push_false(wire: Wire, make: Any) -> None:
    running_context: Any = context()
    with pytest.raises(PollyError):
        execute(make(do_xcom_push=False), running_context)
    assert running_context["ti"].pushed == {}


@pytest.mark.parametrize("make", RESUMED.values(), ids=RESUMED)
def test_of_an_error_event_is_pushed(make: Any) -> None:
    running_context: Any = context()
    waiter = make()
    with running(waiter), pytest.raises(PollyError, match="no credentials"):
        waiter.execute_complete(running_context, events.error_event(PollyError("no credentials")))
    assert running_context["ti"].pushed["ErrorMessage"] == "no credentials"


def fail(running_context: dict[str, Any], message: str) -> None:
    with failure_pushed(start_operator(), as_context(running_context)):
        raise PollyBatchError(message)


@pytest.mark.parametrize(("length", "end"), [(1999, "a"), (2000, "a"), (2001, "…"), (50_000, "…")], ids=str)
def test_has_at_most_2000_characters(length: int, end: str) -> None:
    running_context: Any = context()
    with pytest.raises(PollyBatchError):
        fail(running_context, "a" * length)
    pushed = running_context["ti"].pushed["ErrorMessage"]
    assert len(pushed) == min(length, 2000)
    assert pushed == "a" * (len(pushed) - 1) + end


def test_that_cannot_be_pushed_does_not_hide_the_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running_context: Any = context()

    def refuse(key: str, value: Any) -> None:
        raise ConnectionError("the API server is unavailable")

    monkeypatch.setattr(running_context["ti"], "xcom_push", refuse)
    with pytest.raises(PollyBatchError, match="Two items failed"):
        fail(running_context, "Two items failed")
    assert any("the API server is unavailable" in warning for warning in warnings_in(caplog))


@pytest.mark.parametrize("error", [AirflowSkipException("skipped"), ValueError("a defect")])
def test_of_a_skip_or_of_another_error_is_not_pushed(error: Exception) -> None:
    running_context: Any = context()
    with pytest.raises(type(error)), failure_pushed(start_operator(), as_context(running_context)):
        raise error
    assert running_context["ti"].pushed == {}


class TestSensor:
    @pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
    def test_that_skips_pushes_no_message(self, wire: Wire, flag: str) -> None:
        failed = synthesis_task(status="failed", TaskStatusReason="The bucket does not exist")
        wire.script(failed)
        running_context: Any = context()
        with pytest.raises(AirflowSkipException):
            execute(sensor(**{flag: True}), running_context)
        assert running_context["ti"].pushed["TaskStatus"] == "failed"
        assert "ErrorMessage" not in running_context["ti"].pushed

    def test_that_goes_on_after_an_error_pushes_no_message(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waiting = sensor(silent_fail=True, poke_interval=0.01)
        errors = iter([PollyError("unreadable")])
        poke = waiting._poke

        def poke_once_in_vain(given: Any) -> Any:
            for error in errors:
                raise error
            return poke(given)

        monkeypatch.setattr(waiting, "_poke", poke_once_in_vain)
        wire.script(synthesis_task())
        running_context: Any = context()
        assert execute(waiting, running_context)["TaskStatus"] == "completed"
        assert "ErrorMessage" not in running_context["ti"].pushed

    def test_whose_timeout_passed_in_the_triggerer_pushes_the_message(self) -> None:
        running_context: Any = context()
        waiting = sensor(deferrable=True)
        with running(waiting), pytest.raises(Exception, match="timeout passed"):
            waiting.execute_complete(running_context, events.error_event(timed_out("t1", "inProgress")))
        assert "timeout passed" in running_context["ti"].pushed["ErrorMessage"]

    def test_that_airflow_ended_pushes_the_message(self) -> None:
        running_context: Any = context()
        waiting = sensor(deferrable=True)
        with running(waiting), pytest.raises(PollyError):
            waiting.resume_execution("__fail__", {"error": "Trigger failure"}, running_context)
        assert "Trigger failure" in running_context["ti"].pushed["ErrorMessage"]


def test_of_a_deferral_is_not_pushed(wire: Wire) -> None:
    in_progress = synthesis_task(status="inProgress")
    wire.script_start(in_progress, in_progress)
    running_context: Any = context()
    with pytest.raises(TaskDeferred):
        execute(start_operator(deferrable=True), running_context)
    assert "ErrorMessage" not in running_context["ti"].pushed
