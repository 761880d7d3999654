"""Processes that wait, and their environment variables."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / ".build"
_FOREIGN_PREFIXES = ("AIRFLOW_", "_AIRFLOW_", "AWS_")
_END_SECONDS = 900


@dataclass(frozen=True)
class Way:
    """A way to wait.

    :param module: module in this package
    :param python: Python interpreter of its environment
    """

    module: str
    python: str


def environment(connection: str, **extra: str) -> dict[str, str]:
    """Return environment variables without the caller's settings for Airflow and AWS.

    :param connection: connection to the emulator, as JSON
    :param extra: additional variables
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_PREFIXES)}
    return {
        **inherited,
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": str(BUILD / "waiting-home"),
        "AIRFLOW_CONN_AWS_DEFAULT": connection,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "no_proxy": "127.0.0.1,localhost",
        "NO_PROXY": "127.0.0.1,localhost",
        **extra,
    }


class WaitingProcess:
    """A process that waits; see :mod:`benchmarks.waiting.waiter`.

    :param way: way to wait
    :param env: environment variables of the process
    """

    def __init__(self, way: Way, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [way.python, "-m", "benchmarks.waiting.waiter", way.module],
            env=env,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def until_ready(self) -> None:
        """Wait until the process has imported its modules."""
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline().strip()) != "ready":
            if not line and self._process.poll() is not None:
                raise RuntimeError(f"A waiting process ended with exit code {self._process.returncode}")

    def order(self, waits: list[tuple[str, float]], *, interval: float, patience: float) -> None:
        """Send the process the synthesis tasks to wait for."""
        assert self._process.stdin is not None
        order = {"waits": waits, "interval": interval, "patience": patience}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def result(self, patience: float) -> dict[str, Any]:
        """Return the measurements of the process."""
        out, _ = self._process.communicate(timeout=patience + _END_SECONDS)
        measured: dict[str, Any] = json.loads(out.splitlines()[-1])
        return measured


@contextlib.contextmanager
def ready_processes(way: Way, number: int, env: Mapping[str, str]) -> Iterator[list[WaitingProcess]]:
    """Start processes, and wait until they are ready.

    :param way: way to wait
    :param number: number of processes
    :param env: environment variables of the processes
    """
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(WaitingProcess(way, env)) for _ in range(number)]
        for process in processes:
            process.until_ready()
        yield processes


OURS = Way("way_ours", sys.executable)
