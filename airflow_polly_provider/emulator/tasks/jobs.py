"""The work that synthesis tasks stand for: speaking, writing to S3, telling SNS, and remembering it."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.aws.services import Aws
from airflow_polly_provider.emulator.speech.synthesis import Synthesizer
from airflow_polly_provider.emulator.tasks.disk import DiskState
from airflow_polly_provider.emulator.tasks.output import CONTENT_TYPES, produce, sns_notification
from airflow_polly_provider.emulator.tasks.store import COMPLETED, FAILED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from airflow_polly_provider.emulator.base.settings import Settings
    from airflow_polly_provider.emulator.tasks.disk import KeptTask
    from airflow_polly_provider.emulator.tasks.store import SynthesisTask, TaskStore
    from airflow_polly_provider.emulator.text.pronunciation import Lexeme

log = logging.getLogger(__name__)


class Jobs:
    """Does the work in the background, and reports to the tasks' store on the event loop.

    :param settings: the emulator's.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.aws = Aws()
        self.state = DiskState(settings.state) if settings.state else None
        self._synthesizer = Synthesizer(speech={"speech": True, "tone": False}.get(settings.audio or ""))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        # Work submitted in an earlier round than this one is of forgotten tasks, and is to leave no trace.
        self._round = 0
        self._waiting: set[Future[str | None]] = set()
        self._writing = threading.Lock()
        self._kept_buckets: set[str] = set()

    def open(self) -> None:
        """Begin: load what is slow to load, create the buckets."""
        self._loop = asyncio.get_running_loop()
        self._synthesizer.pool.submit(self.aws.load)
        for bucket in self._settings.buckets:
            self.aws.create_bucket(bucket, self._settings.region)

    def close(self) -> None:
        """End all work. Blocks until the child processes are gone."""
        self._closed = True
        self._synthesizer.close()
        if self.state is not None:
            self.state.close()

    def forget(self) -> None:
        """Let the work of all tasks so far come to nothing: no object and no notification from now on."""
        with self._writing:
            self._round += 1
        for future in list(self._waiting):
            future.cancel()

    def submit(self, job: KeptTask, task: SynthesisTask, store: TaskStore) -> None:
        """Do a task's work, now or when its turn comes.

        :param job: what to do.
        :param task: whose work it is.
        :param store: where to report.
        """
        if self._settings.audio == "none":
            self.report(task, store, COMPLETED)
            return
        work = functools.partial(
            produce,
            job.request,
            job.lexemes,
            job.key,
            region=job.region,
            synthesizer=self._synthesizer,
            aws=self.aws,
            may_write=functools.partial(self._may_write, self._round),
            keep=functools.partial(self.state.keep_object, job.task_id) if self.state else None,
        )
        future = self._synthesizer.pool.submit(work)
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        future.add_done_callback(functools.partial(self._done, self._round, task, store))

    def report(self, task: SynthesisTask, store: TaskStore, outcome: str, reason: str | None = None) -> None:
        """Take note of how a task's work went.

        :param task: the task.
        :param store: where it is.
        :param outcome: ``completed`` or ``failed``.
        :param reason: why it failed.
        """
        if self._closed:
            return
        if self.state is not None:
            self.state.note_outcome(task.task_id, outcome, reason)
        store.report(task, outcome, reason)

    def ended(self, region: str, task: SynthesisTask) -> None:
        """Tell the world that a task has ended.

        :param region: where it was started.
        :param task: the task.
        """
        if self._closed:
            return
        if self.state is not None:
            self.state.note_end(task.task_id)
        topic = task.details.get("SnsTopicArn")
        if topic:
            subject, message = sns_notification(task.as_dict())
            self._synthesizer.pool.submit(self.aws.publish, topic, message, subject=subject, region=region)

    def keep(self, job: KeptTask) -> None:
        """Keep a task that was started on disk, where there is a folder for it, and that its bucket is there.

        A task that is in progress when the emulator is killed needs its bucket after the restart.

        :param job: the task.
        """
        if self.state is None:
            return
        self.state.keep(job)
        bucket = job.request["OutputS3BucketName"]
        if bucket not in self._kept_buckets and self.aws.bucket_exists(bucket, job.region):
            self.state.keep_bucket(bucket, job.region)
            self._kept_buckets.add(bucket)

    def restore_object(self, job: KeptTask) -> None:
        """Put the object that a task wrote back into its bucket.

        :param job: the task as it was kept.
        """
        path = self.state.object_of(job.task_id) if self.state else None
        if path is None:
            return
        bucket = job.request["OutputS3BucketName"]
        self.aws.create_bucket(bucket, job.region)
        content_type = CONTENT_TYPES[job.request["OutputFormat"]]
        self.aws.put_object(bucket, job.key, path, region=job.region, content_type=content_type)

    async def speak(self, request: dict[str, Any], lexemes: Sequence[Lexeme], *, max_seconds: float) -> bytes:
        """Speak at once.

        :param request: SynthesizeSpeech's members.
        :param lexemes: of the lexicons to apply.
        :param max_seconds: where the audio is cut.
        :raises SynthesisError: where that did not work.
        """

        def work() -> bytes:
            with self._synthesizer.synthesize(request, lexemes, max_seconds=max_seconds) as path:
                return path.read_bytes()

        return await asyncio.get_running_loop().run_in_executor(self._synthesizer.pool, work)

    @contextmanager
    def _may_write(self, submitted_in: int) -> Iterator[bool]:
        """Tell whether a task's object is still wanted, and hold off :meth:`forget` while it is written."""
        with self._writing:
            yield submitted_in == self._round

    def _done(
        self, submitted_in: int, task: SynthesisTask, store: TaskStore, future: Future[str | None]
    ) -> None:
        if self._closed or self._loop is None or future.cancelled():
            return
        error = future.exception()
        if error is not None:
            log.error("Synthesis task %s broke the emulator", task.task_id, exc_info=error)
        reason = f"The emulator failed: {error}" if error else future.result()
        outcome = FAILED if reason else COMPLETED

        def report() -> None:
            if submitted_in == self._round:
                self.report(task, store, outcome, reason)

        self._loop.call_soon_threadsafe(report)
