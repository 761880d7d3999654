from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.operators.base import PollyWaitingOperator
from airflow_polly_provider.results.delivery import deliver_synthesis_task, push_own_xcoms
from airflow_polly_provider.results.synthesis_task import OWN_XCOM_KEYS
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor
from tests.unit.support import (
    as_context,
    context,
    execute,
    get_operator,
    running,
    sensor,
    start_operator,
    synthesis_task,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.support import Wire

    Logged = Callable[[], list[str]]


class TestPushOwnXComs:
    def test_own_keys_that_are_missing_and_other_keys_are_not_pushed(self) -> None:
        running_context = context()
        value = {"TaskId": "t1", "TaskStatus": "scheduled", "VoiceId": "Amy"}
        push_own_xcoms(start_operator(), as_context(running_context), value, OWN_XCOM_KEYS)
        assert running_context["ti"].pushed == {"TaskId": "t1", "TaskStatus": "scheduled"}


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Logged:
    """Return a function that returns the lines logged so far by the package, its operators and its sensor."""
    caplog.set_level("INFO")
    # On Airflow 3.3 tasks use structlog loggers, which caplog does not capture.
    for task in (PollyWaitingOperator, PollySpeechSynthesisTaskSensor):
        monkeypatch.setattr(task, "log", logging.getLogger(f"{task.__module__}.task"))
    return lambda: [
        record.getMessage() for record in caplog.records if "airflow_polly_provider." in record.name
    ]


def deliver(**fields: Any) -> None:
    deliver_synthesis_task(get_operator(), as_context(context()), synthesis_task(**fields))


@pytest.mark.usefixtures("aws_default")
class TestClosingLogLine:
    COMPLETED = "Synthesis task t1 completed: s3://bucket/audio.t1.mp3, 5 characters billed, 3.0 s of audio"

    @pytest.mark.parametrize(
        "make",
        [start_operator, lambda: get_operator(wait_for_completion=True), sensor],
        ids=["start", "get", "sensor"],
    )
    def test_is_the_only_line_that_says_completed(
        self, wire: Wire, logged: Logged, monkeypatch: pytest.MonkeyPatch, make: Any
    ) -> None:
        monkeypatch.setattr(time, "sleep", lambda _: None)
        in_progress = synthesis_task(status="inProgress")
        wire.script_start(synthesis_task(status="scheduled"), in_progress, in_progress, synthesis_task())
        execute(make())
        assert "Synthesis task t1 is inProgress" in logged()
        assert [line for line in logged() if "completed" in line] == [self.COMPLETED]

    def test_is_logged_after_a_deferral(self, wire: Wire, logged: Logged) -> None:
        operator = sensor(deferrable=True)
        with running(operator):
            operator.execute_complete(as_context(context()), {"synthesis_task": synthesis_task()})
        assert self.COMPLETED in logged()

    def test_says_that_nothing_was_synthesized_for_an_unchanged_object(self, logged: Logged) -> None:
        deliver(RequestCharacters=0, SpokenCharacters=1234, Unchanged=True)
        assert logged() == [
            "Nothing to synthesize: s3://bucket/audio.t1.mp3 is up to date (synthesis task t1 made it from "
            "the same request). 0 characters billed; the audio has 1234"
        ]

    def test_says_how_long_the_audio_of_an_unchanged_object_lasts(self, logged: Logged) -> None:
        deliver(RequestCharacters=0, SpokenCharacters=1234, Unchanged=True, DurationSeconds=83.26)
        assert logged()[0].endswith("0 characters billed; the audio has 1234 and lasts 83.3 s")

    @pytest.mark.parametrize("status", ["scheduled", "inProgress", "failed"])
    def test_is_not_logged_before_completion_or_after_a_failure(self, logged: Logged, status: str) -> None:
        deliver(status=status)
        assert logged() == []

    def test_names_the_output_uri_if_it_is_not_an_s3_object(self, logged: Logged) -> None:
        deliver(OutputUri="https://elsewhere")
        assert "Synthesis task t1 completed: https://elsewhere, 5 characters billed" in logged()
