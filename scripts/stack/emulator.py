"""The package's emulator in a separate process, and an Airflow connection to the emulator."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.stack.component import Component
from scripts.stack.errors import StackTimeoutError
from scripts.stack.signals import undisturbed

REGION = "us-east-1"
ACCESS_KEY = "emulator"
_READY = "Polly emulator listening on "
_READY_SECONDS = 60


@contextlib.contextmanager
def running_emulator(log: Path, *arguments: str) -> Iterator[str]:
    """Run the emulator on a free port of the loopback interface.

    :param log: file for the output of the emulator
    :param arguments: additional arguments of ``python -m airflow_polly_provider.emulator``
    :return: the endpoint URL
    :raises ComponentDiedError: if the emulator ends before it is ready
    :raises StackTimeoutError: if the emulator is not ready within a minute
    """
    command = [sys.executable, "-m", "airflow_polly_provider.emulator", "--port", "0", *arguments]
    emulator = Component("emulator", command, {**os.environ, "PYTHONUNBUFFERED": "1"}, log)
    try:
        emulator.start()
        yield _endpoint(emulator)
    finally:
        with undisturbed():
            emulator.kill()


def aws_connection(endpoint_url: str, region: str = REGION) -> str:
    """Return an AWS connection to the emulator as a value for an ``AIRFLOW_CONN_*`` variable."""
    return json.dumps(
        {
            "conn_type": "aws",
            "login": ACCESS_KEY,
            "password": ACCESS_KEY,
            "extra": {"region_name": region, "endpoint_url": endpoint_url},
        }
    )


def _endpoint(emulator: Component) -> str:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        for line in emulator.log.read_text().splitlines():
            if line.startswith(_READY):
                return line.removeprefix(_READY).strip()
        emulator.check()
        time.sleep(0.1)
    raise StackTimeoutError(f"The emulator was not ready within {_READY_SECONDS} s:\n{emulator.tail()}")
