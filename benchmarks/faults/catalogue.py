"""The faults in the fault table, and the modes in which each fault is tested."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from benchmarks.faults.gate import Spoiling

DEFERRABLE, IN_WORKER, NOT_WAITING, MAPPED = "deferrable", "in_worker", "not_waiting", "mapped"
PLAIN = "plain_boto3"
BATCH, BATCH_IN_WORKER, BATCH_NAMED = "batch", "batch_in_worker", "batch_named"
BATCHES = (BATCH, BATCH_IN_WORKER, BATCH_NAMED)
"""Modes with one Airflow task for many texts. In the last one, each item has ``output_s3_key``."""
OURS = (DEFERRABLE, IN_WORKER, NOT_WAITING, MAPPED)
ALL = (*OURS, PLAIN, *BATCHES)
NAMED, NAMED_IN_WORKER = "named", "named_in_worker"
WITH_OUTPUT_KEY = (NAMED, NAMED_IN_WORKER)
"""Modes in which the object is copied to ``output_s3_key``."""
OUTPUT_KEY_ENDING = "named.mp3"

BUCKET = "polly-faults"
MAPPED_OVER = 20
BATCH_OF = 200
NO_FAULT = "no fault, for comparison"
Event = Literal["triggerer", "scheduler", "database", "emulator"]
START, LIST = "StartSpeechSynthesisTask", "ListSpeechSynthesisTasks"
SHORT_LOOK_SECONDS = 10
"""``[aws_polly] start_look_seconds`` for faults that do not need the default of 60."""


@dataclass(frozen=True)
class Fault:
    """A fault that occurs once in each Airflow task.

    :param name: name of the row in the table
    :param modes: DAGs that the fault is tested with
    :param emulator: faults of the emulator; their ``times`` are multiplied by the number of Airflow tasks
    :param refusals_shared: whether mapped tasks share the ``times``, which are then not multiplied
    :param spoil: what the gate does to the responses to start requests
    :param shut: whether the emulator's port is closed when the tasks start
    :param hold: point in the code at which each task's process pauses; the process is then killed, unless
        ``event`` is set
    :param clears: whether each paused task is cleared instead of killed
    :param store_away: whether Airflow's task state store is unavailable in the first try
    :param look_ups_fail: number of connection look-ups that fail for each task: the task's first look-ups,
        or, if ``event`` is set, the first look-ups after it
    :param event: component that is killed when every task is paused; without ``hold``, when every task is
        deferred
    :param list_delay_seconds: seconds before a new synthesis task appears in the emulator's lists
    :param look_seconds: duration of the search for a token; None for the default
    :param fails: whether the run is expected to fail
    :param slow: duration of a synthesis in seconds
    """

    name: str
    modes: tuple[str, ...] = ALL
    emulator: tuple[dict[str, Any], ...] = ()
    refusals_shared: bool = False
    spoil: Spoiling | None = None
    shut: bool = False
    hold: str | None = None
    clears: bool = False
    store_away: bool = False
    look_ups_fail: int = 0
    event: Event | None = None
    list_delay_seconds: float = 0
    look_seconds: float | None = SHORT_LOOK_SECONDS
    fails: bool = False
    slow: float = 10
    emulator_arguments: tuple[str, ...] = field(default=())


def _start(**fault: Any) -> tuple[dict[str, Any], ...]:
    return ({"operation": START, **fault},)


LOST = _start(drop="after")
DENIED = {"operation": LIST, "error": "AccessDeniedException", "times": None}
WAITING_IN_TRIGGERER = (DEFERRABLE, MAPPED, BATCH, BATCH_NAMED)
WAITING_IN_WORKER = (IN_WORKER, PLAIN)
COPYING = (*WITH_OUTPUT_KEY, BATCH_NAMED)

SINGLE_FAULTS = (
    Fault(NO_FAULT),
    Fault("answer lost after the request was processed", emulator=LOST),
    Fault("connection refused for a while", shut=True),
    Fault("connection closed before the request was processed", emulator=_start(drop="before")),
    Fault("answer cut short", emulator=_start(cut=True)),
    Fault("TCP reset in the middle of the answer", spoil="reset"),
    Fault("a proxy's page instead of the answer", spoil="page"),
    Fault("500 before the request was processed", emulator=_start(error="ServiceFailureException")),
    Fault("500 after the request was processed", spoil="500"),
    Fault("answer slower than the read time-out", emulator=_start(delay_seconds=6)),
    Fault(
        "answer lost, and List shows the task 20 s late",
        emulator=LOST,
        list_delay_seconds=20,
        look_seconds=None,
    ),
    Fault("answer lost, and List denied", emulator=(*LOST, DENIED), fails=True),
    Fault(
        "credentials expired three times", emulator=_start(error="ExpiredTokenException", status=403, times=3)
    ),
    Fault("SIGKILL of the worker before the call", hold="before the call"),
    Fault("SIGKILL of the worker after the call, before the id is saved", hold="after the call"),
    Fault("SIGKILL of the worker after the manifest is first saved", BATCHES, hold="claimed"),
    Fault("SIGKILL of the worker after all starts, before the manifest is saved", BATCHES, hold="started"),
    Fault(
        "SIGKILL of the worker after the id is saved, before the wait", (*OURS, *BATCHES), hold="remembered"
    ),
    Fault("SIGKILL of the worker while it waits", WAITING_IN_WORKER, hold="waiting"),
    Fault("running task cleared while it waits", WAITING_IN_WORKER, hold="waiting", clears=True),
    Fault(
        "SIGKILL of the worker after the call, task state store unavailable",
        (*OURS, *BATCHES),
        hold="after the call",
        store_away=True,
    ),
    Fault("connection not found at the first look-up", look_ups_fail=1),
    Fault("SIGKILL of the worker on resume", WAITING_IN_TRIGGERER, hold="resume"),
    Fault("SIGKILL of the worker before the copy", COPYING, hold="before the copy"),
    Fault("SIGKILL of the worker between the copy and the removal", COPYING, hold="copied"),
    Fault("SIGKILL of the worker between the removal and the XComs", COPYING, hold="removed"),
    Fault(
        "throttled 20 times",
        emulator=_start(error="ThrottlingException", times=20),
        refusals_shared=True,
    ),
)

SHARED_FAULTS = (
    Fault("SIGKILL of the triggerer while waiting", WAITING_IN_TRIGGERER, event="triggerer", slow=45),
    Fault(
        "SIGKILL of the triggerer, then connection not found twice",
        WAITING_IN_TRIGGERER,
        event="triggerer",
        look_ups_fail=2,
        slow=45,
    ),
    Fault(
        "SIGKILL of the scheduler and all workers after the call, before the id is saved",
        hold="after the call",
        event="scheduler",
        slow=20,
    ),
    Fault(
        "SIGKILL of the scheduler while waiting in the triggerer",
        WAITING_IN_TRIGGERER,
        event="scheduler",
        slow=45,
    ),
    Fault("metadata database drops every connection, three times in 6 s", event="database", slow=45),
    Fault(
        "emulator killed and restarted with its state",
        (DEFERRABLE, IN_WORKER, MAPPED, PLAIN),
        event="emulator",
        slow=45,
    ),
)
