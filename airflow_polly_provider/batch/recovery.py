"""Finds out what earlier tries of a batch did, so that this try starts only what is missing or failed.

Two things tell it: the manifest, which was written before the first start, and the tokens in the output keys,
which show the synthesis tasks that were started after the manifest was last written.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.task_status import TERMINAL_STATUSES, TaskStatus
from airflow_polly_provider.batch.existing import in_threads
from airflow_polly_provider.batch.job import Job, is_record_of
from airflow_polly_provider.batch.manifest import ENDED, NOT_STARTED, STARTING
from airflow_polly_provider.batch.monitor import note_status, save_interval_seconds
from airflow_polly_provider.batch.starting import record_started
from airflow_polly_provider.batch.statuses import StatusReader
from airflow_polly_provider.exceptions import PollyConfigurationError
from airflow_polly_provider.settings import start_look_seconds, status_requests_per_second
from airflow_polly_provider.start.current_run import CLOCK_MARGIN
from airflow_polly_provider.start.task_search import TokenSearch
from airflow_polly_provider.wait.errors import CHECK_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow_polly_provider.batch.manifest import ItemRecord, Manifest
    from airflow_polly_provider.hooks.polly import PollyHook
    from airflow_polly_provider.start.current_run import CurrentRun

log = logging.getLogger(__name__)

_SEARCH_AGAIN_SECONDS = 5.0


def with_earlier_records(jobs: Sequence[Job], earlier: Manifest) -> list[Job]:
    """Return jobs with the records of an earlier try, as far as their items have not changed.

    :param jobs: the items of this try with new records
    :param earlier: the manifest that the earlier try wrote
    """
    known = {record.id: record for record in earlier.records}
    found = []
    for job in jobs:
        record = known.get(job.record.id)
        found.append(job if record is None or not is_record_of(record, job.item) else Job(job.item, record))
    return found


def continues(earlier: Manifest, run: CurrentRun, run_token: str, *, keeps_delivered: bool = False) -> bool:
    """Return whether a try continues the work that a manifest records.

    A task that was cleared after it had delivered every item starts everything again, like the start
    operator. A retry, or a task that was cleared before it had delivered every item, continues. A run that
    was deleted and created again has the same id as before, but began at another time.

    :param earlier: the manifest of this task in this run
    :param run: the DAG run and the try
    :param run_token: the token of this task instance, which changes when the task is cleared
    :param keeps_delivered: whether to continue even if every item was delivered
    """
    # Clearing an ended run changes the time too, but then this is not the first try.
    if run.try_number == 1 and earlier.began != run.began:
        return False
    return (
        keeps_delivered
        or earlier.try_token == run_token
        or not all(
            # A task that does not wait has delivered an item as soon as it is started.
            record.finished or (earlier.phase == ENDED and is_running(record))
            for record in earlier.records
        )
    )


class Recovery:
    """Brings the records of earlier tries up to date.

    :param hook: the hook that sends the requests
    :param manifest: the state of the batch, with the records of earlier tries
    :param has_output: returns whether the object of a completed synthesis task exists; called in threads
    """

    def __init__(
        self,
        hook: PollyHook,
        manifest: Manifest,
        *,
        has_output: Callable[[ItemRecord, Mapping[str, Any]], bool],
    ) -> None:
        self._hook = hook
        self._manifest = manifest
        self._has_output = has_output
        created = datetime.fromisoformat(manifest.created)
        self._not_before = created - CLOCK_MARGIN
        self._token_search = TokenSearch(hook, not_before=self._not_before)

    def search(self, records: Iterable[ItemRecord]) -> dict[str, Mapping[str, Any]]:
        """Return the synthesis tasks that can be adopted, by item id, found by the tokens in one search.

        A synthesis task can be adopted unless it failed, or completed and its object no longer exists.

        :param records: the records of items whose synthesis task is not known
        :raises PollyConfigurationError: the permission to list synthesis tasks is missing
        """
        wanted = {(record.bucket, str(self._manifest.prefix_of(record))): record for record in records}
        found = self._token_search.find_all(wanted)
        candidates = [
            (wanted[place], synthesis_task)
            for place, synthesis_tasks in found.items()
            for synthesis_task in synthesis_tasks
        ]
        adoptable: dict[str, Mapping[str, Any]] = {}
        for (record, synthesis_task), fits in in_threads(self._is_adoptable, candidates):
            if fits:
                adoptable.setdefault(record.id, synthesis_task)
        return adoptable

    def _is_adoptable(self, candidate: tuple[ItemRecord, Mapping[str, Any]]) -> bool:
        record, synthesis_task = candidate
        status = synthesis_task.get("TaskStatus")
        if status == TaskStatus.COMPLETED:
            return self._has_output(record, synthesis_task)
        return status != TaskStatus.FAILED

    def validate_may_list(self) -> None:
        """Check that the account's synthesis tasks can be listed. Without a list, no retry could find them.

        :raises PollyConfigurationError: the permission is missing; nothing was started
        """
        try:
            self._hook.list_speech_synthesis_tasks_page(page_size=1)
        except PollyConfigurationError as denied:
            raise PollyConfigurationError(
                "Nothing was started: the account's synthesis tasks cannot be listed, so a retry could not "
                f"find those that this try would start: {denied} Or set durable=False, and accept that a "
                "retry may pay for some items again."
            ) from denied
        except CHECK_ERRORS as error:
            log.info("Cannot check whether the account's synthesis tasks can be listed: %s", error)

    def update_running(self, records: Iterable[ItemRecord]) -> None:
        """Read the statuses of the synthesis tasks that an earlier try left running.

        A synthesis task that Polly no longer knows counts as not started.

        :param records: the records of all items
        """
        running = {str(record.task_id): record for record in records if is_running(record)}
        reader = StatusReader(
            self._hook,
            not_before=self._not_before,
            requests_per_second=status_requests_per_second(),
        )
        synthesis_tasks = reader.read(list(running))
        for task_id, record in running.items():
            if (synthesis_task := synthesis_tasks.get(task_id)) is None:
                log.warning("Polly no longer knows synthesis task %s of item %s", task_id, record.id)
                reset(record)
            else:
                note_status(record, synthesis_task)

    def find_started(
        self, records: Sequence[ItemRecord], *, repeat: bool, before_each: Callable[[], None]
    ) -> None:
        """Find the synthesis tasks that an earlier try started after it had last saved the manifest.

        :param records: the records of the items that are not known to be started
        :param repeat: whether to repeat the search until every start of an earlier try must be listed.
            Otherwise, one search is made
        :param before_each: called while waiting
        """
        until = time.monotonic()
        if repeat:
            # An earlier try that is still running learns within the interval that it was replaced.
            until += save_interval_seconds() + start_look_seconds()
        missing = list(records)
        while missing:
            began = time.monotonic()
            found = self.search(missing)
            for record in missing:
                if (synthesis_task := found.get(record.id)) is not None:
                    record_started(record, synthesis_task)
            if found:
                log.info("Found %d synthesis tasks that an earlier try of this run started", len(found))
            missing = [record for record in missing if record.id not in found]
            # A search can take long, and reads each list only once.
            if began >= until:
                return
            before_each()
            time.sleep(min(_SEARCH_AGAIN_SECONDS, max(0.0, until - time.monotonic())))


def reset(record: ItemRecord) -> None:
    """Make a record that of an item that was not started.

    :param record: the record
    """
    record.status = NOT_STARTED
    record.task_id = record.output_uri = record.reason = record.seconds = None
    record.request_characters = record.spoken_characters = None
    record.unchanged = record.finished = False


def may_have_unknown_starts(earlier: Manifest | None) -> bool:
    """Return whether an earlier try may have started synthesis tasks that its manifest does not contain.

    :param earlier: the manifest of the earlier try
    """
    return earlier is not None and earlier.phase == STARTING


def now() -> str:
    """Return the current time in ISO 8601, in UTC."""
    return datetime.now(tz=UTC).isoformat(timespec="seconds")


def is_running(record: ItemRecord) -> bool:
    """Return whether an item's synthesis task was started and has not ended, as far as is known.

    :param record: the record
    """
    return record.task_id is not None and record.status not in TERMINAL_STATUSES
