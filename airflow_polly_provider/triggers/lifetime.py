"""When a trigger gives up, and when it may send its event."""

from __future__ import annotations

import asyncio
import time

from airflow_polly_provider.settings import supervisor_linger_seconds

_LATE_CHECK_SECONDS = 15.0
"""Time for a last status check if a trigger starts after its deadline, such as after a triggerer outage."""


def remaining_seconds(deadline: float) -> float:
    """Return the seconds until a deadline, or time for a last status check if it has passed.

    :param deadline: the end of the wait, in seconds since the epoch
    """
    remaining = deadline - time.time()
    return remaining if remaining > 0 else _LATE_CHECK_SECONDS


async def outlast_supervisor(trigger_id: object, began: float) -> None:
    """Delay the event until the supervisor of the worker that deferred the task has exited.

    If the supervisor reports its exit after the task was resumed, Airflow 3 treats it as the end of the
    resumed task and fails the task (apache/airflow issues 71580 and 72716). A trigger in ``dag.test()`` does
    not wait: it has no ``trigger_id``, and there is no supervisor.

    :param trigger_id: the id of the trigger of a task that a worker deferred
    :param began: when the trigger began, in seconds of ``time.monotonic``
    """
    if trigger_id is not None:
        await asyncio.sleep(max(0.0, began + supervisor_linger_seconds() - time.monotonic()))
