"""Search for a token among the account's synthesis tasks.

ListSpeechSynthesisTasks filters by status and returns pages of 100. A search reads the unfinished synthesis
tasks first. It then reads the finished ones, back to the earliest time when the token could have been used.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.aws.task_list import only_older_follow
from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.exceptions import PollyIncompleteAnswerError
from airflow_polly_provider.start.backoff import full_jitter
from airflow_polly_provider.wait.errors import CHECK_ERRORS, is_worth_a_new_look_up, wait_goes_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from airflow_polly_provider.hooks.polly import PollyHook

log = logging.getLogger(__name__)

# In this order, the search misses no synthesis task whose status changes meanwhile: a later list contains it.
_STATUSES = (TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS, TaskStatus.COMPLETED, TaskStatus.FAILED)
_UNFINISHED = frozenset({TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS})

PAGES_PER_SECOND = 2.0
"""A fifth of the AWS quota that Get and List share, because several searches may run at once."""
_PAGE_PATIENCE_SECONDS = 30 * 60.0
_UNUSABLE_PAGE_PATIENCE_SECONDS = 60.0
"""How long to retry if a proxy responds instead of Polly. More retries would probably not help."""

LONGEST_BACK_OFF_SECONDS = 90.0
"""The longest pause after a list request failed.

With it, even hundreds of simultaneous searches send only slightly more than the 10 requests per second that
the service accepts.
"""


class TokenSearch:
    """Finds the synthesis tasks of a run by their output key, which begins with the prefix and token.

    A search takes at least four requests, and one more for each additional 100 synthesis tasks with the
    same status. If the service lists the newest first, the search skips finished synthesis tasks older than
    ``not_before``. Otherwise, the search reads all synthesis tasks of the last 72 hours (1,000 requests for
    100,000 synthesis tasks).

    :param hook: the hook that sends the requests
    :param bucket: the output bucket
    :param not_before: synthesis tasks created before this time do not belong to this run. A run that was
        deleted and created again has the same tokens as the deleted one
    """

    def __init__(self, hook: PollyHook, bucket: str, *, not_before: datetime) -> None:
        self._hook = hook
        self._bucket = bucket
        self._not_before = not_before
        self._next_page_at = 0.0

    def find(self, key_prefix: str) -> list[Any]:
        """Return the first matching SynthesisTasks that did not fail. If all failed, return all of them.

        :param key_prefix: the request's ``OutputS3KeyPrefix``, with its token
        :raises PollyConfigurationError: the permission to list synthesis tasks is missing
        :raises PollyIncompleteAnswerError: all responses were unusable for a minute
        """
        found: dict[str, Any] = {}
        for status in _STATUSES:
            for page in self._pages(status):
                found.update((task["TaskId"], task) for task in page if self._matches(task, key_prefix))
                if found and status is not TaskStatus.FAILED:
                    return list(found.values())
        return list(found.values())

    def _matches(self, synthesis_task: Any, key_prefix: str) -> bool:
        output_uri, created = synthesis_task.get("OutputUri"), synthesis_task.get("CreationTime")
        if not output_uri or (created is not None and created < self._not_before):
            return False
        try:
            output = parse_output_uri(output_uri)
        except ValueError:
            return False
        return output.bucket == self._bucket and output.key.startswith(f"{key_prefix}.")

    def _pages(self, status: TaskStatus) -> Iterator[Sequence[Any]]:
        token: str | None = None
        while True:
            page = self._page(status, token)
            tasks = page["SynthesisTasks"]
            yield tasks
            token = page.get("NextToken")
            if not token or (status not in _UNFINISHED and only_older_follow(tasks, self._not_before)):
                return

    def _page(self, status: TaskStatus, token: str | None) -> Any:
        began = time.monotonic()
        failures = 0
        while True:
            time.sleep(max(0.0, self._next_page_at - time.monotonic()))
            self._next_page_at = time.monotonic() + 1 / PAGES_PER_SECOND
            try:
                return self._hook.list_speech_synthesis_tasks_page(status=status.value, next_token=token)
            except CHECK_ERRORS as error:
                waited = time.monotonic() - began
                renews = is_worth_a_new_look_up(error)
                if renews:
                    self._hook.renew()
                goes_on = wait_goes_on(error, waited) or (renews and not failures)
                is_unusable = isinstance(error, PollyIncompleteAnswerError)
                patience = _UNUSABLE_PAGE_PATIENCE_SECONDS if is_unusable else _PAGE_PATIENCE_SECONDS
                if not goes_on or waited >= patience:
                    raise
                failures += 1
                pause = full_jitter(failures, LONGEST_BACK_OFF_SECONDS)
                log.warning("Cannot list synthesis tasks now (%s). Retrying in %.1f s", error, pause)
                time.sleep(pause)
