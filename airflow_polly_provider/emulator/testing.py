"""The emulator for tests. It runs in the test's process, on a free port of the loopback interface.

.. code-block:: python

    with running_emulator(buckets=("audio",)) as emulator:
        polly = boto3.client("polly", **emulator.client_settings)
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.base.quotas import validate_quotas
from airflow_polly_provider.emulator.base.settings import Settings
from airflow_polly_provider.emulator.control.server import EmulatorServer
from airflow_polly_provider.emulator.tasks.seeding import Seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_polly_provider.emulator.base.clock import Clock
    from airflow_polly_provider.emulator.base.quotas import Quotas
    from airflow_polly_provider.emulator.control.faults import Counters, Faults

ACCESS_KEY = SECRET_KEY = "emulator"
DEFAULT_BUCKET = "polly-emulator"
_START_SECONDS = 60

_users: Counter[str] = Counter()
"""The number of running emulators in this process that have a bucket, by bucket name."""


class RunningEmulator:
    """A running emulator, with the methods and attributes that a test needs.

    :param server: the emulator's server.
    :param loop: the event loop that the server runs on.
    """

    def __init__(self, server: EmulatorServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop

    @property
    def endpoint_url(self) -> str:
        """Return the URL to pass to clients as ``endpoint_url``."""
        return self._server.endpoint_url

    @property
    def region(self) -> str:
        """Return the region of the buckets."""
        return self._server.settings.region

    @property
    def bucket(self) -> str:
        """Return the name of the first bucket."""
        return self._server.settings.buckets[0]

    @property
    def faults(self) -> Faults:
        """Return the emulator's faults, to which a test can add its own."""
        return self._server.app.faults

    @property
    def counters(self) -> Counters:
        """Return the counters, which count calls by operation and outcome."""
        return self._server.app.counters

    @property
    def clock(self) -> Clock:
        """Return the emulator's clock. To set it forward, call :meth:`advance_clock`."""
        return self._server.clock

    @property
    def client_settings(self) -> dict[str, str]:
        """Return keyword arguments for ``boto3.client``."""
        return {
            "endpoint_url": self.endpoint_url,
            "region_name": self.region,
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
        }

    def seed(self, *, region: str | None = None, **settings: Any) -> list[str]:
        """Add synthesis tasks to the emulator's memory, without audio. Quotas do not apply.

        :param region: the region of the tasks; None for the emulator's region.
        :param settings: fields of :class:`~airflow_polly_provider.emulator.tasks.seeding.Seed`.
        :return: the TaskIds, oldest first.
        """
        seed = Seed(**settings)
        task_ids: list[str] = self.call(lambda: self._server.app.service.seed(seed, region))
        return task_ids

    def set_quotas(self, quotas: Quotas) -> None:
        """Replace the request quotas.

        :param quotas: the new quotas, such as
            :data:`~airflow_polly_provider.emulator.base.quotas.AWS_QUOTAS`; an empty table for no limits.
        """
        checked = validate_quotas(quotas)
        self.call(lambda: self._server.app.service.quotas.set(checked))

    def advance_clock(self, seconds: float) -> None:
        """Set the clock forward, and apply all status changes that are then due.

        :param seconds: the number of seconds.
        """
        self.clock.advance(seconds)
        self.call(self._server.app.service.tick)

    def reset(self) -> None:
        """Delete all synthesis tasks, lexicons and faults, reset counters and quotas, and empty the buckets.

        Only the buckets in the settings are emptied.
        """
        self.faults.clear()
        self.counters.reset()
        self.call(self._server.app.service.reset)
        for bucket in self._server.settings.buckets:
            self._server.app.service.aws.empty_bucket(bucket, self.region)

    def delete_buckets(self) -> None:
        """Delete the buckets in the settings, except buckets that another emulator in this process also has.

        All emulators in a process share one S3. Without this call, the objects would remain in S3.
        """
        for bucket in self._server.settings.buckets:
            if not _users[bucket]:
                self._server.app.service.aws.delete_bucket(bucket, self.region)

    def airflow_connection(self) -> str:
        """Return an AWS connection as JSON, for the environment variable ``AIRFLOW_CONN_AWS_DEFAULT``."""
        return json.dumps(
            {
                "conn_type": "aws",
                "login": ACCESS_KEY,
                "password": SECRET_KEY,
                "extra": {"endpoint_url": self.endpoint_url, "region_name": self.region},
            }
        )

    def call(self, work: Callable[[], Any]) -> Any:
        """Call a function on the emulator's event loop, wait for it, and return its result.

        The emulator's state may be accessed only on this event loop.

        :param work: a function without parameters.
        """

        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_START_SECONDS)


@contextmanager
def running_emulator(*, clock: Clock | None = None, **settings: Any) -> Iterator[RunningEmulator]:
    """Run an emulator until the end of the ``with`` block.

    :param clock: the source of the emulator's timestamps; None for the machine's clock.
    :param settings: fields of :class:`~airflow_polly_provider.emulator.base.settings.Settings`. Some defaults
        differ from that class: ``scheduled_seconds`` is 0.1, ``in_progress_seconds`` is 0.2, and there is one
        bucket.
    """
    quick: dict[str, Any] = {
        "buckets": (DEFAULT_BUCKET,),
        "scheduled_seconds": 0.1,
        "in_progress_seconds": 0.2,
    }
    server = EmulatorServer(Settings(**(quick | settings)), clock)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="polly-emulator", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(_START_SECONDS)
        emulator = RunningEmulator(server, loop)
        _users.update(server.settings.buckets)
        try:
            yield emulator
        finally:
            _users.subtract(server.settings.buckets)
            emulator.delete_buckets()
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(_START_SECONDS)
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(_START_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_START_SECONDS)
        loop.close()
