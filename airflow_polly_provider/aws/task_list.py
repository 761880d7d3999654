"""The order of synthesis tasks in the responses of ListSpeechSynthesisTasks."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


def only_older_follow(page: Sequence[Mapping[str, Any]], not_before: datetime) -> bool:
    """Return whether all synthesis tasks on the pages after this page are too old.

    ListSpeechSynthesisTasks orders by creation date, but AWS does not document the direction. The result is
    True only if this page is sorted from newest to oldest and its last synthesis task is too old.

    :param page: the SynthesisTasks of one response, in its order
    :param not_before: synthesis tasks created before this time are too old
    """
    created = [task["CreationTime"] for task in page if "CreationTime" in task]
    newest_first = all(a >= b for a, b in itertools.pairwise(created)) and created[:1] > created[-1:]
    return newest_first and created[-1] < not_before
