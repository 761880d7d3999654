"""A trigger like the amazon provider's triggers, with its base class, aiobotocore and a custom waiter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.providers.amazon.aws.triggers.base import AwsBaseWaiterTrigger


class WaitingHook(AwsBaseHook):
    """A hook for Polly with a custom waiter, because botocore has no waiter for Polly."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "polly"
        super().__init__(*args, **kwargs)

    @property
    def waiter_path(self) -> Path:
        """Return the path of the waiter definition."""
        return Path(__file__).with_name("polly_waiters.json")


class SpeechSynthesisTaskCompletedTrigger(AwsBaseWaiterTrigger):
    """Fires when a synthesis task has completed or failed."""

    aws_hook_class = WaitingHook

    def __init__(self, *, task_id: str, waiter_delay: int, waiter_max_attempts: int, **kwargs: Any) -> None:
        super().__init__(
            serialized_fields={"task_id": task_id},
            waiter_name="speech_synthesis_task_complete",
            waiter_args={"TaskId": task_id},
            failure_message="Speech synthesis task failed.",
            status_message="Status of speech synthesis task is",
            status_queries=["SynthesisTask.TaskStatus"],
            return_value=task_id,
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            **kwargs,
        )


async def wait(synthesis_task_id: str, interval: float, patience: float) -> bool:
    """Wait for a synthesis task, and return whether it completed.

    :param synthesis_task_id: TaskId of the synthesis task
    :param interval: seconds between two checks
    :param patience: seconds after which the wait ends without a result
    """
    trigger = SpeechSynthesisTaskCompletedTrigger(
        task_id=synthesis_task_id, waiter_delay=int(interval), waiter_max_attempts=int(patience / interval)
    )
    completed = False
    async for event in trigger.run():
        completed = event.payload["status"] == "success"
    return completed
