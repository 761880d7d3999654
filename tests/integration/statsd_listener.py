"""A StatsD server that records the metrics of Airflow's processes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class StatsdListener:
    """Receives metrics over UDP from all processes of this machine."""

    def __init__(self, socket_: socket.socket) -> None:
        self._socket = socket_
        self.received: list[str] = []

    @property
    def airflow_settings(self) -> dict[str, str]:
        """Return environment variables that make Airflow send metrics with tags to this listener."""
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._socket.getsockname()[1]),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        }

    def of(self, name: str, *, within_seconds: float = 20) -> list[str]:
        """Wait for the first metric with a name, and return all that were received.

        :param name: name without Airflow's prefix
        """
        deadline = time.monotonic() + within_seconds
        while True:
            beginnings = (f"airflow.{name},", f"airflow.{name}:")
            found = [metric for metric in list(self.received) if metric.startswith(beginnings)]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.1)

    def receive(self, over: threading.Event) -> None:
        """Receive metrics continuously, because the kernel buffers only a few hundred."""
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                self.received += self._socket.recv(65536).decode().splitlines()


@contextlib.contextmanager
def listening() -> Iterator[StatsdListener]:
    """Listen on a free port of the loopback interface."""
    over = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as socket_:
        socket_.bind(("127.0.0.1", 0))
        socket_.settimeout(0.2)
        listener = StatsdListener(socket_)
        thread = threading.Thread(target=listener.receive, args=(over,))
        thread.start()
        try:
            yield listener
        finally:
            over.set()
            thread.join()
