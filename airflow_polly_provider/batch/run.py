"""One try of a batch: from the checked items to the finished manifest."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.batch.existing import find_reusable, lexicons_of, missing_objects, object_exists
from airflow_polly_provider.batch.finishing import Finisher, completed_task, is_ready_to_finish
from airflow_polly_provider.batch.job import Job, new_record
from airflow_polly_provider.batch.manifest import ENDED, NOT_STARTED, STARTING, WAITING, Manifest
from airflow_polly_provider.batch.manifest_check import validate_manifest
from airflow_polly_provider.batch.monitor import Monitor
from airflow_polly_provider.batch.recovery import (
    Recovery,
    continues,
    may_have_unknown_starts,
    now,
    reset,
    with_earlier_records,
)
from airflow_polly_provider.batch.starting import BatchStarter
from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.output.placement import OutputPlacement
from airflow_polly_provider.output.provenance import OutputPlan
from airflow_polly_provider.settings import start_look_seconds
from airflow_polly_provider.start.token import batch_item_token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from airflow_polly_provider.batch.items import BatchItem
    from airflow_polly_provider.batch.manifest import BatchRunId, ItemRecord
    from airflow_polly_provider.batch.manifest_store import ManifestStore
    from airflow_polly_provider.hooks.polly import PollyHook
    from airflow_polly_provider.output.s3_access import S3Access
    from airflow_polly_provider.start.current_run import CurrentRun
    from airflow_polly_provider.wait.schedule import Schedule

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """The settings of one try of a batch.

    :param hook: the hook that sends the requests to Polly
    :param s3: the access to S3
    :param s3_parameters: the parameters of S3Hook
    :param store: reads and writes the manifest
    :param run_id: the identity of the Airflow task in its DAG run
    :param run_token: the token of this task instance, which changes when the task is cleared
    :param run: the DAG run and the number of the try
    :param durable: whether the output keys contain tokens
    :param keeps_delivered: whether a task that is cleared after every item was delivered continues, instead
        of starting everything again
    """

    hook: PollyHook
    s3: S3Access
    s3_parameters: Mapping[str, Any]
    store: ManifestStore
    run_id: BatchRunId
    run_token: str
    run: CurrentRun
    durable: bool
    keeps_delivered: bool = False


def begin(settings: BatchSettings, items: Sequence[BatchItem]) -> BatchRun:
    """Return the state of a batch at the beginning of a try, without changing anything.

    :param settings: the settings of the try
    :param items: the checked items
    :raises PollyLexiconNotFoundError: a lexicon that an item names does not exist
    :raises PollyInvalidRequestError: the object at the manifest's key is not a manifest of this batch
    """
    lexicons = lexicons_of(settings.hook, items)
    jobs = [Job(item, new_record(item, lexicons)) for item in items]
    store = settings.store
    earlier = store.load()
    if earlier is not None:
        expected = [job.record for job in jobs]
        is_ours = validate_manifest(earlier, uri=store.uri, run=settings.run_id, expected=expected)
        goes_on = continues(
            earlier, settings.run, settings.run_token, keeps_delivered=settings.keeps_delivered
        )
        earlier = earlier if is_ours and goes_on else None
    if earlier is not None:
        jobs = with_earlier_records(jobs, earlier)
    manifest = Manifest(
        run=settings.run_id,
        began=settings.run.began,
        run_token=settings.run_token if earlier is None else earlier.run_token,
        try_token=settings.run_token,
        # The keys of an earlier try's objects have the form that this try had.
        durable=settings.durable if earlier is None else earlier.durable,
        phase=STARTING,
        created=_first_start(settings.run) if earlier is None else earlier.created,
        records=[job.record for job in jobs],
    )
    # Without a manifest, a retry cannot know whether an earlier try wrote one that was deleted.
    may_be_lost = earlier is None and settings.run.try_number > 1 and not settings.run.is_first_after_clear
    return BatchRun(settings, manifest, jobs, searches=may_be_lost or may_have_unknown_starts(earlier))


def _first_start(run: CurrentRun) -> str:
    """Return a time before the first start of a batch that has no manifest, in ISO 8601."""
    return now() if run.try_number == 1 else run.earliest_start.isoformat(timespec="seconds")


def resume(settings: BatchSettings, etag: str) -> BatchRun:
    """Return the state of a batch after a deferral.

    :param settings: the settings of the try
    :param etag: the ETag of the manifest when the task was deferred
    :raises PollyError: the manifest was replaced or removed
    """
    manifest = settings.store.load(etag=etag)
    if manifest is None or manifest.run != settings.run_id:
        raise PollyError(f"{settings.store.uri} is not the manifest of this task. Clear the task.")
    return BatchRun(settings, manifest, [])


class BatchRun:
    """A batch in one try. Use it as a context manager: it ends its threads.

    :param settings: the settings of the try
    :param manifest: the state of the batch
    :param jobs: the items with their records; empty after a deferral
    :param searches: whether an earlier try may have started synthesis tasks that are not in the manifest
    """

    def __init__(
        self, settings: BatchSettings, manifest: Manifest, jobs: Sequence[Job], *, searches: bool = False
    ) -> None:
        self._settings = settings
        self.manifest = manifest
        self._jobs = jobs
        self._searches = searches
        self._skipping = {job.record.id for job in jobs if job.item.skip_if_unchanged}
        self._recovery = Recovery(settings.hook, manifest, has_output=self._has_output)
        self._ends = ExitStack()
        self._has_saved = False

    def __enter__(self) -> Self:
        settings = self._settings
        # An Airflow task may look up connections only in its main thread.
        _ = settings.hook.conn_config
        settings.s3.prepare()
        with ExitStack() as ends:
            finisher = Finisher(self.placement_of, settings.s3, settings.s3_parameters)
            self._finisher = ends.enter_context(finisher)
            self._monitor = ends.enter_context(
                Monitor(settings.hook, self.manifest, settings.store, finisher, settings.s3)
            )
            self._ends = ends.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._ends.__exit__(kind, error, traceback)
        finally:
            if kind is not None and self._has_saved:
                self._save_last()

    def _save_last(self) -> None:
        """Save the manifest after an error. The threads have ended, so the records contain all changes."""
        try:
            self._monitor.save()
        except (PollyError, ClientError, BotoCoreError) as not_saved:
            log.warning("The manifest does not contain the last changes: %s", not_saved)

    @property
    def to_start(self) -> list[Job]:
        """The items whose synthesis task must be started."""
        return [job for job in self._jobs if job.record.status == NOT_STARTED]

    @property
    def manifest_etag(self) -> str:
        """The ETag of the manifest as this try last wrote it."""
        return str(self._settings.store.etag)

    @property
    def running(self) -> int:
        """The number of items whose synthesis task has not ended."""
        return self._monitor.running

    def placement_of(self, record: ItemRecord) -> OutputPlacement | None:
        """Return the placement of a record's object; None if the object stays where Polly writes it.

        :param record: the record
        """
        if record.output_s3_key is None:
            return None
        settings, manifest = self._settings, self.manifest
        plan = OutputPlan(
            bucket=record.bucket,
            key=record.output_s3_key,
            prefix=manifest.prefix_of(record),
            run_token=batch_item_token(manifest.run_token, record.id, record.digest),
            speech_digest=record.speech_digest or "",
            wav=record.wav,
        )
        return OutputPlacement(
            plan,
            settings.run,
            hook=settings.hook,
            s3=settings.s3,
            keep_original=record.keep_original,
            skip_if_unchanged=record.id in self._skipping,
            adoptable=manifest.durable,
        )

    def _has_output(self, record: ItemRecord, synthesis_task: Mapping[str, Any]) -> bool:
        output_uri = synthesis_task.get("OutputUri")
        return object_exists(output_uri, self._settings.s3, self.placement_of(record))

    def look_back(self, *, dry_run: bool = False) -> None:
        """Find out which items are already started or done. Changes only the records in memory.

        :param dry_run: whether nothing may be removed. Otherwise, originals of copies that an earlier try of
            this run made are removed
        """
        records = self.manifest.records
        self._recovery.update_running(records)
        for record in records:
            if record.status == TaskStatus.FAILED:
                reset(record)
        completed = [record for record in records if record.finished or is_ready_to_finish(record)]
        for record in missing_objects(completed, self._settings.s3, self.placement_of):
            log.warning("%s no longer exists. Item %s is started again", record.output_uri, record.id)
            reset(record)
        self._look_for_reusable(cleans_up=not dry_run)

    def _look_for_reusable(self, *, cleans_up: bool) -> None:
        named = [job for job in self.to_start if job.item.output_s3_key is not None]
        if self._settings.run.try_number == 1:
            # One item is enough to find out that S3 denies access.
            named = [job for job in named if job.item.skip_if_unchanged] or named[:1]
        for job, found in find_reusable(named, self.placement_of, cleans_up=cleans_up):
            self._monitor.note_reused(job.record, found)
            self._finisher.collect()

    def start(self, *, waits: bool = True) -> None:
        """Start what is missing, and finish what completes meanwhile.

        The manifest is saved before the first start, at intervals, and afterwards.

        :param waits: whether the task then waits for the synthesis tasks
        :raises PollyError: the start ended; the manifest contains what was started
        """
        monitor, manifest = self._monitor, self.manifest
        monitor.save()
        self._has_saved = True
        if manifest.durable and (missing := self.to_start):
            if self._settings.run.try_number == 1 and not self._searches:
                self._recovery.validate_may_list()
            else:
                self._recovery.find_started(
                    [job.record for job in missing], repeat=self._searches, before_each=monitor.tick
                )
        starter = BatchStarter(
            self._settings.hook,
            prefix_of=manifest.prefix_of,
            search=self._recovery.search if manifest.durable else None,
            look_seconds=start_look_seconds(),
            before_each=monitor.tick,
        )
        self._finish_completed()
        starter.start(self.to_start)
        monitor.stop_checking()
        log.info("Started %d synthesis tasks; %d are running", starter.started, monitor.running)
        monitor.finish_all()
        manifest.phase = WAITING if waits else ENDED
        monitor.save()

    def _finish_completed(self) -> None:
        """Finish items that completed in an earlier try, but were not delivered there."""
        requests = {job.record.id: job.item.request for job in self._jobs}
        for record in self.manifest.records:
            if is_ready_to_finish(record):
                self._monitor.finish(record, completed_task(record, requests.get(record.id, {})))

    def wait(self, schedule: Schedule, deadline: float) -> None:
        """Block until all synthesis tasks have ended or the deadline passes.

        :param schedule: the intervals between the status checks
        :param deadline: the end of the wait, in seconds since the epoch
        """
        began = time.monotonic()
        while self._monitor.running:
            self._monitor.read_now()
            remaining = deadline - time.time()
            if remaining <= 0:
                return
            pause = schedule.next_check_in(time.monotonic() - began)
            self._pause(min(pause, remaining))

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._monitor.running and (remaining := until - time.monotonic()) > 0:
            self._finisher.collect()
            self._monitor.save_if_old()
            time.sleep(min(remaining, 1.0))

    def finish(self) -> None:
        """Read the statuses once more, finish every completed item, and save the manifest."""
        self._has_saved = True
        self._monitor.read_now()
        self._finish_completed()
        self._monitor.finish_all()
        self.manifest.phase = WAITING if self._monitor.running else ENDED
        self._monitor.save()
