"""Starts the synthesis tasks of many items at the rate of the quotas.

The main thread decides what is sent and when, and handles every response. The threads of a pool only send one
request each, because a response may take longer than the pause between two requests.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from airflow_polly_provider.aws.errors import is_throttling
from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyConnectionNotFoundError,
    PollyCredentialsError,
    PollyInvalidRequestError,
)
from airflow_polly_provider.request.billing import account_for
from airflow_polly_provider.request.voices import DEFAULT_ENGINE
from airflow_polly_provider.settings import start_requests_per_second
from airflow_polly_provider.start.backoff import full_jitter
from airflow_polly_provider.start.retry import (
    LONGEST_BACK_OFF_SECONDS,
    MAY_HAVE_STARTED,
    THROTTLED_PATIENCE_SECONDS,
    patience_with,
    raise_if_unverified,
)
from airflow_polly_provider.wait.poller.rate_limit import AdaptiveRate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from airflow_polly_provider.batch.job import Job
    from airflow_polly_provider.batch.manifest import ItemRecord
    from airflow_polly_provider.exceptions import (
        PollyError,
    )
    from airflow_polly_provider.hooks.polly import PollyHook

log = logging.getLogger(__name__)

THREADS = 10
"""Number of start requests that may be under way, and botocore's default number of connections."""

MAX_LOST_IN_A_ROW = 5
"""After so many lost responses in a row, no further request is sent before they are resolved."""

_MAX_LOST_FOR_ITEM = 5
_TICK_SECONDS = 1.0
_SEARCH_AGAIN_SECONDS = 5.0


class _Lost(NamedTuple):
    """A start request whose response was lost."""

    job: Job
    at: float
    error: Exception


class BatchStarter:
    """Starts the synthesis tasks of jobs, and writes the outcome into their records.

    :param hook: the hook that sends the requests
    :param prefix_of: returns the ``OutputS3KeyPrefix`` of a record as it is sent
    :param search: returns the synthesis tasks of records by item id, searched by their tokens; None if the
        requests contain no token
    :param look_seconds: how long to search for a synthesis task after its response was lost
    :param before_each: called before each request and while waiting; it saves the manifest and checks running
        items. An error that it raises ends the start
    """

    def __init__(
        self,
        hook: PollyHook,
        *,
        prefix_of: Callable[[ItemRecord], str | None],
        search: Callable[[Sequence[ItemRecord]], Mapping[str, Mapping[str, Any]]] | None,
        look_seconds: float,
        before_each: Callable[[], None],
    ) -> None:
        self._hook = hook
        self._prefix_of = prefix_of
        self._search = search
        self._look_seconds = look_seconds
        self._before_each = before_each
        self._waiting: dict[str, deque[Job]] = {}
        self._rates: dict[str, AdaptiveRate] = {}
        self._due: dict[str, float] = {}
        self._under_way: dict[Future[Any], Job] = {}
        self._lost: list[_Lost] = []
        self._lost_in_a_row = 0
        self._lost_times: dict[str, int] = {}
        self._paused_until = 0.0
        self._failures = 0
        self._failing_since: float | None = None
        self._patience = 0.0
        self._same_since = 0.0
        self._must_renew = False
        self._renewed = False
        self.started = 0
        """Number of synthesis tasks that this object started."""

    def start(self, jobs: Iterable[Job]) -> None:
        """Start the synthesis tasks. A job that Polly rejects gets the status ``failed``.

        :param jobs: the jobs, in the order in which to start them
        :raises PollyConfigurationError: a permission or region is missing, or lost responses cannot be
            resolved because the account's synthesis tasks cannot be listed
        :raises PollyError: the credentials are rejected, or responses were lost again and again
        :raises ClientError: throttling for an hour
        :raises ConnectionError: Polly could not be reached for minutes
        """
        for job in jobs:
            self._enqueue(job)
        # Created here, in the main thread: only there can an Airflow task look up connections.
        _ = self._hook.client_without_retries
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="polly-start")
        try:
            while self._has_waiting() or self._under_way or self._lost:
                self._before_each()
                if self._must_renew and not self._under_way:
                    self._renew()
                elif self._must_resolve():
                    self._resolve_lost()
                else:
                    self._submit_due(pool)
                    self._collect(self._pause())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            self._collect_after_error()

    def _enqueue(self, job: Job, *, first: bool = False) -> None:
        engine = job.record.engine or DEFAULT_ENGINE
        if engine not in self._waiting:
            self._waiting[engine] = deque()
            self._rates[engine] = AdaptiveRate(start_requests_per_second(engine), clock=time.monotonic)
            self._due[engine] = time.monotonic() + self._rates[engine].reserve()
        if first:
            self._waiting[engine].appendleft(job)
        else:
            self._waiting[engine].append(job)

    def _has_waiting(self) -> bool:
        return any(self._waiting.values())

    def _must_resolve(self) -> bool:
        """Return whether to resolve lost responses now: none is under way, and no other may be sent."""
        if not self._lost or self._under_way:
            return False
        return self._lost_in_a_row >= MAX_LOST_IN_A_ROW or not self._has_waiting()

    def _submit_due(self, pool: ThreadPoolExecutor) -> None:
        for engine, waiting in self._waiting.items():
            while waiting and self._may_send() and self._due[engine] <= time.monotonic():
                job = waiting.popleft()
                self._due[engine] = time.monotonic() + self._rates[engine].reserve()
                request = {**job.item.request, "OutputS3KeyPrefix": self._prefix_of(job.record)}
                if request["OutputS3KeyPrefix"] is None:
                    del request["OutputS3KeyPrefix"]
                self._under_way[pool.submit(self._hook.start_speech_synthesis_task, request)] = job

    def _may_send(self) -> bool:
        return (
            len(self._under_way) < THREADS
            and not self._must_renew
            and self._lost_in_a_row < MAX_LOST_IN_A_ROW
            and time.monotonic() >= self._paused_until
        )

    def _pause(self) -> float:
        """Return how long to wait for responses before the next request may be sent, in seconds."""
        if self._must_renew or len(self._under_way) >= THREADS or self._lost_in_a_row >= MAX_LOST_IN_A_ROW:
            return _TICK_SECONDS
        dues = [self._due[engine] for engine, waiting in self._waiting.items() if waiting]
        next_at = max(min(dues, default=time.monotonic() + _TICK_SECONDS), self._paused_until)
        return min(max(0.0, next_at - time.monotonic()), _TICK_SECONDS)

    def _collect(self, seconds: float) -> None:
        if not self._under_way:
            if self._has_waiting():
                time.sleep(seconds)
            return
        done, _ = wait(self._under_way, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in done:
            self._note(self._under_way.pop(future), future)

    def _collect_after_error(self) -> None:
        """Record the responses that arrived while an error ended the start, so that they are not lost."""
        for future, job in self._under_way.items():
            if not future.cancelled() and future.exception() is None:
                self._accept(job, future.result())
        self._under_way.clear()

    def _note(self, job: Job, future: Future[Any]) -> None:
        try:
            synthesis_task = future.result()
        except PollyCredentialsError as error:
            self._enqueue(job, first=True)
            if self._renewed or isinstance(error, PollyConnectionNotFoundError):
                raise
            self._must_renew = True
        except MAY_HAVE_STARTED as error:
            raise_if_unverified(error)
            if patience_with(error) > 0:
                self._enqueue(job, first=True)
                self._back_off(job, error)
            else:
                self._note_lost(job, error)
        except PollyInvalidRequestError as error:
            fail(job.record, error)
            log.warning("Item %s was rejected: %s", job.record.id, error)
        else:
            self._accept(job, synthesis_task)

    def _renew(self) -> None:
        """Look up the credentials again. No request that was sent with the old ones is under way."""
        self._hook.renew()
        _ = self._hook.client_without_retries
        self._must_renew = False
        self._renewed = True

    def _accept(self, job: Job, synthesis_task: Mapping[str, Any]) -> None:
        self._lost_in_a_row = 0
        self._failures = 0
        self._failing_since = None
        self._renewed = False
        self.started += 1
        record_started(job.record, synthesis_task)
        account_for(job.item.request, synthesis_task.get("RequestCharacters"))

    def _back_off(self, job: Job, error: Exception) -> None:
        """Slow down after a request that Polly did not accept; raise the error if this lasts too long."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since, self._patience = now, 0.0
        if (patience := patience_with(error)) != self._patience:
            # As for a single start, each kind of error has its own limit.
            self._patience, self._same_since = patience, now
        if now >= min(self._same_since + patience, self._failing_since + THROTTLED_PATIENCE_SECONDS):
            raise error
        if isinstance(error, ClientError) and is_throttling(error):
            engine = job.record.engine or DEFAULT_ENGINE
            self._rates[engine].throttled()
            self._due[engine] = now + self._rates[engine].reserve()
        elif now >= self._paused_until:
            # Requests that were sent before the pause do not make it longer.
            self._failures += 1
            pause = full_jitter(min(self._failures, 10), LONGEST_BACK_OFF_SECONDS)
            self._paused_until = now + pause
            log.warning("Polly could not be reached (%s). Retrying the starts in %.1f s", error, pause)

    def _note_lost(self, job: Job, error: Exception) -> None:
        self._lost_in_a_row += 1
        if self._search is None:
            fail(job.record, f"Polly's response to the start was lost ({error}); it may have been billed.")
            if self._lost_in_a_row >= MAX_LOST_IN_A_ROW:
                raise error
            return
        log.warning("Polly's response to the start of item %s was lost (%s)", job.record.id, error)
        self._lost.append(_Lost(job, time.time(), error))

    def _resolve_lost(self) -> None:
        """Search for the synthesis tasks whose responses were lost, and enqueue the jobs without one."""
        lost, self._lost = self._lost, []
        log.warning("Searching for the synthesis tasks of %d lost responses before starting again", len(lost))
        until = max(each.at for each in lost) + self._look_seconds
        while True:
            began = time.time()
            found = self._found([each.job.record for each in lost], lost[-1].error)
            for each in lost:
                if (synthesis_task := found.get(each.job.record.id)) is not None:
                    self._accept(each.job, synthesis_task)
            lost = [each for each in lost if each.job.record.id not in found]
            # A search can take long, and reads each list only once.
            if not lost or began >= until:
                break
            self._sleep(min(_SEARCH_AGAIN_SECONDS, max(0.0, until - time.time())))
        self._lost_in_a_row = 0
        for each in lost:
            self._enqueue_again(each)

    def _enqueue_again(self, lost: _Lost) -> None:
        item_id = lost.job.record.id
        self._lost_times[item_id] = times = self._lost_times.get(item_id, 0) + 1
        if times >= _MAX_LOST_FOR_ITEM:
            raise lost.error
        self._enqueue(lost.job, first=True)

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (remaining := until - time.monotonic()) > 0:
            self._before_each()
            time.sleep(min(remaining, _TICK_SECONDS))

    def _found(self, records: Sequence[ItemRecord], error: Exception) -> Mapping[str, Mapping[str, Any]]:
        assert self._search is not None
        try:
            return self._search(records)
        except PollyConfigurationError as denied:
            raise PollyConfigurationError(
                f"Polly's responses to {len(records)} start requests were lost ({error}), and the account's "
                f"synthesis tasks cannot be listed to check whether they were started: {denied} Allow "
                "polly:ListSpeechSynthesisTasks and clear the task. It starts only what is missing."
            ) from error


def record_started(record: ItemRecord, synthesis_task: Mapping[str, Any]) -> None:
    """Write a synthesis task that was started or found into a record.

    :param record: the record of its item
    :param synthesis_task: the SynthesisTask
    """
    record.task_id = synthesis_task["TaskId"]
    record.status = str(synthesis_task.get("TaskStatus") or TaskStatus.SCHEDULED.value)
    record.output_uri = synthesis_task.get("OutputUri")
    record.request_characters = synthesis_task.get("RequestCharacters", record.characters)
    record.spoken_characters = record.request_characters
    record.reason = None
    if record.status == TaskStatus.FAILED:
        fail(record, synthesis_task.get("TaskStatusReason") or "Polly gave no reason")


def fail(record: ItemRecord, reason: PollyError | str) -> None:
    """Write a failure into a record.

    :param record: the record of the item that failed
    :param reason: why it failed
    """
    record.status = TaskStatus.FAILED.value
    record.set_reason(reason)
