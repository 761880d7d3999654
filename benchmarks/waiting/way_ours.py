"""The trigger of this package, as Airflow's triggerer runs it."""

from __future__ import annotations

import time

from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger


async def wait(synthesis_task_id: str, interval: float, patience: float) -> bool:
    """Wait for a synthesis task, and return whether it completed.

    :param synthesis_task_id: TaskId of the synthesis task
    :param interval: maximum seconds between two checks
    :param patience: seconds after which the wait ends without a result
    """
    trigger = PollySpeechSynthesisTaskTrigger(
        synthesis_task_id=synthesis_task_id, poke_interval=interval, deadline=time.time() + patience
    )
    completed = False
    async for event in trigger.run():
        completed = event.payload.get("synthesis_task", {}).get("TaskStatus") == "completed"
    return completed
