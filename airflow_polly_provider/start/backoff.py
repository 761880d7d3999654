"""The pause between two requests of which the first failed."""

from __future__ import annotations

import random


def full_jitter(failures: int, longest: float) -> float:
    """Return a random pause in seconds, whose upper limit doubles with each failure.

    Of many requests that failed together, few then come together again.

    :param failures: how many requests in a row have failed, 1 or more
    :param longest: the highest upper limit, in seconds
    """
    return random.uniform(0, min(longest, 2.0**failures))
