"""The work of synthesis tasks: speech, the S3 object, the SNS notification and the state folder."""

from __future__ import annotations

import asyncio
import functools
import logging
import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.aws.services import Aws
from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.speech.synthesis import Cancellation, Synthesizer
from airflow_polly_provider.emulator.tasks.disk import DiskState
from airflow_polly_provider.emulator.tasks.output import CONTENT_TYPES, produce, sns_notification
from airflow_polly_provider.emulator.tasks.store import COMPLETED, FAILED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from airflow_polly_provider.emulator.base.settings import Settings
    from airflow_polly_provider.emulator.tasks.disk import KeptTask
    from airflow_polly_provider.emulator.tasks.store import SynthesisTask, TaskStore
    from airflow_polly_provider.emulator.text.pronunciation import Lexeme

log = logging.getLogger(__name__)

# How long close() waits for notifications. moto sends them over HTTP to the topic's subscribers. A
# subscriber may never respond.
_MAX_PUBLISH_WAIT_SECONDS = 2


class Jobs:
    """Does the work of synthesis tasks in the background, and reports to the task store on the event loop.

    :param settings: the emulator's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.aws = Aws()
        self.state = DiskState(settings.state) if settings.state else None
        self._synthesizer = Synthesizer(speech={"speech": True, "tone": False}.get(settings.audio or ""))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        # The number of calls of forget(). Work that was submitted before the last call belongs to deleted
        # tasks: it must not write an object or send a notification.
        self._round = 0
        self._unfinished: dict[Future[str | None], Cancellation] = {}
        self._publishing: set[threading.Thread] = set()
        self._writing = threading.Lock()
        self._kept_buckets: set[str] = set()

    def open(self) -> None:
        """Load moto in the background, and create the buckets in the settings."""
        self._loop = asyncio.get_running_loop()
        self._synthesizer.at_once.submit(self.aws.load)
        for bucket in self._settings.buckets:
            self.aws.create_bucket(bucket, self._settings.region)

    def close(self) -> None:
        """Stop all work. Blocks until the child processes have ended."""
        self._closed = True
        self._synthesizer.close()
        deadline = time.monotonic() + _MAX_PUBLISH_WAIT_SECONDS
        for thread in list(self._publishing):
            thread.join(max(deadline - time.monotonic(), 0))
        if self.state is not None:
            self.state.close()

    def forget(self) -> None:
        """Cancel the work of all synthesis tasks, so that they write no objects and send no notifications."""
        with self._writing:
            self._round += 1
        for future, cancellation in list(self._unfinished.items()):
            future.cancel()
            cancellation.cancel()

    def submit(self, job: KeptTask, task: SynthesisTask, store: TaskStore) -> None:
        """Queue the work of a synthesis task.

        :param job: the stored synthesis task, with its request.
        :param task: the synthesis task in the store.
        :param store: the store, which gets the outcome.
        """
        if self._settings.audio == "none":
            self.report(task, store, COMPLETED)
            return
        cancellation = Cancellation()
        work = functools.partial(
            produce,
            job.request,
            job.key,
            region=job.region,
            speak=functools.partial(
                self._synthesizer.synthesize,
                job.request,
                job.lexemes,
                cancellation=cancellation,
            ),
            aws=self.aws,
            may_write=functools.partial(self._may_write, self._round),
            keep=functools.partial(self.state.keep_object, job.task_id) if self.state else None,
        )
        future = self._synthesizer.for_tasks.submit(work)
        self._unfinished[future] = cancellation
        future.add_done_callback(self._unfinished.pop)
        future.add_done_callback(functools.partial(self._done, self._round, task, store))

    def report(self, task: SynthesisTask, store: TaskStore, outcome: str, reason: str | None = None) -> None:
        """Record the outcome of a synthesis task's work in the state folder and in the task store.

        :param task: the synthesis task.
        :param store: the store that contains the synthesis task.
        :param outcome: ``completed`` or ``failed``.
        :param reason: the reason for a failure.
        """
        if self._closed:
            return
        if self.state is not None:
            outcome, reason = self.state.note_outcome(task.task_id, outcome, reason)
        store.report(task, outcome, reason)

    def ended(self, region: str, task: SynthesisTask) -> None:
        """Store that a synthesis task has ended, and publish its SNS notification if it has a topic.

        :param region: the region in which the synthesis task was started.
        :param task: the synthesis task.
        """
        if self._closed:
            return
        if self.state is not None:
            self.state.note_end(task.task_id)
        topic = task.details.get("SnsTopicArn")
        if topic:
            subject, message = sns_notification(task.as_dict())
            self._publish(functools.partial(self.aws.publish, topic, message, subject=subject, region=region))

    def _publish(self, work: Callable[[], object]) -> None:
        """Publish a notification in a separate thread, so that a stuck call does not delay other work."""

        def publish() -> None:
            try:
                work()
            except Exception:
                log.exception("Publishing an SNS notification failed; the emulator does not try again")
            finally:
                self._publishing.discard(thread)

        thread = threading.Thread(target=publish, name="polly-emulator-sns", daemon=True)
        self._publishing.add(thread)
        thread.start()

    def forgotten(self, task: SynthesisTask) -> None:
        """Delete a synthesis task from the state folder after Polly's 72 hours have passed.

        :param task: the synthesis task.
        """
        if self.state is not None:
            self.state.forget(task.task_id)

    def keep(self, job: KeptTask) -> None:
        """If there is a state folder, store a started synthesis task and its bucket in it.

        The bucket is stored because an unfinished synthesis task needs it after a restart.

        :param job: the synthesis task.
        :raises ApiError: if storing fails. Then the start fails too, because no accepted task may be lost in
            a restart.
        """
        if self.state is None:
            return
        bucket = job.request["OutputS3BucketName"]
        is_new = bucket not in self._kept_buckets and self.aws.bucket_exists(bucket, job.region)
        with state_errors("store the synthesis task"):
            self.state.keep(job, bucket=bucket if is_new else None)
        if is_new:
            self._kept_buckets.add(bucket)

    def restore_object(self, job: KeptTask) -> None:
        """Write a synthesis task's stored object to its bucket again.

        :param job: the stored synthesis task.
        """
        path = self.state.object_of(job.task_id) if self.state else None
        if path is None:
            return
        bucket = job.request["OutputS3BucketName"]
        self.aws.create_bucket(bucket, job.region)
        content_type = CONTENT_TYPES[job.request["OutputFormat"]]
        self.aws.put_object(bucket, job.key, path.read_bytes(), region=job.region, content_type=content_type)

    async def speak(self, request: dict[str, Any], lexemes: Sequence[Lexeme], *, max_seconds: float) -> bytes:
        """Synthesize a text and return the audio or the speech marks.

        If the coroutine is cancelled, the child process ends.

        :param request: the members of a SynthesizeSpeech request.
        :param lexemes: the lexemes of the lexicons to apply.
        :param max_seconds: the maximum length of the audio; longer audio is cut.
        :raises SynthesisError: if the synthesis failed.
        """
        cancellation = Cancellation()
        work = functools.partial(
            self._synthesizer.synthesize,
            request,
            lexemes,
            cancellation=cancellation,
            max_seconds=max_seconds,
        )
        try:
            return await asyncio.get_running_loop().run_in_executor(self._synthesizer.at_once, work)
        except asyncio.CancelledError:
            cancellation.cancel()
            raise

    @contextmanager
    def _may_write(self, submitted_in: int) -> Iterator[bool]:
        """Yield whether a task may still write its object. :meth:`forget` waits until the block ends."""
        with self._writing:
            yield submitted_in == self._round

    def _done(
        self, submitted_in: int, task: SynthesisTask, store: TaskStore, future: Future[str | None]
    ) -> None:
        if self._closed or self._loop is None or future.cancelled():
            return
        error = future.exception()
        if error is not None:
            log.error(
                "The work of synthesis task %s raised an error; the synthesis task fails",
                task.task_id,
                exc_info=error,
            )
        reason = f"The emulator failed: {error or type(error).__name__}" if error else future.result()
        outcome = FAILED if reason else COMPLETED

        def report() -> None:
            if submitted_in == self._round:
                self.report(task, store, outcome, reason)

        self._loop.call_soon_threadsafe(report)


@contextmanager
def state_errors(work: str) -> Iterator[None]:
    """Translate an error of the state folder into an error response.

    :param work: what the block does, for the error message, such as ``store the lexicons``.
    :raises ApiError: ``ServiceFailureException`` if the block raises a file system error or an SQLite error.
    """
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        log.exception("Writing to the state folder failed; the emulator returns an error for the request")
        raise ApiError("ServiceFailureException", f"The emulator could not {work}: {error}") from error
