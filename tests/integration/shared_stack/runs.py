"""The DAG runs of the shared stack, and the results that a user sees."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3

from scripts.stack.emulator import ACCESS_KEY
from tests.integration.stack_support import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

    import psutil

    from scripts.stack.airflow import AirflowStack
    from scripts.stack.metadata import TaskInstance
    from tests.integration.statsd_listener import StatsdListener

# Not the emulator's default: only the connection names it.
REGION = "eu-west-1"


@dataclass
class Runs:
    """One ended run of each DAG on one Airflow; all runs were started together.

    :param ids: the run ids, by DAG id
    :param triggerer: the triggerer process that was running when the runs started
    :param metrics: the listener that receives the metrics of Airflow's processes
    :param lineage_file: the file with OpenLineage's events
    """

    airflow: AirflowStack
    endpoint_url: str
    ids: dict[str, str]
    triggerer: psutil.Process
    metrics: StatsdListener
    lineage_file: Path
    states: dict[str, str] = field(default_factory=dict)
    seen: set[tuple[str, str, int, str | None]] = field(default_factory=set)
    tries: dict[tuple[str, str, int], int] = field(default_factory=dict)

    def note(self, dag_id: str, task: TaskInstance) -> None:
        """Store a task's state, and the number of its latest try."""
        self.tries[dag_id, task.task_id, task.map_index] = task.try_number
        self.seen.add((dag_id, task.task_id, task.map_index, task.state))

    def states_of(self, dag_id: str, task_id: str, map_index: int = -1) -> set[str | None]:
        """Return the states in which a task was observed."""
        which = (dag_id, task_id, map_index)
        return {state for *where, state in self.seen if tuple(where) == which}

    def xcoms(self, dag_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return every XCom of a task, by key."""
        return self.airflow.xcoms(dag_id, self.ids[dag_id], task_id, map_index)

    def task_log(self, dag_id: str, task_id: str, map_index: int = -1) -> str:
        """Return a task's log in workers."""
        return self.airflow.task_log(dag_id, self.ids[dag_id], task_id, map_index)

    def trigger_log(self, dag_id: str, task_id: str, map_index: int = -1) -> str:
        """Return a task's log in the triggerer."""
        return self.airflow.trigger_log(dag_id, self.ids[dag_id], task_id, map_index)

    def assert_success(self, dag_id: str) -> None:
        """Check that a run succeeded; if not, the error message contains the logs of its tasks."""
        folder = self.airflow.home / "logs" / f"dag_id={dag_id}"
        logs = (f"{path}:\n{path.read_text()}" for path in sorted(folder.rglob("*.log*")))
        assert self.states[dag_id] == "success", "\n".join(logs)

    def assert_object_exists(self, uri: str) -> None:
        """Check that the emulator's S3 contains audio at an S3 URI."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=ACCESS_KEY,
        )
        with contextlib.closing(client):
            assert client.head_object(Bucket=bucket, Key=key)["ContentLength"] > 0

    def assert_completed(self, pushed: dict[str, Any], characters: int) -> None:
        """Check that a task pushed a completed synthesis task in the right region, and its audio exists."""
        assert pushed["TaskStatus"] == "completed"
        assert pushed["RequestCharacters"] == characters
        assert pushed["return_value"]["TaskId"] == pushed["TaskId"]
        # Nothing but the connection in the database names the region, the endpoint or any credentials.
        assert pushed["OutputUri"].startswith(f"https://s3.{REGION}.amazonaws.com/{BUCKET}/")
        assert pushed["OutputUri"].endswith(pushed["OutputS3Uri"].removeprefix(f"s3://{BUCKET}/"))
        self.assert_object_exists(pushed["OutputS3Uri"])

    def assert_waited_in_triggerer(
        self, dag_id: str, task_id: str, synthesis_task_id: str, map_index: int = -1
    ) -> None:
        """Check that a task was deferred, and that its trigger fired because the synthesis task ended."""
        assert "deferred" in self.states_of(dag_id, task_id, map_index)
        log = self.trigger_log(dag_id, task_id, map_index)
        assert f"Synthesis task {synthesis_task_id} is completed" in log
        assert "fired" in log
