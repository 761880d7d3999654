"""Computes how long to wait before a failed request is repeated."""

from __future__ import annotations

import random


def full_jitter(failures: int, longest: float) -> float:
    """Return a random pause in seconds. Its upper limit doubles with each failure.

    If many requests fail at the same time, the random pauses spread the retries over time.

    :param failures: how many requests in a row have failed, 1 or more
    :param longest: the highest upper limit, in seconds; the limit stops growing there
    """
    return random.uniform(0, min(longest, 2.0**failures))
