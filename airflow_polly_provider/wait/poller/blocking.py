"""Blocking calls from the event loop of a triggerer.

boto3, and Airflow's look-up of connections and XComs, block. A look-up in a triggerer process is a message to
its supervisor, over one stream that the triggerer's own event loop reads. On Airflow 3.0 and 3.1 a look-up in
a plain thread (``asyncio.to_thread``) reads that stream in a second event loop, and the triggerer process
dies: "Response read out of order" (apache/airflow issue 67380). ``sync_to_async`` sends it through the
triggerer's own loop, on every version.

By default ``sync_to_async`` shares one thread among all triggers of the process, and with
``thread_sensitive=False`` alone it shares asyncio's small pool: a few endpoints that hang would stop every
other trigger. So each owner of blocking calls has a thread of its own.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


class BlockingCalls:
    """Run blocking calls one after the other, in a thread that nobody else uses.

    :param thread_name: the beginning of the thread's name
    """

    def __init__(self, thread_name: str) -> None:
        self._thread_name = thread_name
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the function returns. The thread starts with the first call.

        :param function: what to call; its arguments follow
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._thread_name)
        return await sync_to_async(function, thread_sensitive=False, executor=self._executor)(*args, **kwargs)

    def close(self) -> None:
        """End the thread, without waiting for a call that is still running; a later call starts a new one."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
