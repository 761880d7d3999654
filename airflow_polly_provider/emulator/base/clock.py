"""The clock that every time in the emulator comes from, so that a test need not wait 72 hours."""

from __future__ import annotations

import time


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
        """
        if seconds < 0:
            raise ValueError(f"The clock only goes forward; got {seconds} seconds")
        self._ahead += seconds
