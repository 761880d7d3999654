"""The order of ListSpeechSynthesisTasks."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


def only_older_follow(page: Sequence[Mapping[str, Any]], not_before: datetime) -> bool:
    """Tell from a page of a list whether only tasks can follow that are too old.

    ListSpeechSynthesisTasks orders by creation date, in a direction that is not documented: so only where
    this page itself goes from newer to older, down to one that is too old.

    :param page: SynthesisTasks of one answer, in its order
    :param not_before: tasks created earlier are too old
    """
    created = [task["CreationTime"] for task in page if "CreationTime" in task]
    newest_first = all(a >= b for a, b in itertools.pairwise(created)) and created[:1] > created[-1:]
    return newest_first and created[-1] < not_before
