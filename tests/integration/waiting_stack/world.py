"""The stack of these tests: one Airflow, and an emulator for each connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.integration.stack_support import wait_for_line

if TYPE_CHECKING:
    from scripts.stack.airflow import AirflowStack
    from scripts.stack.metadata import TaskInstance
    from tests.integration.emulator_process import Emulator

SECOND_REGION = "ap-southeast-2"
UNLISTED = [f"unlisted_{number}" for number in range(6)]
REASON = "The output bucket is closed"
SLOW = 300.0


@dataclass
class World:
    """A running Airflow, and an emulator for each connection but ``lost``, which leads nowhere.

    :param emulators: the emulator by the connection's name.
    :param ids: the synthesis task's id by the Airflow task's, for each DAG.
    :param run_ids: the run's id by the DAG's.
    """

    airflow: AirflowStack
    emulators: dict[str, Emulator]
    ids: dict[str, dict[str, str]]
    run_ids: dict[str, str]
    seen: set[tuple[str, int, str | None]] = field(default_factory=set)

    def note(self, task: TaskInstance) -> None:
        """Keep a state that a task of ``start_from_trigger`` was in."""
        self.seen.add((task.task_id, task.map_index, task.state))

    def wait_until_seen(self, dag_id: str, synthesis_task_ids: dict[str, str]) -> None:
        """Wait until the triggerer has seen synthesis tasks unfinished.

        :param synthesis_task_ids: by the Airflow task's id.
        """
        run_id = self.run_ids[dag_id]
        for task_id, synthesis_task_id in synthesis_task_ids.items():
            self.airflow.wait_for_task(dag_id, run_id, task_id, "deferred", timeout=SLOW)
            self.wait_for_line(dag_id, task_id, f"Synthesis task {synthesis_task_id} is inProgress")

    def wait_for_line(self, dag_id: str, task_id: str, words: str) -> None:
        """Wait until a task has logged words in the triggerer."""
        wait_for_line(self.airflow, dag_id, self.run_ids[dag_id], task_id, words)

    def trigger_log(self, dag_id: str, task_id: str) -> str:
        """Return what a task logged in the triggerer."""
        return self.airflow.trigger_log(dag_id, self.run_ids[dag_id], task_id)

    def task_log(self, dag_id: str, task_id: str, map_index: int = -1) -> str:
        """Return what a task logged in workers."""
        return self.airflow.task_log(dag_id, self.run_ids[dag_id], task_id, map_index)

    def xcoms(self, dag_id: str, task_id: str) -> dict[str, Any]:
        """Return every XCom of a task by its key."""
        return self.airflow.xcoms(dag_id, self.run_ids[dag_id], task_id)

    def task_instances(self, dag_id: str) -> dict[str, TaskInstance]:
        """Return the task instances of a run by their task's ids."""
        tasks = self.airflow.metadata.task_instances(dag_id, self.run_ids[dag_id])
        return {task.task_id: task for task in tasks}
