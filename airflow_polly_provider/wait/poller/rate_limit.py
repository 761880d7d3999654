"""The rate at which one process may send requests."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SLOWEST_REQUESTS_PER_SECOND = 0.1
_RECOVERY_SECONDS = 60.0
_SETTLE_SECONDS = 1.0


class AdaptiveRate:
    """A token bucket whose rate halves when the service throttles, and then recovers steadily.

    The method is known as additive increase, multiplicative decrease (AIMD). With it, several processes that
    share one quota reach equal shares of the quota without communicating.

    :param requests_per_second: the highest rate
    :param clock: returns monotonic seconds, such as ``time.monotonic``; default: the time of the running
        event loop
    """

    def __init__(self, requests_per_second: float, *, clock: Callable[[], float] | None = None) -> None:
        self.highest = requests_per_second
        self.current = requests_per_second
        self._clock = clock or asyncio.get_running_loop().time
        self._next_slot = self._recovered_at = self._clock()
        self._decreased_at = float("-inf")

    async def acquire(self) -> None:
        """Wait until the next request may be sent."""
        if (delay := self.reserve()) > 0:
            await asyncio.sleep(delay)

    def reserve(self) -> float:
        """Reserve the next moment at which a request may be sent, and return the seconds until then."""
        now = self._clock()
        self._recover(now)
        slot = max(self._next_slot, now)
        # Jitter prevents several processes from sending their requests at the same moments.
        self._next_slot = slot + random.uniform(0.8, 1.2) / self.current
        return slot - now

    def throttled(self) -> None:
        """Record that the service throttled a request, and halve the rate."""
        now = self._clock()
        # One overload can throttle several requests, but the rate is halved only once.
        if now - self._decreased_at >= _SETTLE_SECONDS:
            self.current = max(SLOWEST_REQUESTS_PER_SECOND, self.current / 2)
            self._decreased_at = self._recovered_at = now

    def _recover(self, now: float) -> None:
        step = self.highest * (now - self._recovered_at) / _RECOVERY_SECONDS
        self.current = min(self.highest, self.current + step)
        self._recovered_at = now
