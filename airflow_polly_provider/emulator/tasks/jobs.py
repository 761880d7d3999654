"""The work that synthesis tasks stand for: speaking, writing to S3, telling SNS, and remembering it."""

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

# A subscriber of a topic, to which moto sends over HTTP, may never answer.
_LONGEST_GOODBYE_SECONDS = 2


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
        self._unfinished: dict[Future[str | None], Cancellation] = {}
        self._publishing: set[threading.Thread] = set()
        self._writing = threading.Lock()
        self._kept_buckets: set[str] = set()

    def open(self) -> None:
        """Begin: load what is slow to load, create the buckets."""
        self._loop = asyncio.get_running_loop()
        self._synthesizer.at_once.submit(self.aws.load)
        for bucket in self._settings.buckets:
            self.aws.create_bucket(bucket, self._settings.region)

    def close(self) -> None:
        """End all work. Blocks until the child processes are gone."""
        self._closed = True
        self._synthesizer.close()
        deadline = time.monotonic() + _LONGEST_GOODBYE_SECONDS
        for thread in list(self._publishing):
            thread.join(max(deadline - time.monotonic(), 0))
        if self.state is not None:
            self.state.close()

    def forget(self) -> None:
        """Let the work of all tasks so far come to nothing: no object and no notification from now on."""
        with self._writing:
            self._round += 1
        for future, cancellation in list(self._unfinished.items()):
            future.cancel()
            cancellation.cancel()

    def submit(self, job: KeptTask, task: SynthesisTask, store: TaskStore) -> None:
        """Do a task's work, now or when its turn comes.

        :param job: what to do.
        :param task: whose work it is.
        :param store: where to report.
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
        """Take note of how a task's work went.

        :param task: the task.
        :param store: where it is.
        :param outcome: ``completed`` or ``failed``.
        :param reason: why it failed.
        """
        if self._closed:
            return
        if self.state is not None:
            outcome, reason = self.state.note_outcome(task.task_id, outcome, reason)
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
            self._publish(functools.partial(self.aws.publish, topic, message, subject=subject, region=region))

    def _publish(self, work: Callable[[], object]) -> None:
        """Publish a notification in a thread of its own, so that one that hangs holds up nothing."""

        def publish() -> None:
            try:
                work()
            except Exception:
                log.exception("A notification could not be published")
            finally:
                self._publishing.discard(thread)

        thread = threading.Thread(target=publish, name="polly-emulator-sns", daemon=True)
        self._publishing.add(thread)
        thread.start()

    def forgotten(self, task: SynthesisTask) -> None:
        """Forget a task whose 72 hours are over on disk too.

        :param task: the task.
        """
        if self.state is not None:
            self.state.forget(task.task_id)

    def keep(self, job: KeptTask) -> None:
        """Keep a task that was started on disk, where there is a folder for it, and that its bucket is there.

        A task that is in progress when the emulator is killed needs its bucket after the restart.

        :param job: the task.
        :raises ApiError: where that fails, so that no task is accepted which a restart would forget.
        """
        if self.state is None:
            return
        bucket = job.request["OutputS3BucketName"]
        is_new = bucket not in self._kept_buckets and self.aws.bucket_exists(bucket, job.region)
        with state_errors("keep the synthesis task"):
            self.state.keep(job, bucket=bucket if is_new else None)
        if is_new:
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
        self.aws.put_object(bucket, job.key, path.read_bytes(), region=job.region, content_type=content_type)

    async def speak(self, request: dict[str, Any], lexemes: Sequence[Lexeme], *, max_seconds: float) -> bytes:
        """Speak at once; the cancellation of this ends the child process that speaks.

        :param request: SynthesizeSpeech's members.
        :param lexemes: of the lexicons to apply.
        :param max_seconds: where the audio is cut.
        :raises SynthesisError: where that did not work.
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
        reason = f"The emulator failed: {error or type(error).__name__}" if error else future.result()
        outcome = FAILED if reason else COMPLETED

        def report() -> None:
            if submitted_in == self._round:
                self.report(task, store, outcome, reason)

        self._loop.call_soon_threadsafe(report)


@contextmanager
def state_errors(work: str) -> Iterator[None]:
    """Answer a call whose result could not be kept with an error of Polly's.

    :param work: what was to be done, for the message.
    :raises ApiError: ``ServiceFailureException``.
    """
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        log.exception("The state folder could not be written to")
        raise ApiError("ServiceFailureException", f"The emulator could not {work}: {error}") from error
