"""Measures mapped sensors on a real Airflow with PostgreSQL: ``python -m benchmarks.waiting.stack --help``.

It needs an environment with PostgreSQL drivers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from airflow_polly_provider.emulator.testing import running_emulator
from scripts.stack.airflow import AirflowStack
from scripts.stack.servers import throwaway_database
from scripts.stack.signals import terminable

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator

_HERE = Path(__file__).parent
_END_SECONDS = 60.0
_IDLE_SECONDS = 60.0
_WARM_UP_SECONDS = 10.0
_LONGEST_RUN_SECONDS = 1800.0
_LOOK_EVERY_SECONDS = 5.0
_PARALLELISM = 8


def cpu_seconds(stack: AirflowStack) -> dict[str, float]:
    """Return the CPU seconds of each component so far, including processes that have ended."""
    spent: dict[str, float] = {}
    for name, component in stack.components.items():
        for process in component.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                spent[name] = spent.get(name, 0.0) + sum(process.cpu_times()[:4])
    return spent


class WaitingDags:
    """Runs the DAGs one after the other.

    :param stack: Airflow stack
    :param emulator: emulator with the synthesis tasks
    :param waits: number of waits by DAG id
    :param workers: file to which workers write a line per task
    """

    def __init__(
        self, stack: AirflowStack, emulator: RunningEmulator, waits: dict[str, int], workers: Path
    ) -> None:
        self._stack = stack
        self._emulator = emulator
        self._waits = waits
        self._workers = workers

    def warm_up(self) -> None:
        """Run one wait before the measurement, because a triggerer's first wait uses additional CPU time."""
        ids = self._emulator.seed(status="inProgress", ends_in_seconds=_WARM_UP_SECONDS)
        run_id = self._stack.trigger("warm_up", {"ids": ids})
        if (state := self._end_of("warm_up", run_id)) != "success":
            raise RuntimeError(f"The DAG warm_up ended in the state {state}")

    def idle(self) -> float:
        """Return how many CPU seconds per second an idle Airflow uses."""
        before = sum(cpu_seconds(self._stack).values())
        time.sleep(_IDLE_SECONDS)
        return (sum(cpu_seconds(self._stack).values()) - before) / _IDLE_SECONDS

    def _end_of(self, dag_id: str, run_id: str) -> str:
        deadline = time.monotonic() + _LONGEST_RUN_SECONDS
        while (state := self._stack.metadata.run_state(dag_id, run_id)) not in ("success", "failed"):
            if time.monotonic() > deadline:
                return "no end"
            # Check rarely. For waits without workers, Airflow would otherwise mainly work for the checks.
            time.sleep(_LOOK_EVERY_SECONDS)
        return state

    def run(self, dag_id: str, idle: float) -> dict[str, Any]:
        """Run a DAG, and return the measurements.

        :param dag_id: DAG to run
        :param idle: CPU seconds per second that an idle Airflow uses
        """
        self._workers.write_text("")
        self._emulator.counters.reset()
        ids = self._emulator.seed(
            count=self._waits[dag_id], status="inProgress", ends_in_seconds=_END_SECONDS
        )
        before, began = cpu_seconds(self._stack), time.monotonic()
        run_id = self._stack.trigger(dag_id, {"ids": ids})
        state = self._end_of(dag_id, run_id)
        seconds, after = time.monotonic() - began, cpu_seconds(self._stack)
        by_component = {name: after[name] - before[name] for name in after}
        spent = sum(by_component.values())
        pushed = sum(
            "return_value" in self._stack.xcoms(dag_id, run_id, "wait", index) for index in range(len(ids))
        )
        return {
            "scenario": "real stack",
            "way": dag_id,
            "state": state,
            "waits": len(ids),
            "lost": len(ids) - pushed,
            "seconds": seconds,
            "cpu_seconds": spent,
            "cpu_seconds_by_component": by_component,
            "idle_cpu_share": idle,
            "cpu_seconds_above_idle": spent - idle * seconds,
            "worker_processes": len(self._workers.read_text().splitlines()),
            "calls": self._emulator.counters.snapshot(),
        }


def measure(server_url: str, waits: dict[str, int], out: Path) -> None:
    """Run all DAGs on one Airflow.

    :param server_url: SQLAlchemy URL of a server on which a database can be created
    :param waits: number of waits by DAG id
    :param out: file for the results, one JSON object per line
    """
    with (
        terminable(),
        tempfile.TemporaryDirectory(prefix="polly-waiting-") as name,
        throwaway_database(server_url) as database_url,
        running_emulator(audio="none") as emulator,
    ):
        folder = Path(name)
        workers = folder / "workers"
        shutil.copytree(_HERE / "plugins", folder / "home" / "plugins")
        shutil.copytree(_HERE / "dags", folder / "dags")
        env = {
            "AIRFLOW_CONN_AWS_DEFAULT": emulator.airflow_connection(),
            "POLLY_WAITING_COUNTS": json.dumps(waits),
            "POLLY_WAITING_WORKERS": str(workers),
            "POLLY_WAITING_ENDPOINT": emulator.endpoint_url,
        }
        with AirflowStack(
            home=folder / "home",
            dags_folder=folder / "dags",
            env=env,
            database_url=database_url,
            parallelism=_PARALLELISM,
        ) as stack:
            dags = WaitingDags(stack, emulator, waits, workers)
            for dag_id in (*waits, "warm_up"):
                stack.wait_for_dag(dag_id)
            dags.warm_up()
            idle = dags.idle()
            for dag_id in waits:
                with out.open("a") as file:
                    file.write(json.dumps(dags.run(dag_id, idle)) + "\n")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting.stack", description=__doc__)
    parser.add_argument("--postgresql", default="postgresql+psycopg2://postgres@127.0.0.1:5432")
    parser.add_argument("--waits", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument("--reschedule-waits", type=int, default=20, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    waits = {
        "start_from_trigger": given.waits,
        "deferrable": given.waits,
        "reschedule": given.reschedule_waits,
    }
    measure(given.postgresql, waits, given.out)


if __name__ == "__main__":
    main()
