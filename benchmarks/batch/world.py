"""An Airflow with PostgreSQL and an emulator with quotas, and the measurements of a run."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from airflow_polly_provider.emulator.base.quotas import AWS_QUOTAS
from airflow_polly_provider.emulator.testing import running_emulator
from benchmarks.batch.audio import same_audio
from benchmarks.batch.memory import PeakMemory
from benchmarks.batch.outcome import Outcome
from benchmarks.batch.sizes import StoredSizes
from benchmarks.waiting.stack import cpu_seconds
from scripts.stack.airflow import AirflowStack
from scripts.stack.servers import throwaway_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.base.quotas import Quotas
    from airflow_polly_provider.emulator.testing import RunningEmulator

_HERE = Path(__file__).parent
SYNTHESIS_SECONDS = 10.0
_IDLE_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 1.0
_LONGEST_RUN_SECONDS = 5400.0
_PARALLELISM = 8
_BUCKET = "polly-batch"


def quotas(rate: float) -> Quotas:
    """Return Polly's quotas with another number of starts per second of standard voices.

    :param rate: starts per second; AWS's default is 10
    """
    return {**AWS_QUOTAS, "start.standard": (rate, 1.2 * rate)}


class World:
    """One Airflow with an emulator; see :func:`world`."""

    def __init__(
        self,
        stack: AirflowStack,
        emulator: RunningEmulator,
        sizes: StoredSizes,
        folder: Path,
        rate: float,
    ) -> None:
        self._stack = stack
        self._emulator = emulator
        self._sizes = sizes
        self._folder = folder
        self._rate = rate
        self._workers = folder / "workers"
        self.outcome = Outcome(emulator, _BUCKET)
        self._idle = 0.0

    def prepare(self, dag_ids: list[str]) -> Self:
        """Let each process import its modules, and measure how much CPU time an idle Airflow uses.

        :param dag_ids: DAGs to run before the measurement
        """
        items = self.write_items("warm-up", 2)
        for dag_id in dag_ids:
            if (state := self._run(dag_id, items)[1]) != "success":
                raise RuntimeError(f"The DAG {dag_id} ended in the state {state}")
        before = sum(cpu_seconds(self._stack).values())
        time.sleep(_IDLE_SECONDS)
        self._idle = (sum(cpu_seconds(self._stack).values()) - before) / _IDLE_SECONDS
        return self

    def write_items(self, name: str, texts: int, **members: str) -> Path:
        """Write a file with an item per line, and return its path.

        :param name: name of the file, which is also part of each text
        :param texts: number of items
        :param members: additional members of each item; ``{number}`` is replaced by the number of the item
        """
        path = self._folder / f"{name}.jsonl"
        with path.open("w") as file:
            for number in range(texts):
                item = {"text": f"This is prompt {number} of the list {name}. Please hold the line."}
                item |= {member: value.format(number=number) for member, value in members.items()}
                file.write(json.dumps(item) + "\n")
        return path

    def measure(self, dag_id: str, items: Path) -> dict[str, Any]:
        """Run a DAG, and return the measurements.

        :param dag_id: DAG to run
        :param items: file with the items
        """
        texts = len(items.read_text().splitlines())
        self._emulator.set_quotas({})
        self.outcome.reset()
        self._emulator.set_quotas(quotas(self._rate))
        self._emulator.counters.reset()
        self._sizes.reset()
        self._workers.write_text("")
        before, began = cpu_seconds(self._stack), time.monotonic()
        with PeakMemory(self._workers) as memory:
            run_id, state = self._run(dag_id, items)
            seconds, after = time.monotonic() - began, cpu_seconds(self._stack)
        calls = self._emulator.counters.snapshot()
        self._emulator.set_quotas({})
        by_component = {name: round(after[name] - before[name], 1) for name in after}
        spent = sum(after.values()) - sum(before.values())
        return {
            "way": dag_id,
            "state": state,
            "texts": texts,
            "starts_per_second": self._rate,
            "seconds": round(seconds, 1),
            "least_seconds": round(texts / self._rate + SYNTHESIS_SECONDS, 1),
            "cpu_seconds": round(spent, 1),
            "cpu_seconds_above_idle": round(spent - self._idle * seconds, 1),
            "cpu_seconds_by_component": by_component,
            "idle_cores": round(self._idle, 3),
            "worker_processes": len(self._workers.read_text().splitlines()),
            "worker_peaks_mib": [round(peak, 1) for peak in sorted(memory.of(dag_id), reverse=True)[:4]],
            "bytes": self._sizes.largest(dag_id, run_id),
            "calls": calls,
            **self.outcome.count(texts),
        }

    def _run(self, dag_id: str, items: Path) -> tuple[str, str]:
        """Run a DAG, and return its run id and state."""
        run_id = self._stack.trigger(dag_id, {"items": str(items)})
        deadline = time.monotonic() + _LONGEST_RUN_SECONDS
        while (state := self._stack.metadata.run_state(dag_id, run_id)) not in ("success", "failed"):
            if time.monotonic() > deadline:
                return run_id, "no end"
            for component in self._stack.components.values():
                component.check()
            time.sleep(_LOOK_EVERY_SECONDS)
        return run_id, state


@contextlib.contextmanager
def world(server_url: str, rate: float) -> Iterator[World]:
    """Run an Airflow and an emulator.

    :param server_url: SQLAlchemy URL of a PostgreSQL server on which a database can be created
    :param rate: starts per second that the emulator and the package allow
    """
    with (
        tempfile.TemporaryDirectory(prefix="polly-batch-") as name,
        throwaway_database(server_url) as database_url,
        same_audio(),
        running_emulator(
            audio="tone", in_progress_seconds=SYNTHESIS_SECONDS, quotas=quotas(rate)
        ) as emulator,
    ):
        folder = Path(name)
        workers = folder / "workers"
        workers.touch()
        shutil.copytree(_HERE / "plugins", folder / "home" / "plugins")
        env = {
            "AIRFLOW_CONN_AWS_DEFAULT": emulator.airflow_connection(),
            "AIRFLOW__AWS_POLLY__START_REQUESTS_PER_SECOND": json.dumps({"standard": rate}),
            "POLLY_BATCH_BUCKET": _BUCKET,
            "POLLY_BATCH_WORKERS": str(workers),
        }
        with AirflowStack(
            home=folder / "home",
            dags_folder=_HERE / "dags",
            env=env,
            database_url=database_url,
            parallelism=_PARALLELISM,
        ) as stack:
            yield World(stack, emulator, StoredSizes(database_url), folder, rate)
