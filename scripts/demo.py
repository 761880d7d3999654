"""Run the basic example on a real Airflow against the emulator, and keep its mp3: ``make demo``.

With ``--ui`` (``make demo-ui``), Airflow and the emulator keep running afterwards, until Ctrl-C is pressed.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import soundfile

from airflow_polly_provider.settings import LISTEN_ROUTE
from scripts.stack.airflow import AirflowStack
from scripts.stack.emulator import ACCESS_KEY, REGION, aws_connection, running_emulator
from scripts.stack.errors import StackError
from scripts.stack.metadata import TaskInstance
from scripts.stack.signals import Terminated, terminable

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "example_dags"
DAG_ID = "example_polly_basic"
BUCKET = "polly-demo"
SHOWN = (
    "TaskId",
    "TaskStatus",
    "OutputUri",
    "OutputS3Uri",
    "RequestCharacters",
    "SpokenCharacters",
    "DurationSeconds",
)
# The speed of English speech with pauses. If it is outside this range, the audio cannot be the spoken text.
CHARACTERS_A_SECOND = (10, 20)
RUN_SECONDS = 120
# Airflow 3.3 can fail a task whose deferral ends within about 7 seconds, before the scheduler has processed
# that the worker finished: apache/airflow#67287, apache/airflow#72716.
SYNTHESIS_SECONDS = 10


class DemoError(RuntimeError):
    """Airflow ran, but the result of the demo is wrong."""


@dataclass
class Narrator:
    """Prints progress with the seconds since the start."""

    started: float

    def print_line(self, text: str) -> None:
        """Print a line."""
        print(f"{time.monotonic() - self.started:6.1f} s  {text}", flush=True)

    def print_state(self, task: TaskInstance) -> None:
        """Print a task's new state."""
        if task.state is not None:
            self.print_line(f"  {task.task_id}: {task.state}")


def main() -> int:
    """Run the demo, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description=__doc__)
    parser.add_argument(
        "--ui", action="store_true", help="keep Airflow and the emulator running until Ctrl-C is pressed"
    )
    stay = parser.parse_args().ui
    narrator = Narrator(time.monotonic())
    kept = ROOT / ".demo"
    kept.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="airflow-", dir=kept))
    try:
        with terminable():
            demonstrate(narrator, home, kept / f"{DAG_ID}.mp3", stay=stay)
    except (StackError, DemoError) as error:
        print(f"\nThe demo failed: {error}\n\nAll logs are in {home}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        shutil.rmtree(home)
        print("\nInterrupted. All processes have stopped.", file=sys.stderr)
        return stop.exit_code if isinstance(stop, Terminated) else 130
    shutil.rmtree(home)
    narrator.print_line("Done. All processes have stopped.")
    return 0


def demonstrate(narrator: Narrator, home: Path, audio: Path, *, stay: bool) -> None:
    """Run the example, print its result, and check it.

    :param home: folder for Airflow and all logs
    :param audio: path for the mp3
    :param stay: whether to keep Airflow and the emulator running until Ctrl-C
    """
    narrator.print_line("Starting the emulator and Airflow")
    arguments = ("--bucket", BUCKET, "--in-progress-seconds", str(SYNTHESIS_SECONDS))
    with running_emulator(home / "emulator.log", *arguments) as endpoint_url:
        env = {"AIRFLOW_CONN_AWS_DEFAULT": aws_connection(endpoint_url), "POLLY_EXAMPLE_BUCKET": BUCKET}
        if stay:
            # This is Airflow's default. With it, changes to the examples take effect.
            env["AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL"] = "30"
        with AirflowStack(home=home, dags_folder=EXAMPLES, env=env) as stack:
            narrator.print_line(f"Airflow is running ({', '.join(stack.components)}); starting {DAG_ID}")
            run_id = stack.trigger(DAG_ID)
            pushed = _finish(narrator, stack, run_id)
            download(endpoint_url, pushed["OutputS3Uri"], audio)
            _show(pushed, audio)
            _check(pushed, audio)
            if stay:
                _stay(stack, run_id, endpoint_url)


def _finish(narrator: Narrator, stack: AirflowStack, run_id: str) -> Mapping[str, Any]:
    state = stack.wait_for_run(DAG_ID, run_id, RUN_SECONDS, narrator.print_state)
    if state != "success":
        raise DemoError(f"the run ended in the state {state}.\n{failures(stack, DAG_ID, run_id)}")
    if "fired" not in stack.trigger_log(DAG_ID, run_id, "start"):
        raise DemoError("no trigger fired for the task `start`. Therefore, it did not wait in the triggerer.")
    narrator.print_line("The task waited in the triggerer (its log shows this)")
    return stack.xcoms(DAG_ID, run_id, "start")


def _stay(stack: AirflowStack, run_id: str, endpoint_url: str) -> None:
    dags = sorted(path.stem for path in EXAMPLES.glob("example_*.py"))
    for dag_id in dags:
        stack.wait_for_dag(dag_id)
    aws = f"{Path(sys.executable).parent}/aws"
    print("Airflow and the emulator keep running; only this machine can reach them.")
    print(f"\n  Airflow's UI   {stack.base_url} (no login)")
    run = f"{stack.base_url}/dags/{DAG_ID}/runs/{run_id}"
    print(f"  The run above  {run}")
    print(f"  Listen to it   {run}/tasks/start/plugin/{LISTEN_ROUTE}")
    print("  To trigger     " + "\n                 ".join(f"{stack.base_url}/dags/{dag}" for dag in dags))
    print(f"  The emulator   {endpoint_url}, bucket s3://{BUCKET}")
    print(f"  Logs           {stack.home}\n\nTo list synthesis tasks and audio from another terminal:\n")
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        print(f"  export {name}={value}")
    print(f"  {aws} polly list-speech-synthesis-tasks")
    print(f"  {aws} s3 ls --recursive s3://{BUCKET}")
    print("\nPress Ctrl-C here to stop all processes and delete their data.", flush=True)
    try:
        stack.watch()
    except KeyboardInterrupt as stop:
        if isinstance(stop, Terminated):
            raise
        print()


def failures(stack: AirflowStack, dag_id: str, run_id: str) -> str:
    """Return the last lines of the logs of failed tasks.

    :param stack: the running Airflow
    :param dag_id: id of the DAG
    :param run_id: id of the run
    """
    failed = [task for task in stack.metadata.task_instances(dag_id, run_id) if task.state == "failed"]
    logs = [stack.task_log(dag_id, run_id, task.task_id).splitlines() for task in failed]
    return "\n".join(readable for log in logs for line in log[-20:] if (readable := _readable(line)))


def _readable(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if entry["event"].startswith("::"):  # markers of groups that Airflow's UI folds
        return ""
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail", [])]
    return "  ".join([entry["timestamp"], entry["level"], entry["event"], *errors])


def download(endpoint_url: str, s3_uri: str, to: Path) -> None:
    """Download an object from the emulator.

    :param endpoint_url: the emulator's address
    :param s3_uri: the object as ``s3://bucket/key``
    :param to: path of the file
    """
    bucket, _, key = s3_uri.removeprefix("s3://").partition("/")
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=ACCESS_KEY,
    )
    s3.download_file(bucket, key, str(to))


def _show(pushed: Mapping[str, Any], audio: Path) -> None:
    width = max(map(len, SHOWN))
    print("\nXComs of the task `start`")
    for key in SHOWN:
        print(f"  {key:<{width}}  {pushed[key]}")
    print(f"\nListen to {audio}, {pushed['DurationSeconds']:.1f} seconds\n")


def _check(pushed: Mapping[str, Any], audio: Path) -> None:
    if pushed["TaskStatus"] != "completed":
        raise DemoError(f"TaskStatus is {pushed['TaskStatus']}, not completed.")
    pace = pushed["RequestCharacters"] / soundfile.info(str(audio)).duration
    slowest, fastest = CHARACTERS_A_SECOND
    if not slowest <= pace <= fastest:
        raise DemoError(
            f"the audio has {pace:.1f} characters per second, but English speech has {slowest} to {fastest}."
        )


if __name__ == "__main__":
    sys.exit(main())
