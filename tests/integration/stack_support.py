"""A real Airflow with the emulator, for tests that need separate processes instead of ``dag.test()``."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.stack.airflow import AirflowStack
from scripts.stack.emulator import REGION, aws_connection, running_emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

EXAMPLE_DAGS = Path(__file__).resolve().parents[2] / "example_dags"
BUCKET = "polly-test"
# Airflow 3.3 can fail a task whose deferral ends within about 7 seconds, before the scheduler has
# processed that the worker finished: apache/airflow#67287, apache/airflow#72716.
SYNTHESIS_SECONDS = 10


@dataclass(frozen=True)
class PollyStack:
    """A running Airflow, and the endpoint URL of the emulator that its ``aws_default`` points to."""

    airflow: AirflowStack
    endpoint_url: str


@contextlib.contextmanager
def polly_stack(
    home: Path,
    *,
    dags_folder: Path = EXAMPLE_DAGS,
    emulator_arguments: Sequence[str] = (),
    env: Mapping[str, str] | Callable[[str], Mapping[str, str]] | None = None,
    region: str = REGION,
    connection_in_database: bool = False,
    path: str = "",
    login: tuple[str, str] | None = None,
) -> Iterator[PollyStack]:
    """Run the emulator with the bucket `BUCKET`, and an Airflow of the installed version that uses it.

    :param home: folder for Airflow and all logs
    :param emulator_arguments: additional arguments for the emulator's command line
    :param env: additional environment variables for Airflow, or a function that returns them for the
        emulator's endpoint URL
    :param region: region of the bucket and of ``aws_default``
    :param connection_in_database: whether ``aws_default`` is stored in the metadata database instead of an
        environment variable
    :param path: path below which the API server serves everything
    :param login: name and password of an administrator, if ``env`` sets up users for the API server
    """
    home.mkdir(parents=True, exist_ok=True)
    arguments = ("--bucket", BUCKET, "--region", region, "--in-progress-seconds", str(SYNTHESIS_SECONDS))
    with running_emulator(home / "emulator.log", *arguments, *emulator_arguments) as endpoint_url:
        connection = aws_connection(endpoint_url, region)
        variables = {"POLLY_EXAMPLE_BUCKET": BUCKET}
        if not connection_in_database:
            variables["AIRFLOW_CONN_AWS_DEFAULT"] = connection
        variables.update((env(endpoint_url) if callable(env) else env) or {})
        with AirflowStack(
            home=home, dags_folder=dags_folder, env=variables, path=path, login=login
        ) as airflow:
            if connection_in_database:
                airflow.metadata.add_connections({"aws_default": json.loads(connection)})
            yield PollyStack(airflow, endpoint_url)


def wait_for_line(airflow: AirflowStack, dag_id: str, run_id: str, task_id: str, words: str) -> None:
    deadline = time.monotonic() + 90
    while words not in (log := airflow.trigger_log(dag_id, run_id, task_id)):
        assert time.monotonic() < deadline, log
        time.sleep(0.5)
