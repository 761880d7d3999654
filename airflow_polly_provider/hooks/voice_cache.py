"""What DescribeVoices answered, kept for a while in this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from types_boto3_polly.type_defs import VoiceTypeDef

    from airflow_polly_provider.hooks.polly import PollyHook

LIFETIME_SECONDS = 60 * 60.0
"""How long an answer is taken for good: AWS adds voices every few months."""

MOST_KEPT = 16
"""Answers that are kept, some 30 kB each; the one that was not asked for longest goes first."""


class _Place(NamedTuple):
    """Where an answer came from."""

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
        self._kept: OrderedDict[_Place, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def voices_for(self, hook: PollyHook) -> Sequence[VoiceTypeDef]:
        """Return all voices that a hook's connection has in its region; not to be changed.

        :param hook: what to ask with, where no answer is kept
        """
        place = _Place(hook.aws_conn_id, hook.asked_region, hook.client.meta.endpoint_url)
        with self._lock:
            kept = self._kept.get(place)
            if kept is not None and self._clock() < kept.until:
                self._kept.move_to_end(place)
                return kept.voices
        # Not under the lock: two threads that ask at once cost a request, one that hangs would stop all.
        voices = tuple(hook.describe_voices())
        with self._lock:
            self._kept[place] = _Kept(voices, self._clock() + self._lifetime_seconds)
            self._kept.move_to_end(place)
            while len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        return voices

    def clear(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._kept.clear()


VOICE_CACHE = VoiceCache()
"""The process's own."""
