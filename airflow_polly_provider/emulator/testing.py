"""The emulator for tests: in this process, on a free port of the loopback interface.

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
"""How many running emulators of this process have a bucket of this name."""


class RunningEmulator:
    """An emulator that serves, and the handles that a test needs.

    :param server: the server.
    :param loop: the event loop that it runs on.
    """

    def __init__(self, server: EmulatorServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop

    @property
    def endpoint_url(self) -> str:
        """Tell the URL that clients take as ``endpoint_url``."""
        return self._server.endpoint_url

    @property
    def region(self) -> str:
        """Tell the region of the buckets."""
        return self._server.settings.region

    @property
    def bucket(self) -> str:
        """Name the first bucket."""
        return self._server.settings.buckets[0]

    @property
    def faults(self) -> Faults:
        """Give what goes wrong on demand."""
        return self._server.app.faults

    @property
    def counters(self) -> Counters:
        """Give how often what was called."""
        return self._server.app.counters

    @property
    def clock(self) -> Clock:
        """Give the clock, which can be set forward."""
        return self._server.clock

    @property
    def client_settings(self) -> dict[str, str]:
        """Give keyword arguments for ``boto3.client``."""
        return {
            "endpoint_url": self.endpoint_url,
            "region_name": self.region,
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
        }

    def seed(self, *, region: str | None = None, **settings: Any) -> list[str]:
        """Put synthesis tasks into the emulator's memory, without audio and past the quotas.

        :param region: where; None for the emulator's own.
        :param settings: fields of :class:`~airflow_polly_provider.emulator.tasks.seeding.Seed`.
        :return: their TaskIds, oldest first.
        """
        seed = Seed(**settings)
        task_ids: list[str] = self.call(lambda: self._server.app.service.seed(seed, region))
        return task_ids

    def set_quotas(self, quotas: Quotas) -> None:
        """Replace the request quotas.

        :param quotas: such as :data:`~airflow_polly_provider.emulator.base.quotas.AWS_QUOTAS`; empty for
            none.
        """
        checked = validate_quotas(quotas)
        self.call(lambda: self._server.app.service.quotas.set(checked))

    def advance_clock(self, seconds: float) -> None:
        """Set the clock forward, and let every task whose time has come change its status.

        :param seconds: by how much.
        """
        self.clock.advance(seconds)
        self.call(self._server.app.service.tick)

    def reset(self) -> None:
        """Forget all synthesis tasks, lexicons, faults and counts, and empty the buckets of the settings."""
        self.faults.clear()
        self.counters.reset()
        self.call(self._server.app.service.reset)
        for bucket in self._server.settings.buckets:
            self._server.app.service.aws.empty_bucket(bucket, self.region)

    def delete_buckets(self) -> None:
        """Delete the buckets of the settings, but those that another emulator of this process still uses.

        S3 is one for the whole process, and its objects would outlive the emulator.
        """
        for bucket in self._server.settings.buckets:
            if not _users[bucket]:
                self._server.app.service.aws.delete_bucket(bucket, self.region)

    def airflow_connection(self) -> str:
        """Give an AWS connection as JSON, for ``AIRFLOW_CONN_AWS_DEFAULT``."""
        return json.dumps(
            {
                "conn_type": "aws",
                "login": ACCESS_KEY,
                "password": SECRET_KEY,
                "extra": {"endpoint_url": self.endpoint_url, "region_name": self.region},
            }
        )

    def call(self, work: Callable[[], Any]) -> Any:
        """Run something on the emulator's event loop, where its memory may be touched, and wait for it.

        :param work: takes nothing; its result is handed back.
        """

        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_START_SECONDS)


@contextmanager
def running_emulator(*, clock: Clock | None = None, **settings: Any) -> Iterator[RunningEmulator]:
    """Serve an emulator for as long as the block lasts.

    :param clock: where its times come from; None for the machine's.
    :param settings: fields of :class:`~airflow_polly_provider.emulator.base.settings.Settings`; states change
        within tenths of a second, and one bucket is there, unless given.
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
