"""The look for a token among the account's synthesis tasks.

ListSpeechSynthesisTasks filters by status and pages by 100; a look goes through the unfinished tasks first,
then through the finished ones back to a time before which the token cannot have been used.
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

# A task that moves on while it is looked for is met again in a later status, never missed.
_STATUSES = (TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS, TaskStatus.COMPLETED, TaskStatus.FAILED)
_UNFINISHED = frozenset({TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS})

PAGES_PER_SECOND = 2.0
"""A fifth of AWS's quota for Get and List together, since several looks may run at once."""
_PAGE_PATIENCE_SECONDS = 30 * 60.0
_UNUSABLE_PAGE_PATIENCE_SECONDS = 60.0
"""How long a page is asked for while a proxy answers in Polly's place: it is likely to go on."""

LONGEST_BACK_OFF_SECONDS = 90.0
"""The longest pause after a list request failed.

Hundreds of looks at once then send little more than the 10 requests a second that the service accepts.
"""


class TokenSearch:
    """Finds the synthesis tasks of a run whose output's key begins with a prefix that holds a token.

    Requests for one search: four at least, and one more for each further 100 tasks of a status. Finished
    tasks older than ``not_before`` end their list where the service gives the newest first; where it does
    not, all of the last 72 hours are gone through (1,000 requests for 100,000 tasks).

    :param hook: what to ask with
    :param bucket: the output bucket
    :param not_before: no task that was started earlier is meant: a run that was deleted and created again has
        the tokens of the first one
    """

    def __init__(self, hook: PollyHook, bucket: str, *, not_before: datetime) -> None:
        self._hook = hook
        self._bucket = bucket
        self._not_before = not_before
        self._next_page_at = 0.0

    def find(self, key_prefix: str) -> list[Any]:
        """Return the first matching SynthesisTasks that did not fail, or else all that failed.

        :param key_prefix: the request's ``OutputS3KeyPrefix``, with its token
        :raises PollyConfigurationError: the tasks may not be listed
        :raises PollyIncompleteAnswerError: for a minute, the answer could not be used
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
                log.warning("Cannot list synthesis tasks now, and asks again: %s", error)
                time.sleep(full_jitter(failures, LONGEST_BACK_OFF_SECONDS))
