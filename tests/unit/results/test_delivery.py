from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.results.delivery import deliver_synthesis_task, push_own_xcoms
from airflow_polly_provider.results.synthesis_task import OWN_XCOM_KEYS
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
    from collections.abc import Iterator

    from tests.unit.support import Wire


class TestPushOwnXComs:
    def test_own_keys_that_are_missing_and_other_keys_are_not_pushed(self) -> None:
        running_context = context()
        value = {"TaskId": "t1", "TaskStatus": "scheduled", "VoiceId": "Amy"}
        push_own_xcoms(start_operator(), as_context(running_context), value, OWN_XCOM_KEYS)
        assert running_context["ti"].pushed == {"TaskId": "t1", "TaskStatus": "scheduled"}


class _Lines(logging.Handler):
    """Keep each message."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Yield the lines that the package's modules log."""
    handler, package = _Lines(), logging.getLogger("airflow_polly_provider")
    level = package.level
    package.addHandler(handler)
    package.setLevel("INFO")
    yield handler.lines
    package.removeHandler(handler)
    package.setLevel(level)


def deliver(**fields: Any) -> None:
    deliver_synthesis_task(get_operator(), as_context(context()), synthesis_task(**fields))


class TestClosingLogLine:
    COMPLETED = "Synthesis task t1 completed: s3://bucket/audio.t1.mp3, 5 characters billed"

    @pytest.mark.parametrize(
        "make",
        [start_operator, lambda: get_operator(wait_for_completion=True), sensor],
        ids=["start", "get", "sensor"],
    )
    def test_is_the_only_one_that_says_completed(self, wire: Wire, logged: list[str], make: Any) -> None:
        wire.script_start(synthesis_task(status="scheduled"), synthesis_task())
        execute(make())
        assert [line for line in logged if "completed" in line] == [self.COMPLETED]

    def test_follows_a_deferral(self, logged: list[str]) -> None:
        operator = sensor(deferrable=True)
        with running(operator):
            operator.execute_complete(as_context(context()), {"synthesis_task": synthesis_task()})
        assert self.COMPLETED in logged

    def test_says_that_nothing_was_synthesized_for_an_unchanged_object(self, logged: list[str]) -> None:
        deliver(RequestCharacters=0, SpokenCharacters=1234, Unchanged=True)
        assert logged == [
            "Nothing was synthesized: s3://bucket/audio.t1.mp3 is unchanged since synthesis task t1 made it "
            "from the same, 0 characters billed, 1234 spoken"
        ]

    @pytest.mark.parametrize("status", ["scheduled", "inProgress", "failed"])
    def test_is_missing_before_the_end_and_after_a_failure(self, logged: list[str], status: str) -> None:
        deliver(status=status)
        assert logged == []

    def test_names_the_output_uri_where_that_is_no_s3_object(self, logged: list[str]) -> None:
        deliver(OutputUri="https://elsewhere")
        assert "Synthesis task t1 completed: https://elsewhere, 5 characters billed" in logged
