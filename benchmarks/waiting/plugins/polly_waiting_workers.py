"""Writes down each worker process that runs a task."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin


class Workers:
    """Hears of each task in the worker that runs it."""

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        """Leave a line."""
        with Path(os.environ["POLLY_WAITING_WORKERS"]).open("a") as file:
            file.write(f"{task_instance.dag_id} {os.getpid()}\n")


class WorkersPlugin(AirflowPlugin):
    """Brings the listener."""

    name = "polly_waiting_workers"
    listeners = [Workers()]  # noqa: RUF012  # Airflow declares it so
