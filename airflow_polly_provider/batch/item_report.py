"""Collects the problems and the warnings of a batch's items."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

MAX_LISTED = 50
"""Maximum number of items that an error lists."""

_MAX_PROBLEM_CHARACTERS = 1_000
_MAX_WARNINGS = 20


class ItemProblems:
    """The problems of a batch's items, for one error."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._invalid = 0

    def add(self, item_id: str, problems: Sequence[str]) -> None:
        """Add an invalid item. Call it once for each.

        :param item_id: the item's id
        :param problems: what is wrong with the item; never its text
        """
        self._invalid += 1
        if len(self._lines) < MAX_LISTED:
            described = " ".join(problems)
            if len(described) > _MAX_PROBLEM_CHARACTERS:
                described = f"{described[:_MAX_PROBLEM_CHARACTERS]}…"
            self._lines.append(f"{item_id}: {described}")

    def raise_if_any(self, items: int) -> None:
        """Raise an error that lists the first fifty invalid items, and counts the others.

        :param items: number of items in the batch
        :raises PollyInvalidRequestError: an item is invalid
        """
        if not self._invalid:
            return
        more = self._invalid - len(self._lines)
        lines = [*self._lines, f"and {more:,} more"] if more else self._lines
        raise PollyInvalidRequestError(
            f"Invalid items: {self._invalid:,} of {items:,}. Nothing was sent. Correct these items (an item "
            "without an id is listed by its position, counted from 0):\n" + "\n".join(lines)
        )


class ItemWarnings:
    """The warnings of a batch's items. Each distinct one is logged once, with the number of its items."""

    def __init__(self) -> None:
        self.item_id = ""
        """The id of the item that is being checked."""
        self._first: dict[str, str] = {}
        self._items: dict[str, int] = {}

    def warn(self, message: str, *arguments: object) -> None:
        """Count a warning about the current item.

        :param message: the message, as for ``Logger.warning``
        :param arguments: the values for its placeholders
        """
        warning = message % arguments
        self._first.setdefault(warning, self.item_id)
        self._items[warning] = self._items.get(warning, 0) + 1

    def log_all(self) -> None:
        """Log the first twenty distinct warnings, and the number of the others."""
        for warning, count in list(self._items.items())[:_MAX_WARNINGS]:
            log.warning("%s (items: %d, first: %s)", warning, count, self._first[warning])
        if (more := len(self._items) - _MAX_WARNINGS) > 0:
            log.warning("Items of this batch have %d more warnings of this kind.", more)
