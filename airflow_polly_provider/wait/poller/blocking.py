"""Blocking calls from the event loop of a triggerer.

boto3 blocks, and so does Airflow's look-up of connections and XComs. For a look-up, a triggerer process sends
a message to its supervisor. All responses arrive on one stream, which only the triggerer's own event loop may
read. On Airflow 3.0 and 3.1, a look-up in a plain thread (``asyncio.to_thread``) reads that stream in a
second event loop, and the triggerer process dies: "Response read out of order" (apache/airflow issue 67380).
On every version, ``sync_to_async`` sends the look-up through the triggerer's own loop.

By default, ``sync_to_async`` uses one thread for all triggers of the process. With ``thread_sensitive=False``
alone, it uses asyncio's small thread pool. In both cases, a few endpoints that do not respond would stop all
other triggers. Therefore, each owner of blocking calls has its own thread.
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
    """Runs blocking calls one after the other, in its own thread.

    :param thread_name: prefix of the thread's name
    """

    def __init__(self, thread_name: str) -> None:
        self._thread_name = thread_name
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function in the thread and return its result. The thread starts with the first call.

        :param function: the function to call, followed by its arguments
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._thread_name)
        return await sync_to_async(function, thread_sensitive=False, executor=self._executor)(*args, **kwargs)

    def close(self) -> None:
        """End the thread without waiting for a running call. A later call starts a new thread."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
