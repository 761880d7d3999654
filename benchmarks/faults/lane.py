"""A lane: an emulator process behind a gate, used by one run at a time."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.request
from typing import TYPE_CHECKING, Any, Self

import boto3

from airflow_polly_provider.emulator.control.admin import HEADER
from benchmarks.faults.catalogue import BUCKET
from benchmarks.faults.gate import Gate
from scripts.stack.emulator import ACCESS_KEY, REGION, aws_connection, running_emulator
from scripts.stack.settings import AIRFLOW_MAJOR

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = "secrets"
"""The subfolder of the lanes' folder in which ``FlakySecrets`` finds their connections."""
_SECONDS = 30


class Lane:
    """An emulator that keeps its state on disk, and an Airflow connection to it.

    :param folder: folder for the state and the log
    :param number: number of the lane
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.connection_id = f"lane_{number}"
        self._secrets = folder / SECRETS
        self._hidden = 0
        self.gate = Gate()
        self.endpoint_url = ""
        self._folder = folder / self.connection_id
        self._cleanup = contextlib.ExitStack()
        self._starts = 0
        self._lock = threading.RLock()
        self._closed = False
        self._arguments: tuple[str, ...] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        self._cleanup.enter_context(self.gate)
        self._secrets.mkdir(exist_ok=True)
        (self._secrets / self.connection_id).write_text(self.airflow_connection)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            self.kill()
        self._cleanup.close()

    @property
    def airflow_connection(self) -> str:
        """Return the connection as JSON, in Airflow's format."""
        return aws_connection(f"http://127.0.0.1:{self.gate.port}")

    def hide_connection(self, look_ups: int) -> None:
        """Make the next look-ups of the connection fail.

        :param look_ups: number of look-ups
        """
        # If an Airflow 3 process does not find a connection, the API server looks the connection up again.
        for _ in range(look_ups * (2 if AIRFLOW_MAJOR >= 3 else 1)):
            self._hidden += 1
            (self._secrets / f"{self.connection_id}.away.{self._hidden}").touch()

    def prepare(self, *arguments: str) -> None:
        """Run an emulator with these arguments. Remove all faults, and reset the counters."""
        for away in self._secrets.glob(f"{self.connection_id}.away.*"):
            away.unlink(missing_ok=True)
        if arguments != self._arguments:
            self.kill()
            self.start(*arguments)
        self.ask("DELETE", "faults")
        self.ask("DELETE", "counters")
        self.gate.open()

    def start(self, *arguments: str) -> None:
        """Start the emulator with its stored state."""
        with self._lock:
            if self._closed:
                raise RuntimeError("This lane is closed")
            self._starts += 1
            self._emulator = contextlib.ExitStack()
            self.endpoint_url = self._emulator.enter_context(
                running_emulator(
                    self._folder / f"emulator-{self._starts}.log",
                    *("--audio", "tone", "--bucket", BUCKET, "--state", str(self._folder / "state")),
                    *arguments,
                )
            )
            self._arguments = arguments
        host, _, port = self.endpoint_url.removeprefix("http://").rpartition(":")
        self.gate.target = (host, int(port))

    def kill(self) -> None:
        """Kill the emulator with SIGKILL."""
        with self._lock:
            if self._arguments is not None:
                self._emulator.close()
            self._arguments = None

    def restart(self) -> None:
        """Kill the emulator, and start it again with the same arguments."""
        arguments = self._arguments or ()
        self.kill()
        self.start(*arguments)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the emulator's admin path."""
        request = urllib.request.Request(
            f"{self.endpoint_url}/_emulator/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={HEADER: "1"},
        )
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return json.load(answer)

    def _client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]  # one overload per literal name
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=ACCESS_KEY,
        )

    def keys(self, prefix: str) -> list[str]:
        """Return the objects whose key begins with a prefix."""
        listed = self._client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for each in listed.get("Contents", [])]

    def synthesis_tasks(self, prefix: str) -> list[dict[str, Any]]:
        """Return the synthesis tasks whose key begins with a prefix."""
        pages = self._client("polly").get_paginator("list_speech_synthesis_tasks").paginate()
        listed = [task for page in pages for task in page["SynthesisTasks"]]
        return [task for task in listed if f"/{BUCKET}/{prefix}" in task["OutputUri"]]
