"""What DescribeVoices answered, kept for a while in this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from types_boto3_polly.type_defs import VoiceTypeDef


LIFETIME_SECONDS = 60 * 60.0
"""How long an answer is taken for good: AWS adds voices every few months."""

MOST_KEPT = 16
"""Answers that are kept, some 30 kB each; the one that was not asked for longest goes first."""


class VoiceSource(NamedTuple):
    """Where an answer came from.

    :param aws_conn_id: the connection that asked
    :param region: the region that was asked
    :param endpoint_url: Polly's address, which is not AWS's own where an emulator answers
    """

    aws_conn_id: str | None
    region: str
    endpoint_url: str


class _Kept(NamedTuple):
    """An answer, and until when it is good on the monotonic clock."""

    voices: Sequence[VoiceTypeDef]
    until: float


class VoiceCache:
    """The voices of each connection and region that this process has asked.

    :param lifetime_seconds: how long an answer is good
    :param most_kept: how many answers are kept
    :param clock: tells seconds, and never goes back
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
        """Return all voices of a source; not to be changed.

        :param source: where they are
        :param fetch: asks for them, where no answer is kept
        """
        with self._lock:
            kept = self._kept.get(source)
            if kept is not None and self._clock() < kept.until:
                self._kept.move_to_end(source)
                return kept.voices
        # Not under the lock: two threads that ask at once cost a request, one that hangs would stop all.
        voices = tuple(fetch())
        with self._lock:
            self._kept[source] = _Kept(voices, self._clock() + self._lifetime_seconds)
            self._kept.move_to_end(source)
            while len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        return voices

    def clear(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._kept.clear()


VOICE_CACHE = VoiceCache()
"""The process's own."""
