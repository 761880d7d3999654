"""The decorator, and examples that wait in the worker or do not wait, on a real Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.shared_stack.runs import Runs

DECORATOR, SSML, SYNTHESIZE = (f"example_polly_{name}" for name in ("decorator", "ssml", "synthesize"))
DECORATED = (("bulletin", -1), ("announce", 0), ("announce", 1), ("announce_loudly", -1))

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("task_id", "map_index"), DECORATED)
def test_decorated_function_is_called_once_and_its_text_is_not_logged(
    runs: Runs, task_id: str, map_index: int
) -> None:
    runs.assert_success(DECORATOR)
    log = runs.task_log(DECORATOR, task_id, map_index)
    pushed = runs.xcoms(DECORATOR, task_id, map_index)

    # A try more where Airflow itself has failed one: see the stack's RETRIES.
    tries = runs.tries[DECORATOR, task_id, map_index]
    assert 1 <= log.count("Request digest") <= tries, "a resumed task must not call the function again"
    assert pushed["TaskStatus"] == "completed"
    told = log + str(pushed) + runs.trigger_log(DECORATOR, task_id, map_index)
    assert "The news of" not in told
    assert "Platform " not in told


def test_decorated_function_defers_and_hands_its_result_to_a_later_task(runs: Runs) -> None:
    runs.assert_success(DECORATOR)
    pushed = runs.xcoms(DECORATOR, "bulletin")

    runs.assert_waited_in_triggerer(DECORATOR, "bulletin", pushed["TaskId"])
    assert pushed["OutputS3Uri"] in runs.xcoms(DECORATOR, "report")["return_value"]


def test_worker_finds_the_macros_in_a_template_file(runs: Runs) -> None:
    runs.assert_success(SSML)
    pushed = runs.xcoms(SSML, "board")

    assert pushed["return_value"]["TextType"] == "ssml"
    assert pushed["TaskStatus"] == "completed"
    assert runs.xcoms(SSML, "call")["RequestCharacters"] > 0


def test_worker_speaks_a_short_text_at_once(runs: Runs) -> None:
    runs.assert_success(SYNTHESIZE)

    assert runs.xcoms(SYNTHESIZE, "announce")["ContentType"] == "audio/mpeg"
