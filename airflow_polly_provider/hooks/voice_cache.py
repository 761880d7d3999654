"""A cache of DescribeVoices responses in this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from types_boto3_polly.type_defs import VoiceTypeDef


LIFETIME_SECONDS = 60 * 60.0
"""Lifetime of a cached response. AWS adds voices every few months."""

MOST_KEPT = 16
"""Maximum number of cached responses, about 30 kB each. The least recently used one is evicted first."""


class VoiceSource(NamedTuple):
    """The source of a response, used as its key in the cache.

    :param aws_conn_id: connection of the request
    :param region: region of the request
    :param endpoint_url: URL of the Polly endpoint of AWS or of an emulator
    """

    aws_conn_id: str | None
    region: str
    endpoint_url: str


class _Kept(NamedTuple):
    """A cached response, and the time on the monotonic clock when it expires."""

    voices: Sequence[VoiceTypeDef]
    until: float


class VoiceCache:
    """A cache of the voices that this process has requested, by connection, region and endpoint.

    :param lifetime_seconds: lifetime of a response, in seconds
    :param most_kept: maximum number of responses in the cache
    :param clock: function that returns a monotonic time in seconds
    """

    def __init__(
        self,
        *,
        lifetime_seconds: float = LIFETIME_SECONDS,
        most_kept: int = MOST_KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lifetime_seconds = lifetime_seconds
        self._most_kept = most_kept
        self._clock = clock
        self._kept: OrderedDict[VoiceSource, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def voices_of(
        self, source: VoiceSource, fetch: Callable[[], Iterable[VoiceTypeDef]]
    ) -> Sequence[VoiceTypeDef]:
        """Return all voices of a source. Do not modify the result, because it is shared.

        :param source: connection, region and endpoint of the voices
        :param fetch: function that requests the voices; called if the cache has no valid response
        """
        with self._lock:
            kept = self._kept.get(source)
            if kept is not None and self._clock() < kept.until:
                self._kept.move_to_end(source)
                return kept.voices
        # The request is sent without the lock, because a request that hangs would otherwise block all
        # threads. Two threads that miss the cache at the same time therefore send two requests.
        voices = tuple(fetch())
        with self._lock:
            self._kept[source] = _Kept(voices, self._clock() + self._lifetime_seconds)
            self._kept.move_to_end(source)
            while len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        return voices

    def clear(self) -> None:
        """Remove all responses from the cache."""
        with self._lock:
            self._kept.clear()


VOICE_CACHE = VoiceCache()
"""The cache of this process."""
