"""The trigger that waits for the synthesis tasks of a batch. Their ids are in the batch's manifest."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_polly_provider.exceptions import PollyError, PollyWaitTimeoutError
from airflow_polly_provider.triggers import events
from airflow_polly_provider.triggers.batch_progress import BatchProgress
from airflow_polly_provider.triggers.lifetime import outlast_supervisor, remaining_seconds
from airflow_polly_provider.triggers.manifests import unfinished_ids
from airflow_polly_provider.wait.poller.client import HookSettings
from airflow_polly_provider.wait.poller.status_poller import poller_for
from airflow_polly_provider.wait.schedule import DEFAULT_POKE_INTERVAL_SECONDS, Schedule, seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import timedelta


class PollySpeechSynthesisBatchTrigger(BaseTrigger):
    """Fire when all synthesis tasks of a batch have completed or failed, or when the deadline passes.

    The trigger reads the manifest, but never writes it. It does not raise errors: it sends them as events
    (see :func:`airflow_polly_provider.triggers.events.batch_event`).

    :param manifest_s3_uri: the batch's manifest as ``s3://bucket/key``
    :param manifest_etag: the ETag that the manifest must have
    :param deadline: end of the wait, in seconds since the epoch
    :param poke_interval: see :class:`~airflow_polly_provider.wait.schedule.Schedule`; seconds or a timedelta
    :param for_resume: values that the task stores when it is deferred; the event passes them back to it
    :param aws_conn_id: as in :class:`~airflow_polly_provider.hooks.polly.PollyHook`; also used for S3
    :param region_name: as in :class:`~airflow_polly_provider.hooks.polly.PollyHook`
    :param verify: as in :class:`~airflow_polly_provider.hooks.polly.PollyHook`
    :param botocore_config: botocore configuration as a mapping
    """

    def __init__(
        self,
        *,
        manifest_s3_uri: str,
        manifest_etag: str,
        deadline: float,
        poke_interval: float | timedelta = DEFAULT_POKE_INTERVAL_SECONDS,
        for_resume: dict[str, Any] | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow does not annotate it
        self.manifest_s3_uri = manifest_s3_uri
        self.manifest_etag = manifest_etag
        self.deadline = deadline
        self.poke_interval = seconds(poke_interval)
        self.for_resume = for_resume
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self._progress = BatchProgress(self.log)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and every argument."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "manifest_s3_uri": self.manifest_s3_uri,
                "manifest_etag": self.manifest_etag,
                "deadline": self.deadline,
                "poke_interval": self.poke_interval,
                "for_resume": self.for_resume,
                "aws_conn_id": self.aws_conn_id,
                "region_name": self.region_name,
                "verify": self.verify,
                "botocore_config": self.botocore_config,
            },
        )

    @property
    def hook_settings(self) -> HookSettings:
        """The settings of the hooks that send the requests."""
        return HookSettings(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            botocore_config=self.botocore_config,
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then yield one event."""
        began = time.monotonic()
        error: PollyError | None = None
        try:
            async with asyncio.timeout(remaining_seconds(self.deadline)):
                await self._wait()
        except TimeoutError:
            error = self._timed_out()
        except PollyError as raised:
            error = raised
        outcome = events.BatchOutcome(
            completed=self._progress.completed,
            failed=self._progress.failed,
            unknown=self._progress.unknown,
            manifest_s3_uri=self.manifest_s3_uri,
            manifest_etag=self.manifest_etag,
            for_resume=self.for_resume,
            error=error,
        )
        await outlast_supervisor(self.trigger_id, began)
        yield TriggerEvent(events.batch_event(outcome))

    async def _wait(self) -> None:
        settings = self.hook_settings
        ids = await unfinished_ids(self.manifest_s3_uri, self.manifest_etag, settings, log=self.log)
        self._progress.begin(len(ids))
        try:
            updates = poller_for(settings).observe_many(ids, Schedule(self.poke_interval))
            async with aclosing(updates):
                async for synthesis_task_id, update in updates:
                    self._progress.note(synthesis_task_id, update)
        finally:
            self._progress.end()

    def _timed_out(self) -> PollyWaitTimeoutError:
        progress = self._progress
        missing = (
            f"{progress.unknown:,} of {progress.total:,} synthesis tasks have not ended"
            if progress.total
            else "its manifest could not be read"
        )
        return PollyWaitTimeoutError(
            f"Timed out waiting for the batch {self.manifest_s3_uri}: {missing}. timeout passed, or "
            "execution_timeout if it is shorter. Polly cannot cancel synthesis tasks, so they keep running "
            "and are billed. Set a longer time. With durable=True, the next try continues with them."
        )

    async def on_kill(self) -> None:
        """Log how many synthesis tasks keep running after a user marked or cleared the deferred Airflow task.

        Airflow 3.3+ calls this method.
        """
        progress = self._progress
        self.log.warning(
            "%s synthesis tasks of the batch %s keep running and are billed: Polly cannot cancel them.",
            progress.unknown if progress.total else "All",
            self.manifest_s3_uri,
        )
