"""Base class of the operators that wait for a batch of synthesis tasks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_polly_provider.aws.base import AwsBaseOperator
from airflow_polly_provider.exceptions import PollyWaitTimeoutError
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.settings import default_deferrable
from airflow_polly_provider.triggers.deferral import config_for_trigger, defer_until_batch_ended
from airflow_polly_provider.triggers.events import batch_outcome_of
from airflow_polly_provider.wait.schedule import Schedule, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from airflow_polly_provider.batch.run import BatchRun
    from airflow_polly_provider.compat import Context
    from airflow_polly_provider.triggers.events import BatchOutcome


class PollyBatchWaitingOperator(AwsBaseOperator[PollyHook]):
    """Base class of the operators that wait until all synthesis tasks of a batch have ended.

    :param deferrable: whether to wait in the triggerer, which frees the worker slot (True), or in the worker
        (False); None uses ``[operators] default_deferrable``
    :param poke_interval: maximum interval between two status checks, in seconds or as a timedelta
    :param timeout: maximum time to wait in each try after all items are started, in seconds or as a timedelta
    """

    aws_hook_class = PollyHook
    ui_color = "#eabfff"
    wait_for_completion = True
    """Whether to wait until all synthesis tasks have ended."""
    _running = 0
    """Number of synthesis tasks that the worker waits for. ``on_kill`` reads it in a signal handler."""

    def __init__(
        self,
        *,
        deferrable: bool | None,
        poke_interval: float | timedelta,
        timeout: float | timedelta,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.botocore_config: Any = config_for_trigger(self.botocore_config, deferrable=self.deferrable)
        self.poke_interval = seconds(poke_interval)
        self.timeout = seconds(timeout)
        if self.poke_interval <= 0 or self.timeout <= 0:
            raise ValueError(
                f"poke_interval ({self.poke_interval} s) and timeout ({self.timeout} s) must be above 0."
            )

    def _must_defer(self, run: BatchRun) -> bool:
        return self.wait_for_completion and self.deferrable and run.running > 0

    def _wait_in_worker(self, run: BatchRun) -> None:
        """Block until all synthesis tasks have ended or ``timeout`` passes, and finish the items."""
        self._running = run.running
        run.wait(Schedule(self.poke_interval), time.time() + self.timeout)
        run.finish()
        self._running = 0

    def _defer(self, context: Context, run: BatchRun, manifest_s3_uri: str) -> NoReturn:
        """Defer until all synthesis tasks have ended."""
        defer_until_batch_ended(
            self,
            manifest_s3_uri,
            run.manifest_etag,
            Schedule(self.poke_interval),
            context,
            timeout=self.timeout,
        )

    def _outcome_of(self, event: Mapping[str, Any] | None) -> BatchOutcome:
        """Return the outcome of the wait. After a time-out, what has completed is delivered first.

        :raises PollyError: the wait ended with another error
        """
        outcome = batch_outcome_of(event)
        if outcome.error is not None and not isinstance(outcome.error, PollyWaitTimeoutError):
            raise outcome.error
        return outcome

    def _require_all_ended(self, run: BatchRun) -> None:
        """Raise an error if synthesis tasks are running although the task has waited for them.

        :raises PollyWaitTimeoutError: a time-out passed
        """
        if self.wait_for_completion and run.running:
            raise PollyWaitTimeoutError(
                f"{run.running:,} of {len(run.manifest.records):,} synthesis tasks have not ended: timeout "
                "passed, or execution_timeout if it is shorter. They keep running and are billed. A retry "
                "continues to wait for them. Set a longer time."
            )

    def on_kill(self) -> None:
        """Log how many synthesis tasks keep running. Polly cannot cancel them."""
        if self._running:
            self.log.warning(
                "%d synthesis tasks keep running and are billed: the Airflow task was killed, and Polly "
                "cannot cancel them.",
                self._running,
            )
