"""Search for tokens among the account's synthesis tasks.

ListSpeechSynthesisTasks filters by status and returns pages of 100. A search reads the unfinished synthesis
tasks first. It then reads the finished ones, back to the earliest time when the tokens could have been used.
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
    from collections.abc import Collection, Iterator, Sequence
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
    """Finds the synthesis tasks of a run by their output keys, which begin with the prefix and token.

    A search takes at least four requests, and one more for each additional 100 synthesis tasks with the
    same status, for one token as for many. If the service lists the newest first, the search skips finished
    synthesis tasks older than ``not_before``. Otherwise, the search reads all synthesis tasks of the last 72
    hours (1,000 requests for 100,000 synthesis tasks).

    :param hook: the hook that sends the requests
    :param not_before: synthesis tasks created before this time do not belong to this run. A run that was
        deleted and created again has the same tokens as the deleted one
    """

    def __init__(self, hook: PollyHook, *, not_before: datetime) -> None:
        self._hook = hook
        self._not_before = not_before
        self._next_page_at = 0.0

    def find(self, bucket: str, key_prefix: str) -> list[Any]:
        """Return the first matching SynthesisTasks that did not fail. If all failed, return all of them.

        :param bucket: the output bucket
        :param key_prefix: the request's ``OutputS3KeyPrefix``, with its token
        :raises PollyConfigurationError: the permission to list synthesis tasks is missing
        :raises PollyIncompleteAnswerError: all responses were unusable for a minute
        """
        output = (bucket, key_prefix)
        return self.find_all([output])[output]

    def find_all(self, outputs: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[Any]]:
        """Return the matching SynthesisTasks of each output. Search the account's lists only once.

        The search ends as soon as each output has a synthesis task that did not fail. Therefore, the result
        for an output may lack further synthesis tasks. An output without a synthesis task has an empty list.

        :param outputs: the output buckets, each with an ``OutputS3KeyPrefix`` that contains a token
        :raises PollyConfigurationError: the permission to list synthesis tasks is missing
        :raises PollyIncompleteAnswerError: all responses were unusable for a minute
        """
        found: dict[tuple[str, str], dict[str, Any]] = {output: {} for output in outputs}
        missing = set(found)
        for status in _STATUSES:
            if not missing:
                break
            for page in self._pages(status):
                for task in page:
                    if (output := self._output_of(task, found)) is not None:
                        found[output][task["TaskId"]] = task
                        if status is not TaskStatus.FAILED:
                            missing.discard(output)
                if not missing:
                    break
        return {output: list(tasks.values()) for output, tasks in found.items()}

    def _output_of(self, synthesis_task: Any, outputs: Collection[tuple[str, str]]) -> tuple[str, str] | None:
        """Return the output that a synthesis task writes to: its key begins with the prefix and a dot."""
        output_uri, created = synthesis_task.get("OutputUri"), synthesis_task.get("CreationTime")
        if not output_uri or (created is not None and created < self._not_before):
            return None
        try:
            bucket, prefix = parse_output_uri(output_uri)
        except ValueError:
            return None
        # A key ends in .TaskId.ext, but the prefix can contain dots too. The longest prefix is the right one.
        while "." in prefix:
            prefix = prefix.rpartition(".")[0]
            if (bucket, prefix) in outputs:
                return bucket, prefix
        return None

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
