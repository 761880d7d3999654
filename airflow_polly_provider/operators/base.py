"""Base class of the operators that can wait for a synthesis task."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.base import AwsBaseOperator
from airflow_polly_provider.aws.task_status import TERMINAL_STATUSES, raise_if_failed
from airflow_polly_provider.compat import AirflowTaskTimeout
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.links.polly import SPEECH_TASK_LINKS
from airflow_polly_provider.output.object_duration import with_duration
from airflow_polly_provider.results.delivery import (
    deliver_synthesis_task,
    failure_pushed,
    push_status,
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
    """Base class of the operators that can wait until a synthesis task completes or fails.

    :param wait_for_completion: whether to wait
    :param deferrable: whether to wait in the triggerer, which frees the worker slot (True), or in the worker
        (False); None uses ``[operators] default_deferrable``
    :param end_from_trigger: whether to end the Airflow task in the triggerer when the synthesis task
        completes; requires ``deferrable`` and Airflow 3.3+
    :param poke_interval: maximum interval between two status checks, in seconds or as a timedelta
    :param timeout: maximum time to wait in each try, in seconds or as a timedelta, counted from Polly's first
        response in the try
    """

    aws_hook_class = PollyHook
    operator_extra_links = SPEECH_TASK_LINKS
    ui_color = "#eabfff"
    failed_is_final = True
    """Whether Airflow must not retry after a failed synthesis task: a retry would find the same one."""
    output_uri: str | None = None
    """``OutputUri`` if this process knows it. Airflow builds the extra links from it while the task runs."""
    _output: Mapping[str, Any] | None = None
    """The output of the task. OpenLineage reads it from the operator after the task has ended."""
    _waits_for: str | None = None
    """The synthesis task that the worker waits for. ``on_kill`` reads it in a signal handler."""
    _claims_output = True
    """Whether the object is an output of this task. False for a task that only reads the status."""

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

    @property
    def has_audio_in_s3(self) -> bool:
        """Whether this process knows the object of the audio. Airflow builds the link to the tab from it."""
        return self.output_uri is not None

    def _wait(
        self,
        context: Context,
        synthesis_task: Mapping[str, Any],
        *,
        extra_xcom: Mapping[str, Any] | None = None,
        for_resume: dict[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """Wait until a synthesis task completes and return it, or defer the Airflow task.

        If the synthesis task has already completed, return it at once.

        :param context: the running task's context
        :param synthesis_task: the current SynthesisTask
        :param extra_xcom: fields to add to the SynthesisTask in ``return_value``; a deferral preserves them
        :param for_resume: values that the trigger's event passes to :meth:`execute_complete` after a deferral
        :raises PollySynthesisTaskFailedError: the synthesis task failed
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
        """Resume the task after its trigger fired.

        :param context: the running task's context
        :param event: the payload of the trigger's event
        """
        with failure_pushed(self, context):
            synthesis_task = self._completed(synthesis_task_of(event))
            return self._deliver(context, synthesis_task) | extra_xcom_of(event)

    def _completed(self, synthesis_task: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a synthesis task that has ended; raise an error if it failed."""
        self.output_uri = synthesis_task.get("OutputUri")
        raise_if_failed(synthesis_task, final=self.failed_is_final)
        return synthesis_task

    def _deliver(self, context: Context, synthesis_task: Mapping[str, Any]) -> dict[str, Any]:
        """Push the XComs of a SynthesisTask, report its object for lineage, and return its XCom form."""
        self.output_uri = synthesis_task.get("OutputUri")
        synthesis_task = with_duration(synthesis_task, self._hook_parameters)
        delivered = deliver_synthesis_task(self, context, synthesis_task, is_output=self._claims_output)
        self._output = delivered.output
        return delivered.value

    def on_kill(self) -> None:
        """Log which synthesis task keeps running. Polly cannot cancel it."""
        if self._waits_for is not None:
            log_that_it_runs_on(self._waits_for, "the Airflow task was killed")

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the object as an OpenLineage output dataset. OpenLineage's listener calls it in the worker.

        :param task_instance: the task instance; not used
        """
        return openlineage_of(self._output)
