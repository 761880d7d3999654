"""One run of a DAG with one fault, and its result."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import psutil
import sqlalchemy

from airflow_polly_provider.aws.s3 import parse_output_uri
from benchmarks.faults.catalogue import (
    BATCH_NAMED,
    BATCHES,
    IN_WORKER,
    MAPPED,
    NAMED_IN_WORKER,
    NOT_WAITING,
    OUTPUT_KEY_ENDING,
    PLAIN,
    WITH_OUTPUT_KEY,
)
from benchmarks.faults.events import start_what_died

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.faults.catalogue import Fault
    from benchmarks.faults.lane import Lane
    from scripts.stack.airflow import AirflowStack
    from scripts.stack.metadata import TaskInstance

T = TypeVar("T")

_CLEAR = Path(__file__).with_name("clear.py")
_CLEAR_SECONDS = 120.0

# Airflow 2.11 rejects a second run of a DAG that is triggered within the same second.
_TRIGGERING = threading.Lock()
_LOOK_EVERY_SECONDS = 1.5
_REFUSED_SECONDS = 12.0
_LONGEST_RUN_SECONDS = 1500.0
_LONGEST_GATHERING_SECONDS = 120.0
_READ_PATIENCE_SECONDS = 120.0
_WAITING_IN_WORKER = (IN_WORKER, NAMED_IN_WORKER, PLAIN)


@dataclass
class Result:
    """The result of one run of a DAG."""

    fault: str
    mode: str
    airflow: str
    texts: int
    state: str
    synthesis_tasks: int
    most_for_one_task: int
    billed_characters: int
    right_output_uris: bool
    as_expected: bool
    tries: int
    seconds: float
    calls: dict[str, dict[str, int]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as a JSON-compatible dict."""
        return asdict(self)

    def line(self) -> str:
        """Return the result as a line of text."""
        return (
            f"{self.fault} | {self.mode} | {self.synthesis_tasks} for {self.texts} | {self.state} | "
            f"tries {self.tries} | {self.seconds:.0f} s | "
            f"{'as expected' if self.as_expected else 'NOT AS EXPECTED'}"
        )


class FaultyRun:
    """A run of a DAG in a lane, with a fault.

    :param stack: Airflow stack
    :param lane: lane with the emulator
    :param hold_folder: folder in which paused processes of the DAGs write their process ids
    :param fault: fault to cause
    :param mode: mode; it is also the DAG id
    :param tasks: number of Airflow tasks that start synthesis tasks
    :param texts: number of synthesis tasks that they must start
    """

    def __init__(
        self,
        stack: AirflowStack,
        lane: Lane,
        hold_folder: Path,
        fault: Fault,
        mode: str,
        *,
        tasks: int,
        texts: int,
    ) -> None:
        self._stack = stack
        self._lane = lane
        self._hold_folder = hold_folder
        self._fault = fault
        self._mode = mode
        self._tasks = tasks
        self._texts = texts
        self._prefix = f"{uuid.uuid4().hex[:12]}/"
        self._killed: set[str] = set()
        self._began = 0.0
        self._run_id = ""

    def begin(self) -> None:
        """Prepare the fault, and trigger the DAG run."""
        fault, lane = self._fault, self._lane
        arguments = ["--in-progress-seconds", str(fault.slow), *fault.emulator_arguments]
        if fault.list_delay_seconds:
            arguments += ["--list-delay-seconds", str(fault.list_delay_seconds)]
        lane.prepare(*arguments)
        for one in fault.emulator:
            times = one.get("times", 1)
            share = 1 if fault.refusals_shared else self._tasks
            lane.ask("POST", "faults", {**one, "times": times and times * share})
        if fault.spoil:
            lane.gate.spoil(fault.spoil, self._tasks)
        if fault.shut:
            lane.gate.shut()
        if not fault.event:
            lane.hide_connection(fault.look_ups_fail * self._tasks)
        conf: dict[str, Any] = {"connection": lane.connection_id, "prefix": self._prefix, "hold": self._hold}
        if fault.look_seconds is not None:
            conf["look"] = fault.look_seconds
        conf["store_away"] = fault.store_away
        self._began = time.monotonic()
        with _TRIGGERING:
            self._run_id = self._stack.trigger(self._mode, conf)

    @property
    def _hold(self) -> str | None:
        if self._fault.event and self._fault.hold is None:
            # A task that does not wait for its synthesis task must be paused, to be running during the event.
            return "remembered" if self._mode == NOT_WAITING else None
        return self._fault.hold

    def gather(self) -> None:
        """Wait until every task is paused, deferred or polling. After two minutes, one task is enough.

        :raises TimeoutError: if there is no such task after two minutes
        """
        deadline = time.monotonic() + _LONGEST_GATHERING_SECONDS
        while (gathered := self._gathered()) < self._tasks:
            if time.monotonic() > deadline:
                if gathered:
                    return
                raise TimeoutError(
                    f"{self._fault.name}, {self._mode}: no task reached the point where it is paused"
                )
            time.sleep(_LOOK_EVERY_SECONDS)

    def release(self) -> None:
        """Let the paused processes continue."""
        (self._hold_folder / f"{self._run_id}.go").touch()

    def _gathered(self) -> int:
        if self._hold:
            return len(self._markers())
        if self._mode in _WAITING_IN_WORKER:
            return int(bool(self._lane.ask("GET", "counters").get("GetSpeechSynthesisTask")))
        return len(self._deferred())

    def finish(self, airflow: str) -> Result:
        """Kill or clear the paused tasks, wait until the run ends, and return the result."""
        state = self._wait_for_end()
        seconds = time.monotonic() - self._began
        calls = self._lane.ask("GET", "counters")
        self._lane.ask("DELETE", "faults")
        if delay := self._fault.list_delay_seconds:
            time.sleep(delay)
        return self._result(airflow, state, seconds, calls)

    def _wait_for_end(self) -> str:
        running_since = 0.0
        while time.monotonic() < self._began + _LONGEST_RUN_SECONDS:
            if self._fault.clears:
                self._clear_held()
            elif not self._fault.event:
                self._kill_held()
            if self._fault.event == "database":
                start_what_died(self._stack)
            with contextlib.suppress(httpx.HTTPError, sqlalchemy.exc.OperationalError):
                if self._fault.shut and not running_since and self._has_run():
                    running_since = time.monotonic()
                if (state := self._stack.metadata.run_state(self._mode, self._run_id)) in (
                    "success",
                    "failed",
                ):
                    return state
            if running_since and time.monotonic() > running_since + _REFUSED_SECONDS:
                self._lane.gate.open()
            time.sleep(_LOOK_EVERY_SECONDS)
        return "no end"

    def _has_run(self) -> bool:
        return any(task.state in ("running", "up_for_retry") for task in self._instances())

    def _deferred(self) -> list[Any]:
        return [task for task in self._instances() if task.task_id == "start" and task.state == "deferred"]

    def _markers(self) -> list[Path]:
        paths = self._hold_folder.glob(f"{self._run_id}.*")
        return [path for path in paths if path.suffix not in (".unfinished", ".go")]

    def _clear_held(self) -> None:
        if self._markers() and not self._killed:
            self._killed.update(marker.name for marker in self._markers())
            # Use -P, because some files in the script's folder have the names of other modules.
            command = [sys.executable, "-P", str(_CLEAR), self._mode, self._run_id, "start"]
            subprocess.run(command, env=self._stack.environment, check=True, timeout=_CLEAR_SECONDS)

    def _kill_held(self) -> None:
        """Kill each paused process. Every second time, also kill its parent, which reports the kill."""
        for marker in self._markers():
            if marker.name in self._killed:
                continue
            self._killed.add(marker.name)
            child, parent = (int(number) for number in marker.read_text().split())
            members = self._stack.components["scheduler"].members()
            ours = {process.pid for process in members}
            main = min(members, key=_created_at).pid if members else 0
            also_parent = len(self._killed) % 2 == 1
            victims = [parent, child] if also_parent and parent != main else [child]
            for victim in victims:
                if victim in ours:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(victim, signal.SIGKILL)

    def _result(self, airflow: str, state: str, seconds: float, calls: dict[str, Any]) -> Result:
        made = self._lane.synthesis_tasks(self._prefix)
        keys = Counter(parse_output_uri(task["OutputUri"]).key.partition(".")[0] for task in made)
        tries = max((task.try_number for task in self._instances() if task.task_id == "start"), default=0)
        reached = self._downstream()
        right = len(reached) == len(set(reached)) == self._texts and set(reached) <= self._expected(made)
        most = max(keys.values(), default=0)
        once = len(made) == self._texts and most == 1
        ended_well = state == "failed" if self._fault.fails else state == "success" and right
        return Result(
            fault=self._fault.name,
            mode=self._mode,
            airflow=airflow,
            texts=self._texts,
            state=state,
            synthesis_tasks=len(made),
            most_for_one_task=most,
            billed_characters=sum(task["RequestCharacters"] for task in made),
            right_output_uris=right,
            as_expected=once and ended_well,
            tries=tries,
            seconds=round(seconds, 1),
            calls=calls,
        )

    def _expected(self, made: list[dict[str, Any]]) -> set[str]:
        """Return the OutputUris that a later task may receive."""
        uris = {task["OutputUri"] for task in made}
        if self._mode == BATCH_NAMED:
            names = {f"{self._prefix}{number}.mp3" for number in range(self._texts)}
            written = {key for key in self._lane.keys(self._prefix) if not key.endswith(".json")}
            return {made[0]["OutputUri"].partition(self._prefix)[0] + name for name in names & written}
        if self._mode not in WITH_OUTPUT_KEY:
            return uris
        key = self._prefix + OUTPUT_KEY_ENDING
        if self._lane.keys(self._prefix) != [key]:
            return set()
        return {uri.partition(self._prefix)[0] + key for uri in uris}

    def _downstream(self) -> list[str]:
        task_id = "output_uris" if self._mode in (MAPPED, *BATCHES) else "output_uri"
        xcoms = _read(lambda: self._stack.xcoms(self._mode, self._run_id, task_id))
        uris: list[str] = xcoms.get("return_value", [])
        return uris

    def _instances(self) -> list[TaskInstance]:
        return _read(lambda: self._stack.metadata.task_instances(self._mode, self._run_id))


def _created_at(process: psutil.Process) -> float:
    """Return the creation time of a process, or infinity if the process has ended."""
    try:
        return process.create_time()
    except psutil.NoSuchProcess:
        return math.inf


def _read(what: Callable[[], T]) -> T:
    """Read from Airflow, and retry while Airflow is too busy to respond."""
    deadline = time.monotonic() + _READ_PATIENCE_SECONDS
    while True:
        try:
            return what()
        except (httpx.HTTPError, sqlalchemy.exc.OperationalError):
            if time.monotonic() > deadline:
                raise
        time.sleep(_LOOK_EVERY_SECONDS)
