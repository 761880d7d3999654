"""Each operator and the sensor, in each mode, in each thing that can come: one table, whole DAGs."""

from __future__ import annotations

import json
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.emulator.testing import running_emulator
from airflow_polly_provider.synthesis_task import OWN_XCOM_KEYS
from tests.integration.modes_support import (
    GET,
    MODES,
    NOT_WAITING,
    REASON,
    START,
    SYNTHESIS_SECONDS,
    TASK_ID,
    Given,
    be_impatient,
    cell_dag,
    ending,
    spoil,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.modes_support import Runner

pytestmark = pytest.mark.timeout(300)

REGIONS = {"aws_default": "eu-central-1", "second": "ap-southeast-2"}
TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class End:
    """What a user sees at the end.

    :param tries: how many tries Airflow made of the two allowed.
    :param status: the TaskStatus that is pushed; None if nothing is.
    :param words: what the log says.
    """

    state: str
    tries: int = 1
    status: str | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is met, and what each does about it; a string is why a cell is left out.

    :param start: the start operator that waits, in the worker or deferred
    :param get: the get operator that waits, the same
    :param sensor: the sensor, in each mode
    """

    given: Given
    start: End
    get: End
    sensor: End
    start_without_waiting: End | str
    get_without_waiting: End | str

    def end(self, who: str, mode: str) -> End | str:
        end: End | str = getattr(self, who if mode != NOT_WAITING else f"{who}_without_waiting")
        return end


COMPLETED = End(state="success", status="completed")
SCHEDULED = End(state="success", status="scheduled")
IN_PROGRESS = End(state="success", status="inProgress")
WENT_ON = ("the wait goes on",)
NO_WAIT_IN_IT = "there is no wait in it"

_unknown = End(
    state="failed",
    words=("PollySynthesisTaskNotFoundError", "in eu-central-1", "for 72 hours"),
)
_late = ("when the timeout passed", "runs on and is billed")
_trouble = {START: 1, GET: 3}

TABLE: dict[str, Row] = {
    "completed": Row(
        given=Given(),
        start=COMPLETED,
        get=COMPLETED,
        sensor=COMPLETED,
        start_without_waiting=SCHEDULED,
        get_without_waiting=IN_PROGRESS,
    ),
    "failed": Row(
        given=Given(ends="failed"),
        start=End(state="failed", tries=2, words=("PollySynthesisTaskFailedError", f"failed: {REASON}")),
        get=End(state="failed", words=("PollySynthesisTaskFailedFinalError", f"failed: {REASON}")),
        sensor=End(state="failed", words=("PollySynthesisTaskFailedFinalError", f"failed: {REASON}")),
        start_without_waiting=SCHEDULED,
        get_without_waiting=IN_PROGRESS,
    ),
    "never found": Row(
        given=Given(known=False),
        start=_unknown,
        get=_unknown,
        sensor=_unknown,
        start_without_waiting="it asks for nothing that could be unknown",
        get_without_waiting=_unknown,
    ),
    "throttled for a while": Row(
        given=Given(fault={"error": "ThrottlingException"}, faulty=_trouble),
        start=COMPLETED,
        get=COMPLETED,
        sensor=COMPLETED,
        start_without_waiting=End(state="success", status="scheduled", words=("takes no start now",)),
        get_without_waiting=End(state="success", status="inProgress", words=("Cannot see synthesis task",)),
    ),
    "5xx for a while": Row(
        given=Given(fault={"error": "ServiceFailureException", "status": 500}, faulty=_trouble),
        start=End(state="success", status="completed", words=("answer to the start was lost", *WENT_ON)),
        get=End(state="success", status="completed", words=WENT_ON),
        sensor=End(state="success", status="completed", words=WENT_ON),
        start_without_waiting=End(state="success", status="scheduled", words=("the start was lost",)),
        get_without_waiting=End(state="success", status="inProgress", words=("Cannot see synthesis task",)),
    ),
    "time-out": Row(
        given=Given(ends=None, arguments={"timeout": TIMEOUT_SECONDS}),
        start=End(state="failed", tries=2, words=("PollyWaitTimeoutError", *_late)),
        get=End(state="failed", tries=2, words=("PollyWaitTimeoutError", *_late)),
        sensor=End(state="failed", words=("AirflowSensorTimeout",)),
        start_without_waiting=NO_WAIT_IN_IT,
        get_without_waiting=NO_WAIT_IN_IT,
    ),
    "region and endpoint only in the connection": Row(
        given=Given(arguments={"region_name": None, "botocore_config": None}),
        start=COMPLETED,
        get=COMPLETED,
        sensor=COMPLETED,
        start_without_waiting=SCHEDULED,
        get_without_waiting=IN_PROGRESS,
    ),
    "a second connection": Row(
        given=Given(connection="second"),
        start=COMPLETED,
        get=COMPLETED,
        sensor=COMPLETED,
        start_without_waiting=SCHEDULED,
        get_without_waiting=IN_PROGRESS,
    ),
}

CELLS = [
    pytest.param(who, mode, row, end, id=f"{who}-{mode}-{what}")
    for what, row in TABLE.items()
    for who, modes in MODES.items()
    for mode in modes
    if isinstance(end := row.end(who, mode), End)
]


@pytest.fixture(scope="module")
def emulator_processes() -> Iterator[dict[str, RunningEmulator]]:
    """One emulator for each connection, each in its region."""
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
    """The same, fresh, and known to Airflow by connections alone."""
    for connection, emulator in emulator_processes.items():
        emulator.reset()
        monkeypatch.setenv(f"AIRFLOW_CONN_{connection.upper()}", emulator.airflow_connection())
    return emulator_processes


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)


@pytest.mark.parametrize(("who", "mode", "row", "end"), CELLS)
def test_cell(
    emulators: dict[str, RunningEmulator], run_dag: Runner, who: str, mode: str, row: Row, end: End
) -> None:
    emulator = emulators[row.given.connection]
    looks_before = int(who == "get" and mode != NOT_WAITING)
    spoil(emulator, row.given, looks_before)

    with ending(emulator, looks_before + 1) if row.given.ends else nullcontext():
        run = run_dag(cell_dag(who, mode, emulator, row.given))

    assert run.task(TASK_ID) == (end.state, end.tries), run.output
    for words in end.words:
        assert words in run.output
    assert_hands_over(run.xcoms(TASK_ID), end.status, emulator.region)
    for connection, other in emulators.items():
        asked = json.dumps(other.counters.snapshot())
        assert (asked != "{}") == (connection == row.given.connection), f"{connection}: {asked}"


def assert_hands_over(xcoms: dict[str, Any], status: str | None, region: str) -> None:
    if status is None:
        assert xcoms == {}
        return
    assert set(xcoms) == {*OWN_XCOM_KEYS, "return_value"}
    value = xcoms.pop("return_value")
    assert xcoms == {key: value[key] for key in OWN_XCOM_KEYS}
    assert value["TaskStatus"] == status
    assert value["OutputUri"].startswith(f"https://s3.{region}.amazonaws.com/")
    assert value["TaskId"] in value["OutputS3Uri"]
    assert value["RequestCharacters"] > 0


def test_only_cells_that_make_no_sense_are_left_out() -> None:
    left_out = {
        (who, what): end
        for what, row in TABLE.items()
        for who, modes in MODES.items()
        for mode in modes
        if isinstance(end := row.end(who, mode), str)
    }
    assert left_out == {
        ("start", "never found"): "it asks for nothing that could be unknown",
        ("start", "time-out"): NO_WAIT_IN_IT,
        ("get", "time-out"): NO_WAIT_IN_IT,
    }
