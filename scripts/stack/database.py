"""Airflow 2.11's metadata, read with SQL and written with Airflow's command line.

Airflow 2.11 is the last version of Airflow 2, so its tables no longer change. The stack does not use Airflow
2's REST API, because it needs a webserver, and a stack without a webserver starts in half the time.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.stack.errors import StackError
from scripts.stack.states import RunStates

_COMMAND_SECONDS = 120
# This script runs several commands, each in the same way as the `airflow` command does.
_RUN_COMMANDS = """
import json, sys
from airflow.cli.cli_parser import get_parser
for command in json.loads(sys.argv[1]):
    arguments = get_parser().parse_args(command)
    arguments.func(arguments)
"""


class DatabaseMetadata(RunStates):
    """Reads and writes the metadata of one stack.

    :param database_url: SQLAlchemy URL of the metadata database
    :param environment: environment variables for `airflow` commands
    """

    def __init__(self, database_url: str, environment: Mapping[str, str]) -> None:
        super().__init__(database_url)
        self._environment = environment

    def knows_dag(self, dag_id: str) -> bool:
        """Return whether the DAG has been parsed."""
        return bool(self._select("SELECT 1 FROM serialized_dag WHERE dag_id = :dag_id", dag_id=dag_id))

    def import_errors(self) -> list[str]:
        """Return the stack traces of the DAG files that could not be imported."""
        return [row[0] for row in self._select("SELECT stacktrace FROM import_error")]

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Start a DAG run."""
        self.trigger_all({dag_id: run_id}, {dag_id: conf})

    def trigger_all(self, run_ids: Mapping[str, str], confs: Mapping[str, Mapping[str, Any]]) -> None:
        """Start a run of each DAG."""
        self._airflow(
            *(
                ["dags", "trigger", dag_id, "--run-id", run_id, "--conf", json.dumps(dict(confs[dag_id]))]
                for dag_id, run_id in run_ids.items()
            )
        )

    def xcoms(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> dict[str, Any]:
        """Return every XCom of a task instance, by key."""
        rows = self._select(
            "SELECT key, value FROM xcom WHERE dag_id = :dag_id AND run_id = :run_id "
            "AND task_id = :task_id AND map_index = :map_index",
            dag_id=dag_id,
            run_id=run_id,
            task_id=task_id,
            map_index=map_index,
        )
        return {key: json.loads(bytes(value)) for key, value in rows}

    def add_connections(self, connections: Mapping[str, Mapping[str, Any]]) -> None:
        """Store connections in the metadata database."""
        self._airflow(
            *(
                ["connections", "add", connection_id, "--conn-json", json.dumps(dict(fields))]
                for connection_id, fields in connections.items()
            )
        )

    def _airflow(self, *commands: Sequence[str]) -> None:
        """Run several `airflow` commands in one process, because importing Airflow takes seconds."""
        done = subprocess.run(
            [sys.executable, "-c", _RUN_COMMANDS, json.dumps(commands)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            tried = ", ".join(" ".join(command[:3]) for command in commands)
            raise StackError(f"airflow failed ({tried}):\n{done.stdout}\n{done.stderr}")
