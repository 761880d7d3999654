"""A plugin that records each worker process that runs a task."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin


class Workers:
    """A listener that Airflow calls for each task, in the worker that runs the task."""

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        """Write a line with the DAG id and the process id."""
        with Path(os.environ["POLLY_BATCH_WORKERS"]).open("a") as file:
            file.write(f"{task_instance.dag_id} {os.getpid()}\n")


class WorkersPlugin(AirflowPlugin):
    """Registers the listener."""

    name = "polly_batch_workers"
    listeners = [Workers()]  # noqa: RUF012  # Airflow declares the attribute as a list
