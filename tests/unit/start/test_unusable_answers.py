"""A start with an unusable answer may have succeeded, so the operator searches before it starts again."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from airflow_polly_provider.exceptions import PollyFinalError, PollyIncompleteAnswerError
from airflow_polly_provider.start import task_search
from tests.unit.support import UNUSABLE, Truncated, execute, start_operator, synthesis_task

if TYPE_CHECKING:
    from tests.unit.support import Answer, Request, Wire

START = "StartSpeechSynthesisTask"


def starts(wire: Wire) -> int:
    return [request.operation for request in wire.requests].count(START)


@pytest.mark.parametrize("unusable", UNUSABLE.values(), ids=UNUSABLE)
def test_a_synthesis_task_started_despite_the_unusable_answer_is_found(
    wire: Wire, unusable: Truncated
) -> None:
    started: list[Answer] = []

    def answer(request: Request) -> Answer:
        if request.operation == START:
            key = f"{request.body['OutputS3KeyPrefix']}.t1.mp3"
            output_uri = f"https://s3.eu-west-1.amazonaws.com/my-bucket/{key}"
            now = datetime.now(tz=UTC)
            started.append(synthesis_task("t1", "scheduled", OutputUri=output_uri, CreationTime=now))
            return unusable
        return {"SynthesisTasks": started}

    wire.answer = answer
    assert execute(start_operator(wait_for_completion=False))["TaskId"] == "t1"
    assert starts(wire) == 1


@pytest.mark.parametrize("status", [302, 403, 404])
def test_a_proxy_that_answers_every_request_fails_the_start_after_a_minute(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    slept: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(task_search, "time", clock)
    wire.answer = lambda _: Truncated(b"<html>Blocked</html>", status)
    with pytest.raises(PollyIncompleteAnswerError) as error:
        execute(start_operator())
    assert not isinstance(error.value, PollyFinalError), "a retry searches again"
    assert 60 <= sum(slept) < 200
    assert starts(wire) == 1
    for words in (
        f"The response to polly:StartSpeechSynthesisTask is HTTP {status}",
        "endpoint_url",
        "proxy",
    ):
        assert words in str(error.value)


@pytest.mark.parametrize("unusable", UNUSABLE.values(), ids=UNUSABLE)
def test_a_synthesis_task_is_started_again_if_none_is_found(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, unusable: Truncated
) -> None:
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_LOOK_SECONDS", "0")
    monkeypatch.setattr("airflow_polly_provider.start.task_search.PAGES_PER_SECOND", 1000.0)

    def answer(request: Request) -> Answer:
        if request.operation == START:
            return unusable if starts(wire) == 1 else synthesis_task("t1", "scheduled")
        return {"SynthesisTasks": []}

    wire.answer = answer
    assert execute(start_operator(wait_for_completion=False))["TaskId"] == "t1"
    assert starts(wire) == 2
