"""The clock that every time in the emulator comes from, so that a test need not wait 72 hours."""

from __future__ import annotations

import time

LONGEST_SECONDS = 100 * 366 * 86400
"""A century: times further away cannot all be written as dates."""


class Clock:
    """The machine's clock, which can be set forward."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def time(self) -> float:
        """Give the current time in seconds since the epoch."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Set the clock forward.

        :param seconds: by how much; not negative, since tasks never go back a state.
        :raises ValueError: for what is not a finite number from 0 on.
        """
        if not 0 <= seconds <= LONGEST_SECONDS:
            raise ValueError(f"The clock goes forward, by a century at most; got {seconds} seconds")
        self._ahead += seconds
