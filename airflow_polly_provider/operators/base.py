"""What the operators that wait for a synthesis task have in common."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.base import AwsBaseOperator
from airflow_polly_provider.aws.task_status import TERMINAL_STATUSES, raise_if_failed
from airflow_polly_provider.compat import AirflowTaskTimeout
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.links.polly import CONSOLE_LINKS
from airflow_polly_provider.results.delivery import (
    deliver_synthesis_task,
    push_status,
    status_pushed_on_failure,
)
from airflow_polly_provider.results.lineage import openlineage_of
from airflow_polly_provider.settings import default_deferrable
from airflow_polly_provider.triggers.deferral import (
    config_for_trigger,
    defer_until_ended,
    validate_end_from_trigger,
)
from airflow_polly_provider.triggers.events import extra_xcom_of, synthesis_task_of
from airflow_polly_provider.wait.schedule import Schedule, seconds
from airflow_polly_provider.wait.worker import log_that_it_runs_on, wait_in_worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_polly_provider.compat import Context


class PollyWaitingOperator(AwsBaseOperator[PollyHook]):
    """Base of the operators that can wait until a synthesis task completed or failed.

    :param wait_for_completion: whether to wait
    :param deferrable: how to wait: in the triggerer, without holding a worker (True), or in the worker; from
        ``[operators] default_deferrable`` if None
    :param end_from_trigger: with ``deferrable``, end the task in the triggerer when the synthesis task
        completed (Airflow 3.3+)
    :param poke_interval: the longest interval between two status checks, in seconds or as a timedelta
    :param timeout: how long to wait, in seconds or as a timedelta, in this try, from Polly's first answer on
    """

    aws_hook_class = PollyHook
    operator_extra_links = CONSOLE_LINKS
    ui_color = "#eabfff"
    failed_is_final = True
    """Whether a retry could only meet the same failed synthesis task again."""
    output_uri: str | None = None
    """``OutputUri`` as soon as it is known in this process, for the links that Airflow asks for meanwhile."""
    _output: Mapping[str, Any] | None = None
    """What the task wrote. OpenLineage asks the operator for it when the task has ended."""
    _waits_for: str | None = None
    """The synthesis task that a worker waits for. Airflow calls ``on_kill`` from a signal handler."""
    _claims_output = True
    """Whether the object is an output of this task: not where it only looks at what others do."""

    def __init__(
        self,
        *,
        wait_for_completion: bool,
        deferrable: bool | None,
        end_from_trigger: bool,
        poke_interval: float | timedelta,
        timeout: float | timedelta,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wait_for_completion = wait_for_completion
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.end_from_trigger = end_from_trigger
        waits_in_triggerer = wait_for_completion and self.deferrable
        validate_end_from_trigger(self, deferrable=waits_in_triggerer)
        self.botocore_config: Any = config_for_trigger(self.botocore_config, deferrable=waits_in_triggerer)
        self.poke_interval = seconds(poke_interval)
        self.timeout = seconds(timeout)
        if self.poke_interval <= 0 or self.timeout <= 0:
            raise ValueError(
                f"poke_interval ({self.poke_interval} s) and timeout ({self.timeout} s) must be above 0."
            )

    def _wait(
        self,
        context: Context,
        synthesis_task: Mapping[str, Any],
        *,
        extra_xcom: Mapping[str, Any] | None = None,
        for_resume: dict[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """Return a synthesis task when it completed, waiting for that if need be; or defer.

        :param context: the running task's context
        :param synthesis_task: the SynthesisTask as Polly shows it now
        :param extra_xcom: fields that ``return_value`` gets beside the SynthesisTask's own; a deferral keeps
            them
        :param for_resume: what :meth:`execute_complete` finds in its event
        :raises PollySynthesisTaskFailedError: it failed
        """
        self.output_uri = synthesis_task.get("OutputUri")
        if synthesis_task.get("TaskStatus") in TERMINAL_STATUSES:
            return self._completed(synthesis_task)
        push_status(self, context, synthesis_task)
        synthesis_task_id: str = synthesis_task["TaskId"]
        schedule = Schedule(self.poke_interval)
        if self.deferrable:
            defer_until_ended(
                self,
                synthesis_task_id,
                schedule,
                context,
                timeout=self.timeout,
                extra_xcom=dict(extra_xcom or {}),
                for_resume=for_resume,
            )
        self._waits_for = synthesis_task_id
        deadline = time.time() + self.timeout
        try:
            ended = wait_in_worker(
                self.hook,
                synthesis_task_id,
                schedule=schedule,
                deadline=deadline,
                on_change=partial(push_status, self, context),
            )
        except AirflowTaskTimeout:
            log_that_it_runs_on(synthesis_task_id, "execution_timeout passed")
            raise
        self._waits_for = None
        return self._completed(ended)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take up the task again when its trigger fired.

        :param context: the running task's context
        :param event: what the trigger sent
        """
        with status_pushed_on_failure(self, context):
            synthesis_task = self._completed(synthesis_task_of(event))
        return self._deliver(context, synthesis_task) | extra_xcom_of(event)

    def _completed(self, synthesis_task: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a synthesis task that ended, if it did not fail."""
        self.output_uri = synthesis_task.get("OutputUri")
        raise_if_failed(synthesis_task, final=self.failed_is_final)
        return synthesis_task

    def _deliver(self, context: Context, synthesis_task: Mapping[str, Any]) -> dict[str, Any]:
        """Push the XComs of a SynthesisTask, report its object, and return its XCom form."""
        self.output_uri = synthesis_task.get("OutputUri")
        delivered = deliver_synthesis_task(self, context, synthesis_task, is_output=self._claims_output)
        self._output = delivered.output
        return delivered.value

    def on_kill(self) -> None:
        """Log which synthesis task runs on: Polly has no cancel."""
        if self._waits_for is not None:
            log_that_it_runs_on(self._waits_for, "the Airflow task was killed")

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the object as OpenLineage's output dataset; OpenLineage's listener calls this in the worker.

        :param task_instance: Airflow's, not needed
        """
        return openlineage_of(self._output)
