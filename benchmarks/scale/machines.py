"""Measures many texts on Celery workers, and the effect of a lost machine with Airflow's defaults."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy

from airflow_polly_provider.emulator.testing import running_emulator
from benchmarks.waiting.stack import cpu_seconds
from scripts.stack.celery import MACHINES, celery_stack
from scripts.stack.signals import terminable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from scripts.stack.airflow import AirflowStack

_DAGS = Path(__file__).parent / "dags"
_IDLE_SECONDS = 45.0
_RUN_SECONDS = 1500.0
_SYNTHESIS_SECONDS = 10.0
_LONG_SYNTHESIS_SECONDS = 900.0
_LOST_SECONDS = 600.0
_WAYS = ("deferrable", "end_from_trigger")


def measure(texts: int, *, lose_machines: bool) -> Iterator[dict[str, Any]]:
    """Yield each result as soon as it is measured.

    :param texts: number of texts for each way to start and wait
    :param lose_machines: whether to also kill a triggerer and a worker, which takes six more minutes
    """
    with (
        terminable(),
        tempfile.TemporaryDirectory(prefix="polly-scale-") as folder,
        running_emulator(audio="none", in_progress_seconds=_SYNTHESIS_SECONDS) as emulator,
        running_emulator(audio="none", in_progress_seconds=_LONG_SYNTHESIS_SECONDS) as slow_emulator,
    ):
        env = {
            "AIRFLOW_CONN_AWS_DEFAULT": emulator.airflow_connection(),
            "AIRFLOW_CONN_LONG": slow_emulator.airflow_connection(),
            "POLLY_SCALE_BUCKET": emulator.bucket,
            "POLLY_SCALE_TEXTS": str(texts),
        }
        with celery_stack(home=Path(folder), dags_folder=_DAGS, env=env) as stack:
            # Let both triggerers and both workers import their modules before the measurement.
            stack.wait_for_run("warm_up", stack.trigger("warm_up"), _RUN_SECONDS)
            idle = _idle(stack)
            for way in _WAYS:
                yield _speak(stack, way, texts, idle)
            if lose_machines:
                yield from _lose(stack, slow_emulator)


def _by_kind(spent: dict[str, float]) -> dict[str, float]:
    kinds: dict[str, float] = {}
    for name, seconds in spent.items():
        kinds[MACHINES[name]] = kinds.get(MACHINES[name], 0.0) + seconds
    return kinds


def _idle(stack: AirflowStack) -> dict[str, float]:
    """Return how many CPU seconds per second each kind of process uses when it is idle."""
    before = _by_kind(cpu_seconds(stack))
    time.sleep(_IDLE_SECONDS)
    after = _by_kind(cpu_seconds(stack))
    return {kind: (after[kind] - before[kind]) / _IDLE_SECONDS for kind in after}


def _speak(stack: AirflowStack, way: str, texts: int, idle: dict[str, float]) -> dict[str, Any]:
    before, began = _by_kind(cpu_seconds(stack)), time.monotonic()
    state = stack.wait_for_run(way, stack.trigger(way), _RUN_SECONDS)
    seconds, after = time.monotonic() - began, _by_kind(cpu_seconds(stack))
    above_idle = {kind: after[kind] - before[kind] - idle[kind] * seconds for kind in after}
    return {
        "part": "celery",
        "way": way,
        "state": state,
        "texts": texts,
        "seconds": round(seconds, 1),
        "texts_per_second": round(texts / seconds, 2),
        "cpu_seconds_per_text": round(sum(above_idle.values()) / texts, 2),
        "share_by_kind": {
            kind: round(spent / sum(above_idle.values()), 2) for kind, spent in above_idle.items()
        },
        "idle_cores": round(sum(idle.values()), 2),
    }


def _lose(stack: AirflowStack, emulator: RunningEmulator) -> Iterator[dict[str, Any]]:
    database = sqlalchemy.create_engine(
        stack.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], poolclass=sqlalchemy.pool.NullPool
    )

    def count(statement: str, **values: object) -> int:
        with database.connect() as connection:
            return int(connection.execute(sqlalchemy.text(statement), values).scalar_one())

    waits = stack.trigger("long_waits")
    held = stack.trigger("in_worker")
    stack.wait_for_task("in_worker", held, "speak", "running")
    deferred = "SELECT count(*) FROM task_instance WHERE run_id = :run_id AND state = 'deferred'"
    _until(lambda: count(deferred, run_id=waits) == 20)
    watched = (
        "SELECT count(*) FROM trigger JOIN job ON job.id = trigger.triggerer_id "
        "WHERE job.hostname IN ('triggerer-1', 'triggerer-2')"
    )
    _until(lambda: count(watched) == 20)
    with database.connect() as connection:
        worker = connection.execute(
            sqlalchemy.text("SELECT hostname FROM task_instance WHERE run_id = :run_id"), {"run_id": held}
        ).scalar_one()
    stack.kill("triggerer-1")
    triggerer_lost = time.monotonic()
    stack.kill(worker)
    worker_lost = time.monotonic()
    on_lost = (
        "SELECT count(*) FROM trigger JOIN job ON job.id = trigger.triggerer_id "
        "WHERE job.hostname = 'triggerer-1'"
    )
    moved = count(on_lost)
    _until(lambda: count(on_lost) == 0)
    yield {
        "part": "lost triggerer",
        "waits": moved,
        "seconds_until_taken_over": round(time.monotonic() - triggerer_lost, 1),
    }
    again = (
        "SELECT count(*) FROM task_instance WHERE run_id = :run_id AND try_number = 2 AND state = 'running'"
    )
    _until(lambda: count(again, run_id=held) == 1)
    yield {
        "part": "lost worker",
        "seconds_until_next_try": round(time.monotonic() - worker_lost, 1),
        "starts": emulator.counters.calls("StartSpeechSynthesisTask"),
        "airflow_tasks": 21,
    }


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LOST_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("Timed out while waiting for a condition")
        time.sleep(0.5)
