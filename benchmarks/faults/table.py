"""All runs with faults on one Airflow version."""

from __future__ import annotations

import contextlib
import importlib.metadata
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.faults.backends.flaky_secrets import FOLDER, FlakySecrets
from benchmarks.faults.catalogue import BATCH_OF, BATCHES, MAPPED, MAPPED_OVER
from benchmarks.faults.events import strike
from benchmarks.faults.lane import SECRETS, Lane
from benchmarks.faults.runs import FaultyRun
from scripts.stack.airflow import AirflowStack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.faults.catalogue import Fault
    from benchmarks.faults.runs import Result

DAGS = Path(__file__).parent / "dags"
BACKENDS = Path(__file__).parent / "backends"
AIRFLOW = ".".join(importlib.metadata.version("apache-airflow").split(".")[:2])

# The API server of Airflow 3.3 uses two connections for each starting task; its default limit is 15.
_ROOMY_POOL = {"AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "60"}
_SHORT_THRESHOLDS = {
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "30",
    # Detect a killed worker's tasks after 30 seconds instead of 300.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "30",
    "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "3",
}


class Table:
    """Measures cells of the fault table, and keeps their results.

    :param stack: Airflow stack
    :param lanes: lanes; in each lane, one run is in progress at a time
    :param hold_folder: folder in which paused processes write their process ids
    :param mapped_over: number of task instances of a mapped task
    :param batch_of: number of items of a batch
    :param on_result: called with each result
    """

    def __init__(
        self,
        stack: AirflowStack,
        lanes: Sequence[Lane],
        hold_folder: Path,
        *,
        mapped_over: int,
        batch_of: int,
        on_result: Callable[[Result], None],
    ) -> None:
        self.results: dict[tuple[str, str], Result] = {}
        self.errors: dict[tuple[str, str], Exception] = {}
        self._stack = stack
        self._lanes = lanes
        self._hold_folder = hold_folder
        self._mapped_over = mapped_over
        self._batch_of = batch_of
        self._on_result = on_result
        self._lock = threading.Lock()

    def single(self, cells: Sequence[tuple[Fault, str]]) -> None:
        """Measure cells whose faults affect only their own run. Each lane measures one cell at a time."""
        waiting: queue.SimpleQueue[tuple[Fault, str]] = queue.SimpleQueue()
        for cell in cells:
            waiting.put(cell)

        def work(lane: Lane) -> None:
            with contextlib.suppress(queue.Empty):
                while True:
                    fault, mode = waiting.get_nowait()
                    try:
                        run = self._run(lane, fault, mode)
                        run.begin()
                        self._note(run.finish(AIRFLOW))
                    except Exception as error:  # noqa: BLE001  # an error in one cell must not stop the other cells, which run for hours
                        self.errors[fault.name, mode] = error
                        print(f"{fault.name}, {mode}:", file=sys.stderr)
                        traceback.print_exc()

        threads = [threading.Thread(target=work, args=(lane,), daemon=True) for lane in self._lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def shared(self, fault: Fault, modes: Sequence[str]) -> None:
        """Run the DAGs of all modes at the same time, and cause a fault in a component that they share."""
        runs = [self._run(lane, fault, mode) for lane, mode in zip(self._lanes, modes, strict=False)]
        for run in runs:
            run.begin()
        for run in runs:
            run.gather()
        strike(fault, self._stack, self._lanes[: len(runs)])
        for run in runs:
            run.release()
        for run in runs:
            self._note(run.finish(AIRFLOW))

    def _run(self, lane: Lane, fault: Fault, mode: str) -> FaultyRun:
        tasks = self._mapped_over if mode == MAPPED else 1
        texts = self._batch_of if mode in BATCHES else tasks
        return FaultyRun(self._stack, lane, self._hold_folder, fault, mode, tasks=tasks, texts=texts)

    def _note(self, result: Result) -> None:
        with self._lock:
            self.results[result.fault, result.mode] = result
            self._on_result(result)


@contextlib.contextmanager
def running_table(
    folder: Path,
    *,
    lanes: int,
    parallelism: int,
    database_url: str | None = None,
    mapped_over: int = MAPPED_OVER,
    batch_of: int = BATCH_OF,
    scheduler_dead_after: int = 30,
    on_result: Callable[[Result], None] = lambda result: None,
) -> Iterator[Table]:
    """Run the installed Airflow and one emulator per lane.

    :param folder: folder for all their files
    :param lanes: number of simultaneous runs
    :param parallelism: number of simultaneous Airflow tasks
    :param database_url: SQLAlchemy URL of an empty database; SQLite if None
    :param mapped_over: number of task instances of a mapped task
    :param batch_of: number of items of a batch
    :param scheduler_dead_after: seconds without a heartbeat after which a scheduler counts as dead. If this
        is too short, a scheduler on a busy machine treats its own running tasks as orphans.
    :param on_result: called with each result
    """
    hold_folder = folder / "hold"
    hold_folder.mkdir()
    with contextlib.ExitStack() as cleanup:
        ours = [cleanup.enter_context(Lane(folder, number)) for number in range(lanes)]
        variables = {
            "POLLY_FAULTS_HOLD": str(hold_folder),
            FOLDER: str(folder / SECRETS),
            "AIRFLOW__SECRETS__BACKEND": f"flaky_secrets.{FlakySecrets.__name__}",
            "PYTHONPATH": str(BACKENDS),
            "POLLY_FAULTS_MAPPED": str(mapped_over),
            "POLLY_FAULTS_BATCH": str(batch_of),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": str(scheduler_dead_after),
        }
        stack = cleanup.enter_context(
            AirflowStack(
                home=folder / "airflow",
                dags_folder=DAGS,
                env={**_SHORT_THRESHOLDS, **_ROOMY_POOL, **variables},
                database_url=database_url,
                parallelism=parallelism,
            )
        )
        yield Table(stack, ours, hold_folder, mapped_over=mapped_over, batch_of=batch_of, on_result=on_result)
