"""Measures a process: its CPU time, its memory and the delays of its event loop."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import psutil

if TYPE_CHECKING:
    from types import TracebackType

_FEEL_EVERY_SECONDS = 0.02
_START_SECONDS = 5.0
_MEBIBYTE = 2**20


@dataclass
class Stalls:
    """Delays of the event loop.

    A delay in wall-clock time includes the time in which other processes used the cores. The CPU time of the
    loop's own thread includes only code that ran on the loop without interruption.
    """

    longest: float = 0.0
    longest_own: float = 0.0

    def note(self, late: float, spent: float) -> None:
        """Record one wake-up of the event loop.

        :param late: delay in wall-clock seconds
        :param spent: CPU seconds of the loop's thread
        """
        self.longest = max(self.longest, late)
        self.longest_own = max(self.longest_own, min(late, spent))


@dataclass
class Meter:
    """Measures the process of the running event loop during the ``async with`` block."""

    start: Stalls = field(default_factory=Stalls)
    later: Stalls = field(default_factory=Stalls)
    cpu_seconds: float = 0.0
    rss_growth_mib: float = 0.0

    async def __aenter__(self) -> Self:
        self._process = psutil.Process()
        self._rss = self._process.memory_info().rss
        self._began, self._cpu = time.monotonic(), time.process_time()
        self._feeler = asyncio.create_task(self._feel())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._feeler.cancel()
        self.cpu_seconds = time.process_time() - self._cpu
        self._weigh()

    async def _feel(self) -> None:
        weighed = 0.0
        while True:
            before, spent = time.monotonic(), time.thread_time()
            await asyncio.sleep(_FEEL_EVERY_SECONDS)
            now = time.monotonic()
            stalls = self.start if before - self._began < _START_SECONDS else self.later
            stalls.note(now - before - _FEEL_EVERY_SECONDS, time.thread_time() - spent)
            if now - weighed > 1:
                self._weigh()
                weighed = now

    def _weigh(self) -> None:
        grown = (self._process.memory_info().rss - self._rss) / _MEBIBYTE
        self.rss_growth_mib = max(self.rss_growth_mib, grown)

    def as_dict(self) -> dict[str, Any]:
        """Return the results as a JSON-compatible dict."""
        return {
            "cpu_seconds": self.cpu_seconds,
            "rss_growth_mib": self.rss_growth_mib,
            "stall_start": self.start.longest,
            "stall_start_own": self.start.longest_own,
            "stall_later": self.later.longest,
            "stall_later_own": self.later.longest_own,
        }
