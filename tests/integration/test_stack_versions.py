"""The deferred examples on a real Airflow of any supported version, with the connection in its database.

This is the one stack that runs on every version. On Airflow 3 a triggerer looks such a connection up through
its supervisor, and a look-up that gets into the way of another one kills the process.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import psutil
import pytest

from scripts.stack.emulator import ACCESS_KEY
from tests.integration.stack_support import BUCKET, EXAMPLE_DAGS, polly_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.stack.airflow import AirflowStack
    from scripts.stack.metadata import TaskInstance

REGION = "eu-west-1"
BASIC, MAPPED, SENSOR, OUTPUT_KEY = (
    f"example_polly_{name}" for name in ("basic", "mapped", "sensor", "output_key")
)
TEXT = (EXAMPLE_DAGS / "texts" / "alice.txt").read_text().removesuffix("\n")
PLATFORMS = ("Platform one is closed.", "Platform two is open.", "Mind the gap, please.")
# Airflow 3 itself can fail a task that is resumed early: apache/airflow issues 71580 and 72716.
RETRIES = {"AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "2", "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1"}

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]


@dataclass
class Runs:
    """The runs of all examples, started together and ended."""

    airflow: AirflowStack
    endpoint_url: str
    ids: dict[str, str]
    triggerer: psutil.Process
    states: dict[str, str] = field(default_factory=dict)
    seen: set[tuple[str, str, int, str | None]] = field(default_factory=set)

    def note(self, dag_id: str, task: TaskInstance) -> None:
        """Keep a state that a task was in."""
        self.seen.add((dag_id, task.task_id, task.map_index, task.state))

    def deferred(self, dag_id: str) -> set[tuple[str, int]]:
        """The tasks of an example that were in a triggerer."""
        return {
            (task, index) for dag, task, index, state in self.seen if (dag, state) == (dag_id, "deferred")
        }

    def xcoms(self, dag_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        return self.airflow.xcoms(dag_id, self.ids[dag_id], task_id, map_index)

    def trigger_log(self, dag_id: str, task_id: str, map_index: int = -1) -> str:
        return self.airflow.trigger_log(dag_id, self.ids[dag_id], task_id, map_index)

    def task_logs(self, dag_id: str) -> str:
        """All that the tasks of an example logged, for the message of a failed test."""
        folder = self.airflow.home / "logs" / f"dag_id={dag_id}"
        return "\n".join(f"{path}:\n{path.read_text()}" for path in sorted(folder.rglob("*.log*")))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    dags = tmp_path_factory.mktemp("dags")
    for dag_id in (BASIC, MAPPED, SENSOR, OUTPUT_KEY):
        shutil.copy(EXAMPLE_DAGS / f"{dag_id}.py", dags)
    shutil.copytree(EXAMPLE_DAGS / "texts", dags / "texts")
    with polly_stack(
        tmp_path_factory.mktemp("versions"),
        dags_folder=dags,
        emulator_arguments=("--audio", "tone"),
        env=RETRIES,
        region=REGION,
        connection_in_database=True,
    ) as stack:
        airflow = stack.airflow
        triggerer = airflow.components["triggerer"].process()
        ids = {dag_id: airflow.trigger(dag_id) for dag_id in (BASIC, MAPPED, SENSOR, OUTPUT_KEY)}
        runs = Runs(airflow, stack.endpoint_url, ids, triggerer)
        runs.states = airflow.wait_for_runs(ids, timeout=240, on_change=runs.note)
        yield runs


def assert_object_exists(runs: Runs, uri: str) -> None:
    """The emulator's S3 holds audio at a URI of S3."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    client = boto3.client(
        "s3",
        endpoint_url=runs.endpoint_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=ACCESS_KEY,
    )
    with contextlib.closing(client):
        assert client.head_object(Bucket=bucket, Key=key)["ContentLength"] > 0


def assert_completed(runs: Runs, pushed: dict[str, Any], characters: int) -> None:
    """A task pushed a completed synthesis task of the connection's region, and its audio exists."""
    assert pushed["TaskStatus"] == "completed"
    assert pushed["RequestCharacters"] == characters
    assert pushed["return_value"]["TaskId"] == pushed["TaskId"]
    # Nothing but the connection in the database names the region, the endpoint or any credentials.
    assert pushed["OutputUri"].startswith(f"https://s3.{REGION}.amazonaws.com/{BUCKET}/")
    assert pushed["OutputUri"].endswith(pushed["OutputS3Uri"].removeprefix(f"s3://{BUCKET}/"))
    assert_object_exists(runs, pushed["OutputS3Uri"])


def assert_waited_in_triggerer(
    runs: Runs, dag_id: str, task_id: str, synthesis_task_id: str, map_index: int = -1
) -> None:
    """A task was deferred, the triggerer saw its synthesis task unfinished and finished, and fired."""
    assert (task_id, map_index) in runs.deferred(dag_id)
    log = runs.trigger_log(dag_id, task_id, map_index)
    assert f"Synthesis task {synthesis_task_id} is completed" in log
    assert "fired" in log


def test_no_environment_variable_has_the_connection(runs: Runs) -> None:
    names = [name for name in runs.airflow.environment if name.startswith(("AIRFLOW_CONN_", "AWS_"))]

    assert sorted(names) == ["AWS_CONFIG_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_SHARED_CREDENTIALS_FILE"]


def test_basic_example_defers_and_hands_the_result_to_a_later_task(runs: Runs) -> None:
    assert runs.states[BASIC] == "success", runs.task_logs(BASIC)
    pushed = runs.xcoms(BASIC, "start")

    assert_completed(runs, pushed, len(TEXT))
    assert_waited_in_triggerer(runs, BASIC, "start", pushed["TaskId"])
    assert pushed["TaskId"] in pushed["OutputUri"]
    assert pushed["OutputS3Uri"].startswith(f"s3://{BUCKET}/audio/alice")
    assert runs.xcoms(BASIC, "report")["return_value"]["bytes"] > 0


def test_mapped_example_defers_a_sensor_for_each_text(runs: Runs) -> None:
    assert runs.states[MAPPED] == "success", runs.task_logs(MAPPED)

    for map_index, text in enumerate(PLATFORMS):
        started = runs.xcoms(MAPPED, "start", map_index)
        waited_for = runs.xcoms(MAPPED, "gate", map_index)
        assert waited_for["TaskId"] == started["TaskId"]
        assert_completed(runs, waited_for, len(text))
        assert_waited_in_triggerer(runs, MAPPED, "gate", started["TaskId"], map_index)
    assert runs.xcoms(MAPPED, "total")["return_value"] == sum(map(len, PLATFORMS))


def test_sensor_example_defers_the_sensor_and_reads_the_completed_task(runs: Runs) -> None:
    assert runs.states[SENSOR] == "success", runs.task_logs(SENSOR)
    pushed = runs.xcoms(SENSOR, "get")

    assert pushed["TaskId"] == runs.xcoms(SENSOR, "start")["TaskId"] == runs.xcoms(SENSOR, "gate")["TaskId"]
    assert_completed(runs, pushed, pushed["RequestCharacters"])
    assert_waited_in_triggerer(runs, SENSOR, "gate", pushed["TaskId"])
    assert pushed["OutputUri"] in runs.xcoms(SENSOR, "publish")["return_value"]


def test_output_key_example_defers_and_moves_the_audio_to_its_key(runs: Runs) -> None:
    assert runs.states[OUTPUT_KEY] == "success", runs.task_logs(OUTPUT_KEY)
    pushed = runs.xcoms(OUTPUT_KEY, "speak")

    assert pushed["OutputS3Uri"] == f"s3://{BUCKET}/site/alice.mp3"
    assert_completed(runs, pushed, len(TEXT))
    assert_waited_in_triggerer(runs, OUTPUT_KEY, "speak", pushed["TaskId"])


def test_triggerer_is_still_the_process_that_was_started_and_logged_no_traceback(runs: Runs) -> None:
    triggerer = runs.airflow.components["triggerer"]
    log = triggerer.log.read_text()

    assert runs.triggerer.is_running()
    assert runs.triggerer.status() != psutil.STATUS_ZOMBIE
    assert triggerer.process() == runs.triggerer
    assert "Traceback" not in log, log
