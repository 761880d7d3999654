"""The peak memory of worker processes."""

from __future__ import annotations

import contextlib
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_LOOK_EVERY_SECONDS = 0.2
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


class PeakMemory:
    """Records the largest resident memory of each worker process during the ``with`` block.

    The kernel records the peak of each process. Only memory that a process allocates in its last fifth of a
    second can be missed.

    :param workers: file to which workers write a line with the DAG id and the process id for each task
    """

    def __init__(self, workers: Path) -> None:
        self._workers = workers
        self._peaks: dict[tuple[str, int], int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def of(self, dag_id: str) -> list[float]:
        """Return the peak of each worker process of a DAG, in MiB, in the order in which they started."""
        return [peak / 1024 for (owner, _), peak in self._peaks.items() if owner == dag_id]

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_SECONDS):
            for line in self._workers.read_text().splitlines():
                dag_id, process_id = line.split()
                # The file does not exist after the process has ended.
                with contextlib.suppress(OSError):
                    found = _PEAK.search(Path("/proc", process_id, "status").read_text())
                    if found:
                        self._peaks[dag_id, int(process_id)] = int(found[1])
