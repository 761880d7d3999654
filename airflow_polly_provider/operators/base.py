"""What the operators that wait for a synthesis task have in common."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_polly_provider.aws_base import AwsBaseOperator
from airflow_polly_provider.handover import TRIGGER_TIMEOUT_MARGIN, SynthesisTaskHandover
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.links.polly import CONSOLE_LINKS
from airflow_polly_provider.settings import default_deferrable
from airflow_polly_provider.synthesis_task import TERMINAL_STATUSES, TaskStatus
from airflow_polly_provider.triggers.events import extra_xcom_of, for_resume_of, synthesis_task_of
from airflow_polly_provider.waiting import (
    DEFAULT_POKE_INTERVAL_SECONDS,
    DEFAULT_TIMEOUT_SECONDS,
    Schedule,
    seconds,
    wait_in_worker,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.common.compat.sdk import Context


class PollyWaitingOperator(SynthesisTaskHandover, AwsBaseOperator[PollyHook]):
    """Base of the operators that can wait until a synthesis task completed or failed.

    :param wait_for_completion: whether to wait
    :param deferrable: how to wait: in the triggerer, without holding a worker (True), or in the worker; from
        ``[operators] default_deferrable`` unless given
    :param end_from_trigger: with ``deferrable``, end the task in the triggerer when the synthesis task
        completed, with its XComs and without a worker (Airflow 3.3+); then no success callback, listener or
        asset event runs
    :param poke_interval: the longest interval between two status checks, in seconds or as a timedelta; a
        young synthesis task is checked more often
    :param timeout: how long to wait, in seconds or as a timedelta, in this try, from Polly's first answer on;
        72 hours unless given, since Polly forgets the synthesis task then
    """

    operator_extra_links = CONSOLE_LINKS

    def __init__(
        self,
        *,
        wait_for_completion: bool,
        deferrable: bool | None = None,
        end_from_trigger: bool = False,
        poke_interval: float | timedelta = DEFAULT_POKE_INTERVAL_SECONDS,
        timeout: float | timedelta = DEFAULT_TIMEOUT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wait_for_completion = wait_for_completion
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.end_from_trigger = end_from_trigger
        self._check_end_from_trigger(wait_for_completion and self.deferrable)
        self.poke_interval = seconds(poke_interval)
        self.timeout = seconds(timeout)
        if self.poke_interval <= 0 or self.timeout <= 0:
            raise ValueError(
                f"poke_interval ({self.poke_interval} s) and timeout ({self.timeout} s) must be above 0."
            )
        self._waits_for: str | None = None

    def _wait(
        self,
        context: Context,
        synthesis_task: Mapping[str, Any],
        *,
        for_resume: dict[str, Any] | None = None,
        **extra_xcom: Any,
    ) -> dict[str, Any]:
        """Hand a synthesis task over when it ended, waiting for that if need be; or defer.

        :param for_resume: what :meth:`_settle` gets when the synthesis task completed, after a deferral too
        :param extra_xcom: fields that ``return_value`` gets beside the SynthesisTask's own
        """
        if synthesis_task.get("TaskStatus") in TERMINAL_STATUSES:
            return self._end(context, synthesis_task, for_resume, extra_xcom)
        self.output_uri = synthesis_task.get("OutputUri")
        synthesis_task_id: str = synthesis_task["TaskId"]
        deadline, schedule = time.time() + self.timeout, Schedule(self.poke_interval)
        if self.deferrable:
            self.log.info("Deferring until synthesis task %s completed or failed", synthesis_task_id)
            self.defer(
                trigger=self._trigger(
                    synthesis_task_id, schedule, deadline, extra_xcom=extra_xcom, for_resume=for_resume
                ),
                method_name="execute_complete",
                timeout=timedelta(seconds=self.timeout) + TRIGGER_TIMEOUT_MARGIN,
            )
        self._waits_for = synthesis_task_id
        try:
            ended = wait_in_worker(self.hook, synthesis_task_id, schedule=schedule, deadline=deadline)
        except AirflowTaskTimeout:
            self._log_that_it_runs_on("execution_timeout passed")
            raise
        self._waits_for = None
        return self._end(context, ended, for_resume, extra_xcom)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take up the task again when its trigger fired.

        :param context: the running task's context
        :param event: what the trigger sent
        """
        return self._end(context, synthesis_task_of(event), for_resume_of(event), extra_xcom_of(event))

    def _end(
        self,
        context: Context,
        synthesis_task: Mapping[str, Any],
        for_resume: dict[str, Any] | None,
        extra_xcom: dict[str, Any],
    ) -> dict[str, Any]:
        if synthesis_task.get("TaskStatus") == TaskStatus.COMPLETED:
            self.output_uri = synthesis_task.get("OutputUri")
            synthesis_task = self._settle(synthesis_task, for_resume)
        return self._hand_over(context, synthesis_task, failed_is_error=True) | extra_xcom

    def _settle(
        self, synthesis_task: Mapping[str, Any], for_resume: dict[str, Any] | None
    ) -> Mapping[str, Any]:
        """Do what is left to do with a completed synthesis task; return it as later tasks shall see it."""
        return synthesis_task

    def on_kill(self) -> None:
        """Say that the synthesis task runs on: Polly has no cancel."""
        self._log_that_it_runs_on("the Airflow task was killed")

    def _log_that_it_runs_on(self, why: str) -> None:
        if self._waits_for is not None:
            self.log.warning(
                "Synthesis task %s runs on and is billed though %s: Polly cannot cancel it.",
                self._waits_for,
                why,
            )
