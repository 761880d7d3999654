"""A real Airflow, each component a process of its own, on a throwaway home.

`airflow standalone` would do for looking at it; tests and benchmarks must kill and restart a single
component, and know which one died.
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
    """Scheduler and triggerer, on Airflow 3 API server and DAG processor too, of the running interpreter.

    A context manager: inside it all components are healthy; after it none of their processes is left, also
    after an exception, Ctrl-C or SIGTERM. (SIGKILL of the caller leaves them behind.)

    :param home: folder for the database, logs and configuration; made if missing, left as it is at the end.
    :param dags_folder: where DAG files lie.
    :param env: environment variables for all components, such as ``AIRFLOW_CONN_AWS_DEFAULT``. None of the
        caller's own variables that configure Airflow or AWS is passed on.
    :param executor: Airflow's name of it; by default LocalExecutor, on Airflow 2 with SQLite for one task at
        a time.
    :param database_url: SQLAlchemy's URL of an empty database; by default SQLite in the home.
    :param parallelism: how many tasks may run at once.
    :param machines: the kind of the component by the name of each machine, where there is more than one of a
        kind, or Celery's workers: ``{"worker-1": "worker", …}``. They share no files. By default one of
        each kind, on the same machine.
    :param startup_timeout: seconds for all components together to become healthy.
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
        startup_timeout: float = 180,
    ) -> None:
        # SQLite's URL and the DAGs folder are refused or misread when relative.
        self.home = home.resolve()
        self.port = _free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        database_url = database_url or f"sqlite:///{self.home / 'airflow.db'}"
        self._startup_timeout = startup_timeout
        self._dags_folder = dags_folder.resolve()
        self.environment = environment(
            home=self.home,
            dags_folder=self._dags_folder,
            port=self.port,
            database_url=database_url,
            executor=executor,
            parallelism=parallelism,
            extra=env or {},
        )
        self.metadata: RestMetadata | DatabaseMetadata
        if AIRFLOW_MAJOR >= 3:
            self.metadata = RestMetadata(self.base_url, database_url)
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
            # Components that find no configuration file would all write one, and read it half written.
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
        """Kill a component and wait until it is gone.

        :param name: scheduler (with the tasks that a local executor runs), triggerer, dag-processor,
            api-server, or the name of a machine.
        :param whole: all processes of the component at once, as when its machine dies; otherwise its main
            process alone.
        """
        self.components[name].kill(signal_number, whole=whole)

    def wait_until_healthy(self, name: str) -> None:
        """Wait until a component has reported since it was last started.

        :raises ComponentDiedError: if any component has ended.
        :raises StackTimeoutError: after ``startup_timeout`` seconds.
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
        """Stay up until the caller is interrupted.

        :raises ComponentDiedError: when a component ends by itself.
        """
        self._wait(lambda: False, "a component to end", math.inf)

    def wait_for_dag(self, dag_id: str, timeout: float = 60) -> None:
        """Wait until a DAG has been parsed.

        :raises StackError: if a DAG file cannot be imported.
        """

        def known() -> bool:
            if errors := self.metadata.import_errors():
                raise StackError("A DAG file cannot be imported:\n" + "\n".join(errors))
            return self.metadata.knows_dag(dag_id)

        self._wait(known, f"{dag_id} to be parsed", timeout)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Wait until a DAG is known, start a run of it, and give the run's id."""
        self.wait_for_dag(dag_id)
        run_id = _new_run_id()
        self.metadata.trigger(dag_id, run_id, conf or {})
        return run_id

    def trigger_all(self, confs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        """Wait until several DAGs are known, start a run of each, and give the runs' ids by the DAGs'.

        :param confs: the run's conf by the DAG's id.
        """
        run_ids = {dag_id: _new_run_id() for dag_id in confs}
        for dag_id in run_ids:
            self.wait_for_dag(dag_id)
        self.metadata.trigger_all(run_ids, confs)
        return run_ids

    def wait_for_started_run(self, dag_id: str, timeout: float = 60) -> str:
        """Wait until Airflow itself has started the first run of a DAG, and give the run's id."""
        self._wait(lambda: bool(self.metadata.run_ids(dag_id)), f"a run of {dag_id} to be started", timeout)
        return self.metadata.run_ids(dag_id)[0]

    def wait_for_run(
        self,
        dag_id: str,
        run_id: str,
        timeout: float = 120,
        on_change: Callable[[TaskInstance], None] = lambda task: None,
    ) -> str:
        """Wait until a DAG run has ended, and give its state, success or failed.

        :param on_change: called with each task instance when its state or try has changed.
        :raises StackTimeoutError: after ``timeout`` seconds, naming the states of the tasks.
        """
        states = self.wait_for_runs({dag_id: run_id}, timeout, lambda _, task: on_change(task))
        return states[dag_id]

    def wait_for_runs(
        self,
        run_ids: Mapping[str, str],
        timeout: float = 120,
        on_change: Callable[[str, TaskInstance], None] = lambda dag_id, task: None,
    ) -> dict[str, str]:
        """Wait until a run of each of several DAGs has ended, and give their states by their DAG's ids.

        :param run_ids: the run's id by the DAG's.
        :param on_change: called with the DAG's id and each task instance when its state or try has changed.
        :raises StackTimeoutError: after ``timeout`` seconds, naming the states of the tasks.
        """
        seen: dict[tuple[str, str, int], TaskInstance] = {}
        states: dict[str, str] = {}

        def ended() -> bool:
            for dag_id in run_ids.keys() - states.keys():
                # Asked first, so that the last change of a task is not missed.
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
        """Give every XCom of a task instance by its key."""
        return self.metadata.xcoms(dag_id, run_id, task_id, map_index)

    def task_log(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
        """Give what a task instance logged in workers, all its tries."""
        logs = self._logs(dag_id, run_id, task_id, map_index, "*.log")
        return "".join(path.read_text() for path in logs if ".log.trigger." not in path.name)

    def trigger_log(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
        """Give what a task instance logged in triggerer processes; empty if it never was in one."""
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
                raise StackTimeoutError(f"Waited {timeout:g} s in vain for {what}.")
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
