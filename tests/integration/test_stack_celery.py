"""An Airflow on several machines starts one synthesis task per text, even if machines are lost."""

from __future__ import annotations

import importlib.util
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy

from airflow_polly_provider.emulator.base.quotas import AWS_QUOTAS
from airflow_polly_provider.emulator.testing import running_emulator
from scripts.stack.celery import celery_stack
from scripts.stack.servers import POSTGRESQL, REDIS
from tests.integration.aws_clients import client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from scripts.stack.airflow import AirflowStack

TEXTS = 60
DAGS = Path(__file__).parent / "dags_celery"
RUN_SECONDS = 600
# Answers to starts are delayed by this time, so that a machine is lost between a start and its answer.
ANSWER_SECONDS = 10.0
LATE_ANSWERS = 24
# Each synthesis lasts long enough that all machines are killed before the waits end, even on a slow machine.
SYNTHESIS_SECONDS = 40.0
# Shorter than in a deployment, so that other machines take over the work of a lost one during the test.
THRESHOLDS = {
    # After this many seconds (default: a day), Celery sends the message of a lost worker to another worker.
    "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "75",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
}


def missing() -> str | None:
    """Return what is missing for a stack with Celery, or None."""
    for module in ("airflow.providers.celery", "psycopg2", "redis"):
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            return f"{module} is not installed (run `make test-celery`)"
    for name, url in (("PostgreSQL", POSTGRESQL), ("Redis", REDIS)):
        address = sqlalchemy.make_url(url)
        try:
            socket.create_connection((address.host, address.port), timeout=5).close()
        except OSError as error:
            return (
                f"no {name} server at {address.host}:{address.port} ({error}); set {name.upper()} for another"
            )
    return None


reason = missing()
pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(RUN_SECONDS + 240),
    pytest.mark.skipif(reason is not None, reason=str(reason)),
]


class RunWithLosses:
    """A run of the DAG during which machines are lost."""

    def __init__(self, stack: AirflowStack, emulator: RunningEmulator) -> None:
        self._stack = stack
        self._emulator = emulator
        self._database = sqlalchemy.create_engine(
            stack.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], poolclass=sqlalchemy.pool.NullPool
        )
        self.run_id = stack.trigger("many_texts")

    def running_on(self, machine: str) -> set[int]:
        """Return the map indexes of the tasks that run on a worker."""
        return self._map_indexes("WHERE state = 'running' AND hostname = :machine", machine)

    def waiting_on(self, machine: str) -> set[int]:
        """Return the map indexes of the tasks that wait on a triggerer."""
        return self._map_indexes(
            "JOIN trigger ON trigger.id = task_instance.trigger_id "
            "JOIN job ON job.id = trigger.triggerer_id "
            "WHERE task_instance.state = 'deferred' AND job.hostname = :machine",
            machine,
        )

    def _map_indexes(self, condition: str, machine: str) -> set[int]:
        statement = sqlalchemy.text(f"SELECT map_index FROM task_instance {condition}")
        with self._database.connect() as connection:
            return {row[0] for row in connection.execute(statement, {"machine": machine})}

    def unanswered_on(self, machine: str) -> set[int]:
        """Return the map indexes of a worker's tasks that wait for the response to their start request."""
        started = {
            task["RequestCharacters"] - 1
            for task in synthesis_tasks(self._emulator)
            # If the synthesis task has completed, the task is not waiting: it runs again after its deferral.
            if task["TaskStatus"] != "completed"
        }
        return self.running_on(machine) & started

    def lose_machines(self) -> tuple[set[int], set[int], set[int]]:
        """Kill a machine of each kind while it is busy.

        :return: the map indexes of the tasks that ran on the worker, of those that waited there for
            Polly's response, and of those that waited on the triggerer
        """
        deadline = time.monotonic() + 120
        while len(self.waiting_on("triggerer-1")) < 2 or not (unanswered := self.unanswered_on("worker-1")):
            assert time.monotonic() < deadline, self._stack.metadata.task_instances("many_texts", self.run_id)
            time.sleep(0.1)
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._stack.kill, ("worker-1", "triggerer-1", "scheduler-1")))
        # No other machine has taken over these tasks yet.
        running = self.running_on("worker-1")
        return running, unanswered & running, self.waiting_on("triggerer-1")


@pytest.fixture(scope="module")
def emulator() -> Iterator[RunningEmulator]:
    # With audio="none" there would be no objects, and the operator starts again if the object is missing.
    with running_emulator(audio="tone", quotas=AWS_QUOTAS, in_progress_seconds=SYNTHESIS_SECONDS) as running:
        running.faults.add("StartSpeechSynthesisTask", times=LATE_ANSWERS, delay_seconds=ANSWER_SECONDS)
        yield running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, emulator: RunningEmulator) -> Iterator[AirflowStack]:
    env = {
        "AIRFLOW_CONN_AWS_DEFAULT": emulator.airflow_connection(),
        "POLLY_CELERY_BUCKET": emulator.bucket,
        "POLLY_CELERY_TEXTS": str(TEXTS),
        **THRESHOLDS,
    }
    with celery_stack(home=tmp_path_factory.mktemp("celery"), dags_folder=DAGS, env=env) as running:
        yield running


def synthesis_tasks(emulator: RunningEmulator) -> list[dict[str, Any]]:
    with client_of(emulator, "polly") as polly:
        pages = polly.get_paginator("list_speech_synthesis_tasks").paginate()
        return [task for page in pages for task in page["SynthesisTasks"]]


def test_each_text_has_one_synthesis_task_although_one_machine_of_each_kind_is_lost(
    stack: AirflowStack, emulator: RunningEmulator
) -> None:
    run = RunWithLosses(stack, emulator)
    running, unanswered, waiting = run.lose_machines()
    assert unanswered
    assert waiting
    state = stack.wait_for_run("many_texts", run.run_id, RUN_SECONDS)
    tasks = stack.metadata.task_instances("many_texts", run.run_id)
    assert (state, Counter(task.state for task in tasks)) == ("success", {"success": TEXTS})
    tries = {task.map_index: task.try_number for task in tasks}
    assert {index for index in running if tries[index] > 1} == running, (
        "each task on the lost worker must be retried"
    )

    started = {task["RequestCharacters"]: task["OutputUri"] for task in synthesis_tasks(emulator)}
    # Each text is one character longer than the previous one.
    billed = sorted(task["RequestCharacters"] for task in synthesis_tasks(emulator))
    logs = {index: stack.task_log("many_texts", run.run_id, "speak", index) for index in sorted(running)}
    assert billed == list(range(1, TEXTS + 1)), "\n".join(logs.values())
    assert all("Adopting synthesis task" in logs[index] for index in unanswered), (
        "each unanswered start must be adopted"
    )
    pushed = [stack.xcoms("many_texts", run.run_id, "speak", index)["OutputUri"] for index in range(TEXTS)]
    assert pushed == [started[length] for length in billed]
