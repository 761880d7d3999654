"""A statsd server's ear: what Airflow's processes tell it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class StatsdListener:
    """Hears metrics by UDP, from any process of this machine."""

    def __init__(self, ear: socket.socket) -> None:
        self._ear = ear
        self.heard: list[str] = []

    @property
    def airflow_settings(self) -> dict[str, str]:
        """Environment variables that make Airflow tell this listener, tags included."""
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._ear.getsockname()[1]),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        }

    def of(self, name: str, *, within_seconds: float = 20) -> list[str]:
        """Give all metrics of a name that were heard, waiting for the first.

        :param name: without Airflow's prefix
        """
        deadline = time.monotonic() + within_seconds
        while True:
            beginnings = (f"airflow.{name},", f"airflow.{name}:")
            found = [metric for metric in list(self.heard) if metric.startswith(beginnings)]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.1)

    def hear(self, over: threading.Event) -> None:
        """Take in what comes: the kernel keeps no more than some hundred metrics."""
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                self.heard += self._ear.recv(65536).decode().splitlines()


@contextlib.contextmanager
def listening() -> Iterator[StatsdListener]:
    """Listen on a free port of the loopback."""
    over = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(0.2)
        listener = StatsdListener(ear)
        thread = threading.Thread(target=listener.hear, args=(over,))
        thread.start()
        try:
            yield listener
        finally:
            over.set()
            thread.join()
