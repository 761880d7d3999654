"""The emulator's clock. A test can set the clock forward by 72 hours instead of waiting."""

from __future__ import annotations

import time

LONGEST_SECONDS = 100 * 366 * 86400
"""One century. Python's dates cannot represent every time that is further in the future."""


class Clock:
    """The machine's clock plus an offset, which can be increased."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def time(self) -> float:
        """Return the current time in seconds since the epoch."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Set the clock forward.

        :param seconds: the number of seconds, from 0 to a century. Negative numbers are not allowed, because
            a synthesis task never returns to an earlier status.
        :raises ValueError: if ``seconds`` is outside this range.
        """
        if not 0 <= seconds <= LONGEST_SECONDS:
            raise ValueError(f"The clock can only move forward, by at most a century; got {seconds} seconds")
        self._ahead += seconds
