"""Compares ways to make blocking calls from a triggerer's event loop: ``make bench-blocking``.

The benchmark sends the poller's status requests in four ways. It measures each way in a separate process
with a plain event loop, and uses an endpoint on this machine. The cases are:

- *one hung*, *six hung*: one connection has 100 waits for synthesis tasks that complete after 10 seconds. One
  or six other connections have an endpoint that accepts requests and never responds (timeout 60 seconds).
  There are two results: the seconds until all 100 waits have ended, and the longest time that another trigger
  in the process waited for its own ``sync_to_async`` call.
- *requests*: the total requests per second over four connections to an endpoint that responds after 10 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from asgiref.sync import sync_to_async

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.wait.poller.blocking import BlockingCalls

WAYS = {
    "to_thread": "`asyncio.to_thread`",
    "one_thread": "`sync_to_async`",
    "shared_pool": "`sync_to_async(thread_sensitive=False)`",
    "ours": "the same with a thread for each connection (this package)",
}
CASES = ("one hung", "six hung", "requests")
GOOD_WAITS = 100
COMPLETED_AFTER_SECONDS = 10.0
HUNG_TIMEOUT_SECONDS = 60
ANSWER_SECONDS = 0.01
REQUEST_SECONDS = 5.0
CASE_LIMIT_SECONDS = 180
"""Time limit of a case. With six hanging connections on one thread, the others make almost no progress."""


class Polly(BaseHTTPRequestHandler):
    """The parts of Polly's Get and List operations that the poller uses."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    first_request_at: float | None = None

    def do_GET(self) -> None:
        """Return synthesis tasks that complete 10 seconds after the first request."""
        Polly.first_request_at = Polly.first_request_at or time.time()
        time.sleep(ANSWER_SECONDS)
        url = urlsplit(self.path)
        done = time.time() - Polly.first_request_at >= COMPLETED_AFTER_SECONDS
        status = "completed" if done else "inProgress"
        if task_id := url.path.removeprefix("/v1/synthesisTasks").strip("/"):
            answer: dict[str, Any] = {"SynthesisTask": {"TaskId": task_id, "TaskStatus": status}}
        else:
            listed = parse_qs(url.query)["Status"] == [status]
            tasks = [{"TaskId": f"good-{number}", "TaskStatus": status} for number in range(GOOD_WAITS)]
            answer = {"SynthesisTasks": tasks if listed else []}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Do not log the request."""


def serve(listener: socket.socket) -> None:
    """Answer requests until the process is killed."""
    server = ThreadingHTTPServer(listener.getsockname(), Polly, bind_and_activate=False)
    server.socket = listener
    server.serve_forever()


@contextmanager
def endpoint(*, hung: bool) -> Iterator[str]:
    """Run an endpoint on a free port. If ``hung`` is true, it accepts connections and never responds."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if hung:
            yield url
            return
        server = multiprocessing.get_context("fork").Process(target=serve, args=(listener,), daemon=True)
        server.start()
        try:
            yield url
        finally:
            server.kill()
            server.join()


def connect(name: str, url: str) -> None:
    """Define an Airflow connection to an endpoint."""
    extra = {"region_name": "us-east-1", "endpoint_url": url}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    os.environ[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(connection)


def go(way: str) -> type[BlockingCalls]:
    """Make the poller send its calls in the given way. Return the class that makes the calls."""
    from airflow_polly_provider.wait.poller.blocking import BlockingCalls

    async def to_thread(self: BlockingCalls, function: Any, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(function, *args, **kwargs)

    async def one_thread(self: BlockingCalls, function: Any, *args: Any, **kwargs: Any) -> Any:
        return await sync_to_async(function)(*args, **kwargs)

    async def shared_pool(self: BlockingCalls, function: Any, *args: Any, **kwargs: Any) -> Any:
        return await sync_to_async(function, thread_sensitive=False)(*args, **kwargs)

    other = {"to_thread": to_thread, "one_thread": one_thread, "shared_pool": shared_pool}.get(way)
    if other:
        BlockingCalls.run = other  # type: ignore[method-assign]
    return BlockingCalls


async def wait_beside_hung(connections: int) -> dict[str, float]:
    """Return the seconds until the waits on the good connection end, and another trigger's longest wait."""
    from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger

    def trigger(name: str, connection: str) -> PollySpeechSynthesisTaskTrigger:
        config = {"read_timeout": HUNG_TIMEOUT_SECONDS} if connection.startswith("hung") else None
        return PollySpeechSynthesisTaskTrigger(
            synthesis_task_id=name, aws_conn_id=connection, botocore_config=config
        )

    async def first_event(waiting: PollySpeechSynthesisTaskTrigger) -> None:
        async for _ in waiting.run():
            return

    longest, asked_at = 0.0, time.monotonic()

    async def other_trigger() -> None:
        nonlocal longest, asked_at
        while True:
            asked_at = time.monotonic()
            await sync_to_async(int)()
            longest = max(longest, time.monotonic() - asked_at)
            await asyncio.sleep(0.1)

    hung = [asyncio.create_task(first_event(trigger(f"hung-{n}", f"hung{n}"))) for n in range(connections)]
    # The hanging requests must have started before the first good request.
    await asyncio.sleep(1)
    began = time.monotonic()
    other = asyncio.create_task(other_trigger())
    good = [trigger(f"good-{number}", "good") for number in range(GOOD_WAITS)]
    await asyncio.gather(*map(first_event, good))
    now = time.monotonic()
    for task in (*hung, other):
        task.cancel()
    return {"seconds": now - began, "other": max(longest, now - asked_at)}


async def request(blocking: type[BlockingCalls]) -> dict[str, float]:
    """Return the requests per second over four connections."""
    from airflow_polly_provider.wait.poller.client import HookSettings

    connections = [f"good{number}" for number in range(4)]
    for name in connections:
        os.environ[f"AIRFLOW_CONN_{name.upper()}"] = os.environ["AIRFLOW_CONN_GOOD"]

    async def ask(name: str) -> int:
        calls, hook, count = blocking(name), HookSettings(aws_conn_id=name).make_hook(), 0
        await calls.run(hook.get_speech_synthesis_task, "warm-up")
        end = time.monotonic() + REQUEST_SECONDS
        while time.monotonic() < end:
            await calls.run(hook.get_speech_synthesis_task, "good-1")
            count += 1
        return count

    return {"rate": sum(await asyncio.gather(*map(ask, connections))) / REQUEST_SECONDS}


def measure(way: str, case: str) -> None:
    """Measure one cell in this process, print it, and exit without waiting for hanging threads."""
    with ExitStack() as stack:
        connect("good", stack.enter_context(endpoint(hung=False)))
        for number in range(6):
            connect(f"hung{number}", stack.enter_context(endpoint(hung=True)))
        blocking = go(way)
        with asyncio.Runner() as runner:
            if case == "requests":
                result = runner.run(request(blocking))
            else:
                result = runner.run(wait_beside_hung(1 if case == "one hung" else 6))
            print(json.dumps(result), flush=True)
            # Leaving the runner would wait for hanging threads.
            stack.close()
            os._exit(0)


def main() -> None:
    """Measure all cells, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blocking_calls", description=__doc__)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--case", choices=CASES)
    cell = parser.parse_args()
    if cell.way:
        measure(cell.way, cell.case)
    print(
        "| way | one hung: all ends seen, other trigger waited | six hung: the same | requests per second |"
    )
    print("| --- | --- | --- | --- |")
    for way, name in WAYS.items():
        one, six, rate = (in_process(way, case) for case in CASES)
        late = f"not within {CASE_LIMIT_SECONDS} s"
        hung = [f"{seen['seconds']:.1f} s, {seen['other']:.1f} s" if seen else late for seen in (one, six)]
        print(f"| {name} | {' | '.join(hung)} | {rate['rate']:.0f} |", flush=True)


def in_process(way: str, case: str) -> dict[str, float]:
    """Measure one cell in a new process and Airflow home; return an empty result if it takes too long."""
    with tempfile.TemporaryDirectory(prefix="airflow-polly-bench-") as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.blocking_calls", "--way", way, "--case", case],
            env={**os.environ, "AIRFLOW_HOME": home, "NO_PROXY": "127.0.0.1"},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            printed, _ = process.communicate(timeout=CASE_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            return {}
        finally:
            # Also kill the endpoint that the process forked.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    cell: dict[str, float] = json.loads(printed.splitlines()[-1])
    return cell


if __name__ == "__main__":
    main()
