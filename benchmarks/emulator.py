"""Measures the emulator's speed and the memory that its tasks use: ``python benchmarks/emulator.py``.

The emulator runs on one core and the client on another. The client sends plain HTTP over persistent
connections, because boto3 needs a millisecond for each call. On a shared machine, all results vary from run
to run, even the CPU time for a request. To compare two versions, run them alternately.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=any/20200101/us-east-1/polly/aws4_request"
START = json.dumps(
    {"Text": "Hello", "VoiceId": "Joanna", "OutputFormat": "mp3", "OutputS3BucketName": "audio"}
).encode()
PARAGRAPH = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
    "must be in want of a wife. "
)


@contextmanager
def emulator(core: int, *arguments: str) -> Iterator[tuple[str, psutil.Process]]:
    """Run an emulator on one core; yield its host and port, and its process."""
    command = [sys.executable, "-m", "airflow_polly_provider.emulator", "--bucket", "audio", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        os.sched_setaffinity(process.pid, {core})
        assert process.stdout is not None
        yield process.stdout.readline().strip().rpartition("//")[2], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.communicate()


class Connection(asyncio.Protocol):
    """Sends requests one after the other on one connection, and measures the time of each."""

    def __init__(self, next_request: Callable[[], bytes | None], times: list[float]) -> None:
        self._next_request = next_request
        self._times = times
        self._buffer = bytearray()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport: Any = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Receive a response, and send the next request."""
        self._buffer += data
        head, separator, body = bytes(self._buffer).partition(b"\r\n\r\n")
        if not separator:
            return
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length is None or len(body) < int(length[1]):
            return
        if b" 200 " not in head[:20]:
            self.done.set_exception(RuntimeError(head.decode()))
            return
        self._times.append(time.perf_counter() - self._sent)
        self._buffer.clear()
        self._send()

    def _send(self) -> None:
        request = self._next_request()
        if request is None:
            self._transport.close()
            self.done.set_result(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


def http(method: str, path: str, body: bytes = b"") -> bytes:
    """Return the bytes of a request to Polly."""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {AUTHORIZATION}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def load(address: str, requests: list[bytes], connections: int) -> list[float]:
    """Send requests over several connections; return the duration of each request in seconds."""
    host, _, port = address.partition(":")
    waiting = iter(requests)
    times: list[float] = []
    made = [
        await asyncio.get_running_loop().create_connection(
            lambda: Connection(lambda: next(waiting, None), times), host, int(port)
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    return times


def measure(
    address: str, process: psutil.Process, name: str, requests: list[bytes], connections: int = 8
) -> None:
    """Send requests, and print a line with the results."""
    cpu, began = cpu_seconds(process), time.perf_counter()
    times = sorted(asyncio.run(load(address, requests, connections)))
    seconds, cpu = time.perf_counter() - began, cpu_seconds(process) - cpu
    p50, p99 = (times[int(len(times) * share)] * 1000 for share in (0.5, 0.99))
    print(
        f"{name:34} {len(requests) / seconds:8.0f} /s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   "
        f"processor {cpu / len(requests) * 1e6:5.0f} us"
    )


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time that a process has used, in seconds."""
    times = process.cpu_times()
    return times.user + times.system


def admin(address: str, path: str, document: dict[str, Any]) -> dict[str, Any]:
    """Send a POST request to the emulator's admin path."""
    request = urllib.request.Request(
        f"http://{address}/_emulator{path}",
        data=json.dumps(document).encode(),
        headers={"X-Polly-Emulator": "1"},
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def resident_megabytes(process: psutil.Process) -> float:
    """Return the resident memory of a process in MiB."""
    return process.memory_info().rss / 1024**2


def requests_per_second(count: int, held: int) -> None:
    """Measure get, list and start requests, with few tasks and with many tasks."""
    with emulator(0, "--audio", "none", "--scheduled-seconds", "1e6") as (address, process):
        before = resident_megabytes(process)
        task_ids = admin(address, "/tasks", {"count": 100, "status": "scheduled"})["TaskIds"]
        for tasks in (100, held):
            if tasks > 100:
                seeds = {"count": tasks - 100, "status": "scheduled", "spacing_seconds": 0.001}
                task_ids = admin(address, "/tasks", seeds)["TaskIds"]
                grown = resident_megabytes(process) - before
                print(f"{tasks} tasks take {grown:.0f} MB")
            gets = [http("GET", f"/v1/synthesisTasks/{task_ids[n % len(task_ids)]}") for n in range(count)]
            measure(address, process, f"get, {tasks} tasks held", gets)
            listing = http("GET", "/v1/synthesisTasks?MaxResults=100&Status=scheduled")
            measure(address, process, f"list of 100, {tasks} tasks held", [listing] * (count // 5))
            starts = [http("POST", "/v1/synthesisTasks", START)] * count
            measure(address, process, f"start, {tasks} tasks held", starts)
        print(f"memory after each task was read once: {resident_megabytes(process) - before:.0f} MB")


def characters_per_second(characters: int) -> None:
    """Measure synthesis and encoding, one request at a time."""
    text = (PARAGRAPH * (characters // len(PARAGRAPH) + 1))[:characters]
    with emulator(0, "--scheduled-seconds", "0", "--in-progress-seconds", "0") as (address, _):
        for output_format in ("mp3", "ogg_vorbis", "ogg_opus", "pcm", "mulaw", "alaw", "json"):
            request: dict[str, Any] = {"Text": text, "VoiceId": "Joanna", "OutputFormat": output_format}
            if output_format == "json":
                request["SpeechMarkTypes"] = ["word"]
            seconds = asyncio.run(
                load(address, [http("POST", "/v1/speech", json.dumps(request).encode())], 1)
            )
            print(f"{output_format:34} {characters / seconds[0]:8.0f} characters/s")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="number of requests of each kind")
    parser.add_argument(
        "--held", type=int, default=100_000, help="number of tasks in the second round of measurements"
    )
    parser.add_argument("--characters", type=int, default=2_900, help="length of the text to synthesize")
    given = parser.parse_args()
    os.sched_setaffinity(0, {1})
    requests_per_second(given.count, given.held)
    characters_per_second(given.characters)


if __name__ == "__main__":
    main()
