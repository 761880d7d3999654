"""A table of outcomes for each operator and the sensor, in each mode and scenario, tested with whole DAGs."""

from __future__ import annotations

import json
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from airflow_polly_provider.emulator.testing import running_emulator
from tests.integration.dag_builder import GET, START
from tests.integration.dag_runs import assert_pushes_synthesis_task
from tests.integration.modes_support import (
    MODES,
    NOT_WAITING,
    REASON,
    SYNTHESIS_SECONDS,
    TASK_ID,
    Scenario,
    add_faults,
    scenario_dag,
    synthesis_ends_after,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("short_waits")]

REGIONS = {"aws_default": "eu-central-1", "second": "ap-southeast-2"}
TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The expected result of the Airflow task, as a user sees it.

    :param state: state of the Airflow task
    :param tries: number of tries that Airflow made, at most two
    :param status: TaskStatus of the SynthesisTask in the XComs; None if there is no SynthesisTask
    :param known: XComs of a failed task in addition to TaskId; None if they depend on the time of the checks
    :param words: texts that the log contains
    """

    state: str
    tries: int = 1
    status: str | None = None
    known: Mapping[str, str] | None = field(default_factory=dict)
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    """A scenario and the expected outcomes; a string is the reason why a combination is omitted.

    :param start: outcome of the start operator that waits in the worker or deferred
    :param get: outcome of the get operator that waits in the worker or deferred
    :param sensor: outcome of the sensor in each mode
    """

    scenario: Scenario
    start: Outcome
    get: Outcome
    sensor: Outcome
    start_without_waiting: Outcome | str
    get_without_waiting: Outcome | str

    def outcome(self, operator: str, mode: str) -> Outcome | str:
        name = operator if mode != NOT_WAITING else f"{operator}_without_waiting"
        outcome: Outcome | str = getattr(self, name)
        return outcome


COMPLETED = Outcome(state="success", status="completed")
SCHEDULED = Outcome(state="success", status="scheduled")
IN_PROGRESS = Outcome(state="success", status="inProgress")
WAIT_CONTINUED = ("still waiting",)
DOES_NOT_WAIT = "it does not wait"
REQUESTS_NO_STATUS = "it requests no status, so no id can be unknown"

_not_found = Outcome(
    state="failed",
    words=("PollySynthesisTaskNotFoundError", "in eu-central-1", "for 72 hours"),
)
_failed = {"TaskStatus": "failed", "TaskStatusReason": REASON}
_timeout_words = ("Timed out waiting", "keeps running and is billed")
_failing_requests = {START: 1, GET: 3}

TABLE: dict[str, Row] = {
    "completed": Row(
        scenario=Scenario(),
        start=COMPLETED,
        get=COMPLETED,
        sensor=COMPLETED,
        start_without_waiting=SCHEDULED,
        get_without_waiting=IN_PROGRESS,
    ),
    "failed": Row(
        scenario=Scenario(ends="failed"),
        start=Outcome(
            state="failed",
            tries=2,
            known=_failed,
            words=("PollySynthesisTaskFailedError", f"failed: {REASON}"),
        ),
        get=Outcome(
            state="failed", known=_failed, words=("PollySynthesisTaskFailedFinalError", f"failed: {REASON}")
        ),
        sensor=Outcome(
            state="failed", known=_failed, words=("PollySynthesisTaskFailedFinalError", f"failed: {REASON}")
        ),
        start_without_waiting=SCHEDULED,
        get_without_waiting=IN_PROGRESS,
    ),
    "never found": Row(
        scenario=Scenario(known=False),
        start=replace(_not_found, known={"TaskStatus": "scheduled"}),
        get=_not_found,
        sensor=_not_found,
        start_without_waiting=REQUESTS_NO_STATUS,
        get_without_waiting=_not_found,
    ),
    "throttled for a while": Row(
        scenario=Scenario(fault={"error": "ThrottlingException"}, faulty=_failing_requests),
        start=COMPLETED,
        get=COMPLETED,
        sensor=COMPLETED,
        start_without_waiting=Outcome(
            state="success", status="scheduled", words=("Polly throttled the request",)
        ),
        get_without_waiting=Outcome(
            state="success", status="inProgress", words=("Cannot get the status of synthesis task",)
        ),
    ),
    "5xx for a while": Row(
        scenario=Scenario(
            fault={"error": "ServiceFailureException", "status": 500}, faulty=_failing_requests
        ),
        start=Outcome(
            state="success",
            status="completed",
            words=("response to the start request was lost", *WAIT_CONTINUED),
        ),
        get=Outcome(state="success", status="completed", words=WAIT_CONTINUED),
        sensor=Outcome(state="success", status="completed", words=WAIT_CONTINUED),
        start_without_waiting=Outcome(
            state="success", status="scheduled", words=("the start request was lost",)
        ),
        get_without_waiting=Outcome(
            state="success", status="inProgress", words=("Cannot get the status of synthesis task",)
        ),
    ),
    "time-out": Row(
        scenario=Scenario(ends=None, arguments={"timeout": TIMEOUT_SECONDS}),
        start=Outcome(state="failed", tries=2, known=None, words=("PollyWaitTimeoutError", *_timeout_words)),
        get=Outcome(state="failed", tries=2, known=None, words=("PollyWaitTimeoutError", *_timeout_words)),
        sensor=Outcome(state="failed", known=None, words=("AirflowSensorTimeout",)),
        start_without_waiting=DOES_NOT_WAIT,
        get_without_waiting=DOES_NOT_WAIT,
    ),
    "region and endpoint only in the connection": Row(
        scenario=Scenario(arguments={"region_name": None, "botocore_config": None}),
        start=COMPLETED,
        get=COMPLETED,
        sensor=COMPLETED,
        start_without_waiting=SCHEDULED,
        get_without_waiting=IN_PROGRESS,
    ),
    "a second connection": Row(
        scenario=Scenario(connection="second"),
        start=COMPLETED,
        get=COMPLETED,
        sensor=COMPLETED,
        start_without_waiting=SCHEDULED,
        get_without_waiting=IN_PROGRESS,
    ),
}

COMBINATIONS = [
    pytest.param(operator, mode, row.scenario, outcome, id=f"{operator}-{mode}-{name}")
    for name, row in TABLE.items()
    for operator, modes in MODES.items()
    for mode in modes
    if isinstance(outcome := row.outcome(operator, mode), Outcome)
]


@pytest.fixture(scope="module")
def emulator_processes() -> Iterator[dict[str, RunningEmulator]]:
    """Run one emulator per connection, each in its own region."""
    with ExitStack() as stack:
        yield {
            connection: stack.enter_context(
                running_emulator(
                    audio="none",
                    region=region,
                    scheduled_seconds=0.2,
                    in_progress_seconds=SYNTHESIS_SECONDS - 10,
                )
            )
            for connection, region in REGIONS.items()
        }


@pytest.fixture
def emulators(
    emulator_processes: dict[str, RunningEmulator], monkeypatch: pytest.MonkeyPatch
) -> dict[str, RunningEmulator]:
    """Return the emulators after a reset; Airflow reaches them only through its connections."""
    for connection, emulator in emulator_processes.items():
        emulator.reset()
        monkeypatch.setenv(f"AIRFLOW_CONN_{connection.upper()}", emulator.airflow_connection())
    return emulator_processes


@pytest.mark.parametrize(("operator", "mode", "scenario", "outcome"), COMBINATIONS)
def test_task_ends_as_the_table_says(
    emulators: dict[str, RunningEmulator],
    run_dag: RunDag,
    operator: str,
    mode: str,
    scenario: Scenario,
    outcome: Outcome,
) -> None:
    """State, tries, log and XComs match the table, and only the connection's own region gets requests."""
    emulator = emulators[scenario.connection]
    # The get operator requests the status once before it begins to wait.
    requests_before_wait = int(operator == "get" and mode != NOT_WAITING)
    add_faults(emulator, scenario, requests_before_wait)

    with synthesis_ends_after(emulator, answers=requests_before_wait + 1) if scenario.ends else nullcontext():
        run = run_dag(scenario_dag(operator, mode, emulator, scenario))

    assert run.task(TASK_ID) == (outcome.state, outcome.tries), run.output
    for words in outcome.words:
        assert words in run.output
    xcoms = run.xcoms(TASK_ID)
    if outcome.status is None:
        message = xcoms.pop("ErrorMessage", None)
        assert (message is None) == (outcome.state == "skipped")
        status = xcoms.get("TaskStatus")
        known = {} if status is None else {"TaskStatus": status}
        assert xcoms == {"TaskId": xcoms["TaskId"], **(known if outcome.known is None else outcome.known)}
        assert outcome.known is not None or status in (None, "scheduled", "inProgress")
    else:
        value = assert_pushes_synthesis_task(xcoms, status=outcome.status)
        assert value["OutputUri"].startswith(f"https://s3.{emulator.region}.amazonaws.com/")
        assert value["TaskId"] in value["OutputS3Uri"]
        assert value["RequestCharacters"] > 0
    for connection, other in emulators.items():
        requests = json.dumps(other.counters.snapshot())
        assert (requests != "{}") == (connection == scenario.connection), f"{connection}: {requests}"


def test_only_meaningless_combinations_are_omitted() -> None:
    omitted = {
        (operator, name): outcome
        for name, row in TABLE.items()
        for operator, modes in MODES.items()
        for mode in modes
        if isinstance(outcome := row.outcome(operator, mode), str)
    }
    assert omitted == {
        ("start", "never found"): REQUESTS_NO_STATUS,
        ("start", "time-out"): DOES_NOT_WAIT,
        ("get", "time-out"): DOES_NOT_WAIT,
    }
