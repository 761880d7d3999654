"""The event that a trigger sends; Airflow's database keeps it until a worker resumes the task.

A triggerer of one version may send it, and a worker of another version may read it. Never change a value here
or in ``golden``; see ``support.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider import exceptions
from airflow_polly_provider.compat import XCom
from airflow_polly_provider.triggers import events
from tests.unit.persisted_formats.support import (
    NOW,
    ORIGINAL_URI,
    TASK_ID,
    TRIGGER,
    assert_unchanged,
    full_synthesis_task,
    golden,
    imported,
    payload_of,
    with_connection,
    with_spoken_characters,
)
from tests.unit.support import RecordingTaskInstance, Refusal, polly_mp3, synthesis_task

if TYPE_CHECKING:
    from tests.unit.persisted_formats.support import Account

REASON = "The bucket does not exist."
FOR_RESUME = golden("triggers")["all"]["for_resume"]
NOT_SENT = {"PollyIncompleteAnswerError"}
"""The wait continues after these errors, so no trigger sends them."""


def trigger(**arguments: Any) -> Any:
    return imported(TRIGGER)(synthesis_task_id=TASK_ID, deadline=NOW + 3600, **arguments)


class TestSuccessEvent:
    @pytest.mark.parametrize(
        ("case", "ended", "arguments"),
        [
            ("completed", synthesis_task(TASK_ID), {}),
            ("completed_with_all_fields", full_synthesis_task(synthesis_task_id=TASK_ID), {}),
            ("failed", synthesis_task(TASK_ID, "failed", TaskStatusReason=REASON), {}),
            (
                "completed_for_resume",
                synthesis_task(TASK_ID, OutputUri=ORIGINAL_URI),
                {"extra_xcom": {"RequestDigest": "d" * 64}, "for_resume": FOR_RESUME},
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_is_sent_in_its_xcom_form(
        self, account: Account, case: str, ended: dict[str, Any], arguments: dict[str, Any]
    ) -> None:
        account.script(synthesis_task(TASK_ID, "inProgress"), ended)
        assert_unchanged(payload_of(trigger(**arguments)), with_spoken_characters(golden("events")[case]))

    def test_with_end_from_trigger_sends_the_same_payload_and_pushes_every_xcom(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pushed: dict[str, Any] = {}
        monkeypatch.setattr(XCom, "set", lambda *, key, value, **_: pushed.update({key: value}))
        ending: Any = trigger(end_from_trigger=True, extra_xcom={"RequestDigest": "d" * 64})
        ending.trigger_id, ending.task_instance = 1, RecordingTaskInstance()
        payload = payload_of(ending)
        sent = with_spoken_characters(golden("events")["completed"])
        assert_unchanged(payload, sent | {"extra_xcom": {"RequestDigest": "d" * 64}})
        expected = with_connection(with_spoken_characters(golden("xcoms")["ended_in_triggerer"]))
        assert_unchanged(pushed, expected)

    def test_with_end_from_trigger_has_a_duration_only_in_the_pushed_xcoms(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account.audio = polly_mp3()
        pushed: dict[str, Any] = {}
        monkeypatch.setattr(XCom, "set", lambda *, key, value, **_: pushed.update({key: value}))
        ending: Any = trigger(end_from_trigger=True)
        ending.trigger_id, ending.task_instance = 1, RecordingTaskInstance()
        payload = payload_of(ending)
        assert_unchanged(payload, with_spoken_characters(golden("events")["completed"]))
        assert pushed["DurationSeconds"] == pushed["return_value"]["DurationSeconds"] == 3.0


class TestBatchEvent:
    MANIFEST = (golden("events")["batch"]["batch"]["manifest_s3_uri"], '"0cc175b9c0f1b6a831c399e269772661"')

    def test_has_the_counts_and_the_manifest(self) -> None:
        outcome = events.BatchOutcome(2, 1, 0, *self.MANIFEST, for_resume={"started": 3})
        assert_unchanged(events.batch_event(outcome), golden("events")["batch"])
        assert events.batch_outcome_of(golden("events")["batch"]) == outcome

    def test_after_the_deadline_also_has_the_error(self) -> None:
        error = exceptions.PollyWaitTimeoutError("Timed out.")
        outcome = events.BatchOutcome(2, 1, 4, *self.MANIFEST, error=error)
        assert_unchanged(events.batch_event(outcome), golden("events")["batch_timed_out"])
        read = events.batch_outcome_of(golden("events")["batch_timed_out"])
        assert read._replace(error=None) == outcome._replace(error=None)
        assert type(read.error) is exceptions.PollyWaitTimeoutError
        assert str(read.error) == "Timed out."


class TestErrorEvent:
    def test_exists_in_golden_for_every_error_class(self) -> None:
        """A new error class needs its event in ``golden``."""
        classes = {
            name
            for name, thing in vars(exceptions).items()
            if isinstance(thing, type) and issubclass(thing, exceptions.PollyError)
        }
        assert classes == set(golden("error_events"))

    @pytest.mark.parametrize("name", sorted(set(golden("error_events")) - NOT_SENT))
    def test_is_sent_with_its_class_name_and_attributes(self, account: Account, name: str) -> None:
        error = getattr(exceptions, name)(
            f"What happened: {name}.", task_status="inProgress", task_status_reason="Because."
        )
        account.answer = lambda _: error
        assert_unchanged(payload_of(trigger()), golden("error_events")[name]["event"])

    @pytest.mark.parametrize(
        ("case", "answer"),
        [
            ("PollyError", RuntimeError("broken")),
            ("PollyInvalidRequestError", Refusal("ValidationException")),
            ("PollyConfigurationError", Refusal("AccessDeniedException", 403)),
            ("PollySynthesisTaskNotFoundError", Refusal("SynthesisTaskNotFoundException")),
            ("PollyCredentialsError", Refusal("ExpiredTokenException", 403)),
            ("PollyWaitTimeoutError", synthesis_task(TASK_ID, "inProgress")),
        ],
    )
    def test_for_an_answer_of_polly_has_the_error_class_of_that_answer(
        self, account: Account, case: str, answer: Any
    ) -> None:
        account.answer = lambda _: answer
        error = payload_of(trigger())["error"]
        assert error.pop("message")
        expected = {
            "class": case,
            "synthesis_task_id": TASK_ID,
            "task_status": "inProgress" if case == "PollyWaitTimeoutError" else None,
            "task_status_reason": None,
        }
        assert_unchanged(error, expected)
