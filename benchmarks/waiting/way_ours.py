"""The trigger of this package, as Airflow's triggerer runs it."""

from __future__ import annotations

import time

from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger


async def wait(synthesis_task_id: str, interval: float, patience: float) -> bool:
    """Wait for a synthesis task, and tell whether it completed.

    :param interval: seconds between two checks at most
    :param patience: seconds until the wait ends without an answer
    """
    trigger = PollySpeechSynthesisTaskTrigger(
        synthesis_task_id=synthesis_task_id, poke_interval=interval, deadline=time.time() + patience
    )
    completed = False
    async for event in trigger.run():
        completed = event.payload.get("synthesis_task", {}).get("TaskStatus") == "completed"
    return completed
