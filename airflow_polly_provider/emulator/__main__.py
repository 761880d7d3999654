"""The command ``python -m airflow_polly_provider.emulator``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sqlite3
import sys
from pathlib import Path

from airflow_polly_provider.emulator.base.quotas import parse_quotas
from airflow_polly_provider.emulator.base.settings import Settings
from airflow_polly_provider.emulator.control.server import EmulatorServer, MissingExtraError
from airflow_polly_provider.emulator.http.browsers import is_loopback


def parse_arguments(arguments: list[str] | None = None) -> Settings:
    """Parse the command line into settings.

    :param arguments: the arguments without the program's name; None for ``sys.argv``.
    :raises ValueError: if a value is not valid.
    """
    parser = argparse.ArgumentParser(
        prog="python -m airflow_polly_provider.emulator",
        description="Run an emulator of Amazon Polly, with S3, SNS, SQS and STS on the same endpoint.",
    )
    defaults = Settings()
    parser.add_argument("--host", default=defaults.host, help="address to bind (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to bind (default: 0, any free one)")
    parser.add_argument("--bucket", action="append", default=[], help="S3 bucket to create (repeatable)")
    parser.add_argument(
        "--region", default=defaults.region, help="region of the buckets (default: %(default)s)"
    )
    parser.add_argument(
        "--scheduled-seconds",
        type=float,
        default=defaults.scheduled_seconds,
        help="seconds that a synthesis task stays scheduled (default: %(default)s)",
    )
    parser.add_argument(
        "--in-progress-seconds",
        type=float,
        default=defaults.in_progress_seconds,
        help="minimum seconds that a synthesis task then stays inProgress (default: %(default)s)",
    )
    parser.add_argument(
        "--list-delay-seconds",
        type=float,
        default=defaults.list_delay_seconds,
        help="seconds until a new synthesis task appears in lists (default: %(default)s)",
    )
    parser.add_argument("--newest-first", action="store_true", help="list the newest synthesis task first")
    parser.add_argument(
        "--audio",
        choices=("speech", "tone", "none"),
        help="audio to write (default: speech if the speech extra is installed, else tone)",
    )
    parser.add_argument(
        "--quotas",
        help="request quotas: 'aws' for AWS's, or a JSON object with [calls per second, burst] for each name",
    )
    parser.add_argument("--state", type=Path, help="folder to store synthesis tasks, objects and lexicons in")
    parser.add_argument(
        "--cors-origin",
        action="append",
        default=[],
        help="origin, such as http://localhost:3000, whose web pages may call the emulator (repeatable)",
    )
    given = parser.parse_args(arguments)
    return Settings(
        host=given.host,
        port=given.port,
        buckets=tuple(given.bucket),
        region=given.region,
        scheduled_seconds=given.scheduled_seconds,
        in_progress_seconds=given.in_progress_seconds,
        list_delay_seconds=given.list_delay_seconds,
        newest_first=given.newest_first,
        audio=given.audio,
        quotas=parse_quotas(given.quotas) if given.quotas is not None else {},
        state=given.state,
        cors_origins=tuple(given.cors_origin),
    )


async def serve(settings: Settings) -> None:
    """Run the emulator until this process gets SIGTERM or SIGINT.

    :param settings: the emulator's settings.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = EmulatorServer(settings)
    try:
        await server.start()
        print(f"Polly emulator listening on {server.endpoint_url}", flush=True)
        print(describe_reach(server.address), file=sys.stderr, flush=True)
        await ended.wait()
    finally:
        await server.stop()


def describe_reach(host: str) -> str:
    """Return a sentence that states who can reach the emulator; a warning if other machines can reach it.

    :param host: the address that the emulator is bound to.
    """
    if is_loopback(host):
        return f"Bound to {host}: only this machine can reach it."
    return (
        f"WARNING: bound to {host}: other machines may reach it, and it checks no credentials. "
        "A web page in a browser may also reach it, through a DNS name that points to this machine."
    )


def main() -> int:
    """Run the command and return its exit status."""
    try:
        settings = parse_arguments()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        asyncio.run(serve(settings))
    except (MissingExtraError, OSError, ValueError, sqlite3.Error) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
