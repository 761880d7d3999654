"""DAGs whose mapped tasks wait for existing synthesis tasks, one DAG for each way of waiting.

The run's conf contains the ids of the synthesis tasks.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import Any

import boto3
from airflow.sdk import PokeReturnValue, dag, get_current_context, task
from airflow.triggers.base import StartTriggerArgs

from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor

WAITS: dict[str, int] = json.loads(os.environ["POLLY_WAITING_COUNTS"])
SETTINGS: dict[str, Any] = {"schedule": None, "start_date": datetime(2025, 1, 1), "max_active_tasks": 1000}
INTERVAL = 10.0


def templates(waits: int) -> list[str]:
    """Return a template for the synthesis task id of each wait."""
    return [f"{{{{ dag_run.conf['ids'][{index}] }}}}" for index in range(waits)]


def without_worker(waits: int) -> None:
    """Add waits that run only in the triggerer. With listeners, Airflow allows them only as mapped tasks."""
    PollySpeechSynthesisTaskSensor.partial(
        task_id="wait",
        start_from_trigger=True,
        end_from_trigger=True,
        poke_interval=INTERVAL,
        start_trigger_args=StartTriggerArgs(
            trigger_cls="airflow_polly_provider.triggers.polly.PollySpeechSynthesisTaskTrigger",
            trigger_kwargs={
                "synthesis_task_id": "{{ dag_run.conf['ids'][ti.map_index] }}",
                "poke_interval": INTERVAL,
                "end_from_trigger": True,
            },
            next_method="execute_complete",
        ),
    ).expand(synthesis_task_id=templates(waits))


@dag(**SETTINGS)
def deferrable() -> None:
    """Wait in the triggerer; a worker runs before and after the wait."""
    PollySpeechSynthesisTaskSensor.partial(task_id="wait", deferrable=True, poke_interval=INTERVAL).expand(
        synthesis_task_id=templates(WAITS["deferrable"])
    )


@dag(**SETTINGS)
def start_from_trigger() -> None:
    """Wait only in the triggerer."""
    without_worker(WAITS["start_from_trigger"])


@dag(**SETTINGS)
def warm_up() -> None:
    """Run one wait in the triggerer, because the first wait of a process is slow."""
    without_worker(1)


@dag(**SETTINGS)
def reschedule() -> None:
    """Check in worker processes, a new process for each check, as users do without this package."""

    @task.sensor(mode="reschedule", poke_interval=INTERVAL)
    def wait(index: int) -> PokeReturnValue:
        conf = get_current_context()["dag_run"].conf or {}
        synthesis_task_id = conf["ids"][index]
        polly = boto3.client(
            "polly",
            endpoint_url=os.environ["POLLY_WAITING_ENDPOINT"],
            region_name="us-east-1",
            aws_access_key_id="emulator",
            aws_secret_access_key="emulator",
        )
        synthesis_task = polly.get_speech_synthesis_task(TaskId=synthesis_task_id)["SynthesisTask"]
        if synthesis_task["TaskStatus"] == "failed":
            raise RuntimeError(synthesis_task.get("TaskStatusReason"))
        return PokeReturnValue(
            is_done=synthesis_task["TaskStatus"] == "completed", xcom_value=synthesis_task["OutputUri"]
        )

    wait.expand(index=list(range(WAITS["reschedule"])))


deferrable()
start_from_trigger()
reschedule()
warm_up()
