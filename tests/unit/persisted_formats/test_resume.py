"""A task that an earlier version deferred resumes under this version with the same outcome.

The rows and events come from ``golden``: Airflow's database contains them while the deployment is upgraded.
Never change a value there; see ``support.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.models.trigger import Trigger

from airflow_polly_provider import exceptions
from airflow_polly_provider.compat import AirflowFailException, AirflowSensorTimeout
from tests.unit.persisted_formats.support import (
    ADVICE,
    FINAL,
    METADATA_NOW,
    ORIGINAL,
    ORIGINAL_URI,
    TASK_ID,
    assert_unchanged,
    golden,
    imported,
    payload_of,
    resumed,
    with_connection,
    with_spoken_characters,
)
from tests.unit.support import connection, get_operator, sensor, start_operator, synthesis_task

if TYPE_CHECKING:
    from tests.unit.persisted_formats.support import Account

ENDED_AT_KEY = synthesis_task(TASK_ID, OutputUri=ORIGINAL_URI)
START_FROM_TRIGGER = {
    f"start_from_trigger_{case}": {**args, "classpath": args["trigger_cls"], "kwargs": args["trigger_kwargs"]}
    for case, args in golden("start_trigger_args").items()
}
ROWS = golden("deferrals") | START_FROM_TRIGGER


def operator_of(case: str) -> Any:
    """Return the operator or sensor as its DAG file creates it after the upgrade."""
    if case.startswith("get"):
        return get_operator(wait_for_completion=True, deferrable=True)
    if case.startswith("sensor") or case in START_FROM_TRIGGER:
        return sensor(deferrable=True)
    if "output_key" in case:
        return start_operator(
            deferrable=True, output_s3_key="final/hello.mp3", output_s3_key_prefix="audio/intro"
        )
    return start_operator(deferrable=True)


def trigger_of(row: dict[str, Any]) -> Any:
    """Return the trigger that a triggerer creates from the row, after Airflow has rendered any template."""
    stored = Trigger(classpath=row["classpath"], kwargs=row["kwargs"])
    return imported(stored.classpath)(**stored.kwargs | {"synthesis_task_id": TASK_ID})


def expected_xcoms(case: str, stored: dict[str, Any], operator: Any) -> dict[str, Any]:
    """Return golden XComs with the values that the stored row or event adds to ``return_value``."""
    xcoms = with_connection(
        with_spoken_characters(golden("xcoms")[case]),
        AwsConnId=operator.aws_conn_id,
        RegionName=operator.region_name,
        Verify=operator.verify,
    )
    return {**xcoms, "return_value": {**xcoms["return_value"], **(stored.get("extra_xcom") or {})}}


class TestDeferredTask:
    @pytest.mark.parametrize("case", sorted(ROWS))
    def test_waits_resumes_and_pushes_the_same_xcoms(
        self, account: Account, monkeypatch: pytest.MonkeyPatch, case: str
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection())
        ended = ENDED_AT_KEY if "output_key" in case else synthesis_task(TASK_ID)
        account.script(synthesis_task(TASK_ID, "inProgress"), ended)
        account.objects[ORIGINAL] = {}
        row = ROWS[case]
        event = payload_of(trigger_of(row))
        assert account.requests[-1].region == (row["kwargs"].get("region_name") or "eu-west-1"), ADVICE
        operator = operator_of(case)
        expected = "resumed_output_key" if "output_key" in case else "resumed"
        assert_unchanged(
            resumed(operator, event, row["next_method"]), expected_xcoms(expected, row["kwargs"], operator)
        )

    def test_with_output_s3_key_copies_the_object_there(self, account: Account) -> None:
        account.script(ENDED_AT_KEY)
        account.objects[ORIGINAL] = {}
        row = ROWS["start_output_key"]
        resumed(operator_of("start_output_key"), payload_of(trigger_of(row)), row["next_method"])
        assert_unchanged(account.objects, {FINAL: METADATA_NOW})


class TestStoredEvent:
    """A triggerer of the earlier version sent the event; a worker of this version reads it."""

    @pytest.mark.parametrize("waiter", ["start", "get", "sensor"])
    @pytest.mark.parametrize(
        ("event", "case"),
        [("completed", "resumed"), ("completed_with_all_fields", "resumed_with_all_fields")],
    )
    def test_of_a_completed_synthesis_task_is_pushed_to_xcom(
        self, account: Account, waiter: str, event: str, case: str
    ) -> None:
        xcoms = resumed(operator_of(waiter), golden("events")[event], "execute_complete")
        assert_unchanged(xcoms, with_connection(with_spoken_characters(golden("xcoms")[case])))

    def test_with_for_resume_copies_the_object_to_output_s3_key(self, account: Account) -> None:
        event = golden("events")["completed_for_resume"]
        account.objects[ORIGINAL] = {}
        operator = operator_of("start_output_key")
        xcoms = resumed(operator, event, "execute_complete")
        assert_unchanged(xcoms, expected_xcoms("resumed_output_key", event, operator))
        assert account.objects == {FINAL: METADATA_NOW}, ADVICE

    @pytest.mark.parametrize(("waiter", "final"), [("start", False), ("get", True), ("sensor", True)])
    def test_of_a_failed_synthesis_task_fails_the_task(
        self, account: Account, waiter: str, final: bool
    ) -> None:
        with pytest.raises(exceptions.PollySynthesisTaskFailedError, match="bucket does not exist") as raised:
            resumed(operator_of(waiter), golden("events")["failed"], "execute_complete")
        assert raised.value.synthesis_task_id == TASK_ID
        assert raised.value.task_status_reason == "The bucket does not exist."
        assert isinstance(raised.value, AirflowFailException) == final

    @pytest.mark.parametrize("waiter", ["start", "get", "sensor"])
    @pytest.mark.parametrize("name", sorted(golden("error_events")))
    def test_of_an_error_is_raised_as_the_stored_class(
        self, account: Account, name: str, waiter: str
    ) -> None:
        stored = golden("error_events")[name]
        timed_out = waiter == "sensor" and name == "PollyWaitTimeoutError"
        expected = AirflowSensorTimeout if timed_out else getattr(exceptions, name)
        with pytest.raises(expected, match=f"What happened: {name}") as raised:
            resumed(operator_of(waiter), stored["event"], "execute_complete")
        if not timed_out:
            assert raised.type is expected, ADVICE
            error: Any = raised.value
            assert error.synthesis_task_id == TASK_ID
            assert (error.task_status, error.task_status_reason) == ("inProgress", "Because.")
            assert isinstance(error, AirflowFailException) == stored["never_retried"], ADVICE
