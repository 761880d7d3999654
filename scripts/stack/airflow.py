"""A real Airflow in a temporary home, with each component in its own process.

`airflow standalone` is not enough, because tests and benchmarks must kill and restart individual components,
and must know which component ended.
"""

import contextlib
import math
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.stack.component import Component
from scripts.stack.database import DatabaseMetadata
from scripts.stack.errors import StackError, StackTimeoutError
from scripts.stack.machine import Machine
from scripts.stack.metadata import TaskInstance
from scripts.stack.migration import migrate
from scripts.stack.rest import RestMetadata
from scripts.stack.settings import AIRFLOW_MAJOR, environment
from scripts.stack.signals import terminable, undisturbed

_COMMANDS = {
    "api-server": ["api-server", "--host", "127.0.0.1"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
    "worker": ["celery", "worker", "--skip-serve-logs", "--without-gossip", "--without-mingle"],
}
_WORKER_READY = " ready."
_ENDED = frozenset({"success", "failed"})
_POLL_SECONDS = 0.25


class AirflowStack:
    """Runs a scheduler and a triggerer, and on Airflow 3 an API server and a DAG processor.

    The components use the caller's Python interpreter. When the ``with`` block begins, all components are
    healthy. When the block ends, all their processes end too, even after an exception, Ctrl-C or SIGTERM.
    (They keep running only if the caller gets SIGKILL.)

    :param home: folder for the database, logs and configuration; created if missing, not deleted at the end
    :param dags_folder: folder with the DAG files
    :param env: environment variables for all components, such as ``AIRFLOW_CONN_AWS_DEFAULT``; the caller's
        own variables for Airflow and AWS are not passed on
    :param executor: Airflow's name for the executor; by default LocalExecutor. On Airflow 2 with SQLite,
        LocalExecutor runs one task at a time
    :param database_url: SQLAlchemy URL of an empty database; by default SQLite in ``home``
    :param parallelism: maximum number of tasks that run at the same time
    :param machines: kind of component by machine name, such as ``{"worker-1": "worker", …}``; needed for
        several components of the same kind and for Celery workers. Machines share no files. By default, there
        is one component of each kind, and all components are on the same machine.
    :param path: path below which Airflow 3 serves everything, such as ``/air/flow``; empty for the root
    :param login: name and password of an administrator, if ``env`` sets up users for the API server. By
        default, every visitor is an administrator
    :param startup_timeout: maximum seconds until all components are healthy
    """

    def __init__(
        self,
        *,
        home: Path,
        dags_folder: Path,
        env: Mapping[str, str] | None = None,
        executor: str | None = None,
        database_url: str | None = None,
        parallelism: int = 4,
        machines: Mapping[str, str] | None = None,
        path: str = "",
        login: tuple[str, str] | None = None,
        startup_timeout: float = 180,
    ) -> None:
        # Airflow does not accept a relative SQLite URL or DAGs folder, or interprets it incorrectly.
        self.home = home.resolve()
        self.port = _free_port()
        self.base_url = f"http://127.0.0.1:{self.port}{path}"
        database_url = database_url or f"sqlite:///{self.home / 'airflow.db'}"
        self._startup_timeout = startup_timeout
        self._dags_folder = dags_folder.resolve()
        self.environment = environment(
            home=self.home,
            dags_folder=self._dags_folder,
            base_url=self.base_url,
            database_url=database_url,
            executor=executor,
            parallelism=parallelism,
            extra=env or {},
        )
        self.metadata: RestMetadata | DatabaseMetadata
        if AIRFLOW_MAJOR >= 3:
            self.metadata = RestMetadata(self.base_url, database_url, login)
            kinds = ["api-server", "scheduler", "dag-processor", "triggerer"]
        else:
            self.metadata = DatabaseMetadata(database_url, self.environment)
            kinds = ["scheduler", "triggerer"]
        self._kinds = dict(machines or zip(kinds, kinds, strict=True))
        self._machines = {name: Machine(self.home / name, name) for name in machines or ()}
        self.components = {name: self._component(name) for name in self._kinds}
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as cleanup:
            cleanup.enter_context(terminable())
            cleanup.callback(self.metadata.close)
            cleanup.callback(self._kill_all)
            self.home.mkdir(parents=True, exist_ok=True)
            # Without a configuration file, each component would write one and could read a half-written one.
            (self.home / "airflow.cfg").touch()
            for machine in self._machines.values():
                machine.set_up(self._dags_folder)
            migrate(self.environment, self.home, self._startup_timeout)
            for component in self.components.values():
                component.start()
            for name in self.components:
                self.wait_until_healthy(name)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cleanup.__exit__(kind, error, traceback)

    def start(self, name: str) -> None:
        """Start a component that was killed, and wait until it is healthy."""
        self.components[name].start()
        self.wait_until_healthy(name)

    def kill(self, name: str, signal_number: int = signal.SIGKILL, *, whole: bool = True) -> None:
        """Kill a component and wait until its processes have ended.

        :param name: scheduler (with the tasks that a local executor runs), triggerer, dag-processor,
            api-server, or the name of a machine
        :param signal_number: signal to send
        :param whole: whether to send the signal to all processes of the component, as if its machine failed,
            or only to its main process
        """
        self.components[name].kill(signal_number, whole=whole)

    def wait_until_healthy(self, name: str) -> None:
        """Wait until a component has reported, since its last start, that it is healthy.

        :raises ComponentDiedError: if any component has ended
        :raises StackTimeoutError: after ``startup_timeout`` seconds
        """
        component = self.components[name]

        kind = self._kinds[name]

        def reported() -> bool:
            if kind == "worker":
                return _WORKER_READY in component.output()
            if kind == "api-server" and isinstance(self.metadata, RestMetadata):
                return self.metadata.is_up()
            beat = self.metadata.heartbeat(kind, name if name in self._machines else None)
            return beat is not None and beat >= component.started_at

        try:
            self._wait(reported, f"the {name} to become healthy", self._startup_timeout)
        except StackTimeoutError as error:
            raise StackTimeoutError(f"{error} The end of {component.log}:\n{component.tail()}") from None

    def watch(self) -> None:
        """Keep running until the caller is interrupted.

        :raises ComponentDiedError: if a component ends by itself
        """
        self._wait(lambda: False, "a component to end", math.inf)

    def wait_for_dag(self, dag_id: str, timeout: float = 60) -> None:
        """Wait until a DAG has been parsed.

        :raises StackError: if a DAG file cannot be imported
        """

        def known() -> bool:
            if errors := self.metadata.import_errors():
                raise StackError("A DAG file cannot be imported:\n" + "\n".join(errors))
            return self.metadata.knows_dag(dag_id)

        self._wait(known, f"{dag_id} to be parsed", timeout)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Wait until a DAG has been parsed, start a run, and return the run id."""
        self.wait_for_dag(dag_id)
        run_id = _new_run_id()
        self.metadata.trigger(dag_id, run_id, conf or {})
        return run_id

    def trigger_all(
        self, confs: Mapping[str, Mapping[str, Any]], run_id: str | None = None
    ) -> dict[str, str]:
        """Wait until several DAGs have been parsed, start a run of each, and return the run ids by DAG id.

        :param confs: conf of each run, by DAG id
        :param run_id: id of all runs; by default, each run has a new id
        """
        run_ids = {dag_id: run_id or _new_run_id() for dag_id in confs}
        for dag_id in run_ids:
            self.wait_for_dag(dag_id)
        self.metadata.trigger_all(run_ids, confs)
        return run_ids

    def wait_for_started_run(self, dag_id: str, timeout: float = 60) -> str:
        """Wait until Airflow itself has started the first run of a DAG, and return the run id."""
        self._wait(lambda: bool(self.metadata.run_ids(dag_id)), f"a run of {dag_id} to be started", timeout)
        return self.metadata.run_ids(dag_id)[0]

    def wait_for_run(
        self,
        dag_id: str,
        run_id: str,
        timeout: float = 120,
        on_change: Callable[[TaskInstance], None] = lambda task: None,
    ) -> str:
        """Wait until a DAG run has ended, and return its state: success or failed.

        :param on_change: called with a task instance each time its state or try number changes
        :raises StackTimeoutError: after ``timeout`` seconds; the message contains the states of the tasks
        """
        states = self.wait_for_runs({dag_id: run_id}, timeout, lambda _, task: on_change(task))
        return states[dag_id]

    def wait_for_runs(
        self,
        run_ids: Mapping[str, str],
        timeout: float = 120,
        on_change: Callable[[str, TaskInstance], None] = lambda dag_id, task: None,
    ) -> dict[str, str]:
        """Wait until the runs of several DAGs have ended, and return their states by DAG id.

        :param run_ids: run ids by DAG id
        :param on_change: called with the DAG id and a task instance each time its state or try number changes
        :raises StackTimeoutError: after ``timeout`` seconds; the message contains the states of the tasks
        """
        seen: dict[tuple[str, str, int], TaskInstance] = {}
        states: dict[str, str] = {}

        def ended() -> bool:
            for dag_id in run_ids.keys() - states.keys():
                # Read the run's state first. Otherwise, the last change of a task could be missed.
                state = self.metadata.run_state(dag_id, run_ids[dag_id])
                for task in self.metadata.task_instances(dag_id, run_ids[dag_id]):
                    key = (dag_id, task.task_id, task.map_index)
                    if seen.get(key) != task:
                        seen[key] = task
                        on_change(dag_id, task)
                if state in _ENDED:
                    states[dag_id] = state
            return states.keys() == run_ids.keys()

        what = ", ".join(f"run {run_id} of {dag_id}" for dag_id, run_id in run_ids.items())
        try:
            self._wait(ended, f"{what} to end", timeout)
        except StackTimeoutError as error:
            raise StackTimeoutError(f"{error} Its tasks: {list(seen.values())}") from None
        return states

    def wait_for_task(
        self, dag_id: str, run_id: str, task_id: str, state: str, timeout: float = 60, map_index: int = -1
    ) -> None:
        """Wait until a task instance is in a state, such as ``deferred``."""

        def there() -> bool:
            return any(
                (task.task_id, task.map_index, task.state) == (task_id, map_index, state)
                for task in self.metadata.task_instances(dag_id, run_id)
            )

        self._wait(there, f"{task_id} of run {run_id} to be {state}", timeout)

    def xcoms(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return every XCom of a task instance, by key."""
        return self.metadata.xcoms(dag_id, run_id, task_id, map_index)

    def task_log(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
        """Return the workers' log of a task instance, for all tries."""
        logs = self._logs(dag_id, run_id, task_id, map_index, "*.log")
        return "".join(path.read_text() for path in logs if ".log.trigger." not in path.name)

    def trigger_log(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
        """Return the triggerers' log of a task instance; empty if it was never in a triggerer."""
        logs = self._logs(dag_id, run_id, task_id, map_index, "*.log.trigger.*")
        return "".join(path.read_text() for path in logs)

    def _logs(self, dag_id: str, run_id: str, task_id: str, map_index: int, pattern: str) -> list[Path]:
        folder = Path(f"dag_id={dag_id}", f"run_id={run_id}", f"task_id={task_id}")
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        homes = [machine.home for machine in self._machines.values()] or [self.home]
        return sorted(path for home in homes for path in (home / "logs" / folder).glob(pattern))

    def _component(self, name: str) -> Component:
        kind, machine = self._kinds[name], self._machines.get(name)
        command = [sys.executable, "-m", "airflow", *_COMMANDS[kind]]
        if kind == "api-server":
            command += ["--port", str(self.port)]
        if kind == "worker":
            command += ["--celery-hostname", name]
        log = self.home / f"{name}.log"
        if machine is None:
            return Component(name, command, self.environment, log)
        return Component(name, command, machine.environment(self.environment), log, machine.folder)

    def _wait(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            for component in self.components.values():
                component.check()
            if time.monotonic() > deadline:
                raise StackTimeoutError(f"Timed out after {timeout:g} s waiting for {what}.")
            time.sleep(_POLL_SECONDS)

    def _kill_all(self) -> None:
        with undisturbed():
            for component in self.components.values():
                component.kill()


def _new_run_id() -> str:
    return f"stack-{uuid.uuid4().hex[:12]}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
