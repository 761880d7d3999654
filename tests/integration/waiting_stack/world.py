"""The stack of these tests: one Airflow and an emulator per connection."""

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
    """A running Airflow, and an emulator for each connection except ``lost``, whose host does not exist.

    :param emulators: emulators by connection id
    :param ids: synthesis task ids by DAG id and task id
    :param run_ids: run ids by DAG id
    """

    airflow: AirflowStack
    emulators: dict[str, Emulator]
    ids: dict[str, dict[str, str]]
    run_ids: dict[str, str]
    seen: set[tuple[str, int, str | None]] = field(default_factory=set)

    def note(self, task: TaskInstance) -> None:
        """Record a state of a task of ``start_from_trigger``."""
        self.seen.add((task.task_id, task.map_index, task.state))

    def wait_until_seen(self, dag_id: str, synthesis_task_ids: dict[str, str]) -> None:
        """Wait until the triggerer has seen the synthesis tasks in progress.

        :param synthesis_task_ids: synthesis task ids by Airflow task id
        """
        run_id = self.run_ids[dag_id]
        for task_id, synthesis_task_id in synthesis_task_ids.items():
            self.airflow.wait_for_task(dag_id, run_id, task_id, "deferred", timeout=SLOW)
            self.wait_for_line(dag_id, task_id, f"Synthesis task {synthesis_task_id} is inProgress")

    def wait_for_line(self, dag_id: str, task_id: str, words: str) -> None:
        """Wait until a task has logged the words in the triggerer."""
        wait_for_line(self.airflow, dag_id, self.run_ids[dag_id], task_id, words)

    def trigger_log(self, dag_id: str, task_id: str) -> str:
        """Return the log of a task in the triggerer."""
        return self.airflow.trigger_log(dag_id, self.run_ids[dag_id], task_id)

    def task_log(self, dag_id: str, task_id: str, map_index: int = -1) -> str:
        """Return the log of a task in workers."""
        return self.airflow.task_log(dag_id, self.run_ids[dag_id], task_id, map_index)

    def xcoms(self, dag_id: str, task_id: str) -> dict[str, Any]:
        """Return every XCom of a task, by key."""
        return self.airflow.xcoms(dag_id, self.run_ids[dag_id], task_id)

    def task_instances(self, dag_id: str) -> dict[str, TaskInstance]:
        """Return the task instances of a run, by task id."""
        tasks = self.airflow.metadata.task_instances(dag_id, self.run_ids[dag_id])
        return {task.task_id: task for task in tasks}
