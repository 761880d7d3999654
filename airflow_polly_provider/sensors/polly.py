"""The sensor that gates a pipeline on a synthesis task's TaskStatus."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow_polly_provider.aws.base import AwsBaseSensor, aws_template_fields
from airflow_polly_provider.aws.task_status import TERMINAL_STATUSES, TaskStatus, raise_if_failed
from airflow_polly_provider.compat import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    PokeReturnValue,
)
from airflow_polly_provider.exceptions import (
    PollyCredentialsError,
    PollyError,
    PollyWaitTimeoutError,
)
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.links.polly import CONSOLE_LINKS
from airflow_polly_provider.results.delivery import (
    deliver_synthesis_task,
    push_status,
    status_pushed_on_failure,
)
from airflow_polly_provider.results.lineage import openlineage_of
from airflow_polly_provider.results.synthesis_task import synthesis_task_id_of
from airflow_polly_provider.sensors import start_from_trigger as from_trigger
from airflow_polly_provider.settings import default_deferrable, needs_airflow_3_3
from airflow_polly_provider.triggers.deferral import (
    config_for_trigger,
    defer_until_ended,
    trigger_settings,
    validate_end_from_trigger,
)
from airflow_polly_provider.triggers.events import synthesis_task_of
from airflow_polly_provider.wait.errors import (
    CHECK_ERRORS,
    CredentialsOutage,
    is_worth_a_new_look_up,
    wait_goes_on,
)
from airflow_polly_provider.wait.schedule import (
    DEFAULT_POKE_INTERVAL_SECONDS,
    DEFAULT_TIMEOUT_SECONDS,
    Schedule,
    seconds,
)
from airflow_polly_provider.wait.worker import look_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.triggers.base import StartTriggerArgs

    from airflow_polly_provider.compat import Context, XComArg

_ENDED_BY_AIRFLOW = "__fail__"
"""What Airflow calls the method to resume by when no trigger fired."""


class PollySpeechSynthesisTaskSensor(AwsBaseSensor[PollyHook]):
    """Wait until a synthesis task completed, and hand the SynthesisTask over.

    Pushes the same XComs as the start operator: the SynthesisTask as ``return_value``, and ``TaskId``,
    ``TaskStatus``, ``OutputUri``, ``OutputS3Uri``, ``RequestCharacters`` and ``SpokenCharacters`` under their
    own keys. A synthesis task that failed fails the sensor for good, with Polly's reason.

    Throttling, 5xx answers, a broken network and answers that are not Polly's do not end the wait; a shorter
    ``execution_timeout`` does, also while the task is deferred, and Airflow then retries it. ``soft_fail``
    and ``never_fail`` skip on every error of this package and on the time-out, alike in all modes and Airflow
    versions, but not where Airflow itself ends the task at its ``execution_timeout``; ``silent_fail`` goes on
    after errors that a retry may mend.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_GetSpeechSynthesisTask.html

    :param synthesis_task_id: Polly's ``TaskId``, or a SynthesisTask as the start operator returns it, so that
        ``partial(…).expand(synthesis_task_id=start.output)`` works
    :param deferrable: wait in the triggerer, without holding a worker; else in the worker, by ``mode``; from
        ``[operators] default_deferrable`` unless given
    :param poke_interval: seconds or a timedelta between two checks; when deferred the longest interval, and a
        young wait is checked more often
    :param start_from_trigger: start in the triggerer, without a worker (Airflow 3.3+); mapped, it needs
        ``partial(start_trigger_args=PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(start.output))``
    :param end_from_trigger: end there when the synthesis task completed, with its XComs and without a worker
        (Airflow 3.3+); then no success callback, listener or asset event runs
    :param start_trigger_args: see ``mapped_start_trigger_args``
    :param timeout: seconds or a timedelta from the start of this try; 72 hours unless given, since Polly
        forgets the synthesis task then; ends with AirflowSensorTimeout
    :raises PollySynthesisTaskFailedFinalError: Polly reports TaskStatus ``failed``
    :raises PollySynthesisTaskNotFoundError: Polly did not know the id for 30 seconds

    ``mode``, ``soft_fail``, ``never_fail``, ``silent_fail``, ``exponential_backoff`` and ``max_wait`` are
    those of every sensor; ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` those of every
    sensor of the amazon provider.
    """

    aws_hook_class = PollyHook
    template_fields: Sequence[str] = aws_template_fields("synthesis_task_id")
    ui_color = "#eabfff"
    operator_extra_links = CONSOLE_LINKS
    output_uri: str | None = None
    """``OutputUri`` as soon as it is known in this process, for the links that Airflow asks for meanwhile."""
    _pushed_status: str | None = None
    """The TaskStatus that this process has pushed."""
    _output: Mapping[str, Any] | None = None
    """What the task wrote. OpenLineage asks the operator for it when the task has ended."""

    def __init__(
        self,
        *,
        synthesis_task_id: str | Mapping[str, Any] | XComArg,
        deferrable: bool | None = None,
        poke_interval: float | timedelta = DEFAULT_POKE_INTERVAL_SECONDS,
        timeout: float | timedelta = DEFAULT_TIMEOUT_SECONDS,
        mode: Literal["poke", "reschedule"] = "poke",
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        start_trigger_args: StartTriggerArgs | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, timeout=timeout, mode=mode, **kwargs)
        # Any: what it holds is known only when Airflow has rendered it.
        self.synthesis_task_id: Any = synthesis_task_id
        self.deferrable = start_from_trigger or (default_deferrable() if deferrable is None else deferrable)
        self.end_from_trigger = end_from_trigger
        validate_end_from_trigger(self, deferrable=self.deferrable)
        self.botocore_config: Any = config_for_trigger(self.botocore_config, deferrable=self.deferrable)
        self.start_from_trigger = start_from_trigger
        if start_from_trigger:
            needs_airflow_3_3("start_from_trigger")
            self.start_trigger_args = start_trigger_args or from_trigger.start_trigger_args(
                from_trigger.template_for(synthesis_task_id, self),
                timeout=self.timeout,
                execution_timeout=self.execution_timeout,
                silent_fail=self.silent_fail,
                **trigger_settings(self, self._schedule),
            )

    @classmethod
    def mapped_start_trigger_args(
        cls,
        synthesis_task_id: XComArg,
        *,
        timeout: float | timedelta = DEFAULT_TIMEOUT_SECONDS,
        execution_timeout: float | timedelta | None = None,
        **trigger_kwargs: Any,
    ) -> StartTriggerArgs:
        """Return ``start_trigger_args`` for ``partial``, where a mapped sensor starts in the triggerer.

        Airflow starts mapped tasks with what ``partial`` was given, so it is to be told there whose output
        the sensor is mapped over, and each setting that differs from its default.

        :param synthesis_task_id: the mapped operator's ``output`` that ``expand`` is given
        :param timeout: seconds or a timedelta
        :param execution_timeout: seconds or a timedelta, as ``partial`` is given it: it is not known here
        :param trigger_kwargs: ``end_from_trigger``, ``poke_interval``, ``aws_conn_id``, ``region_name`` and
            further arguments of the trigger; durations in seconds or as a timedelta
        :raises TypeError: for an argument that the trigger does not have
        """
        return from_trigger.start_trigger_args(
            from_trigger.mapped_template_for(synthesis_task_id),
            timeout=seconds(timeout),
            execution_timeout=execution_timeout,
            **trigger_kwargs,
        )

    @property
    def _schedule(self) -> Schedule:
        max_wait = self.max_wait.total_seconds() if self.max_wait else None
        return Schedule(self.poke_interval, self.exponential_backoff, max_wait)

    def execute(self, context: Context) -> Any:
        """Wait: in the triggerer where deferrable, else as ``mode`` says."""
        with self._skipping_as_asked():
            push_status(self, context, {"TaskId": synthesis_task_id_of(self.synthesis_task_id)})
            return self._defer(context) if self.deferrable else super().execute(context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask once for the status."""
        # Airflow turns an error into a skip before execute sees it.
        with status_pushed_on_failure(self, context):
            return self._poke(context)

    def _poke(self, context: Context) -> PokeReturnValue:
        try:
            synthesis_task = self._ask(synthesis_task_id_of(self.synthesis_task_id), context)
        except CHECK_ERRORS as error:
            if not wait_goes_on(error, math.inf):
                raise
            if is_worth_a_new_look_up(error):
                self.hook.renew()
            self.log.warning("Cannot see the synthesis task now; the wait goes on: %s", error)
            return PokeReturnValue(is_done=False)
        status = synthesis_task.get("TaskStatus")
        if status != TaskStatus.COMPLETED:  # the delivery has a line for that
            self.log.info("Synthesis task %s is %s", synthesis_task.get("TaskId"), status)
        if status not in TERMINAL_STATUSES:
            if status != self._pushed_status:
                push_status(self, context, synthesis_task)
                self._pushed_status = status
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._deliver(context, synthesis_task))

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take up the task again when its trigger fired.

        :param context: the running task's context
        :param event: what the trigger sent
        """
        with self._skipping_as_asked():
            try:
                with status_pushed_on_failure(self, context):
                    return self._deliver(context, synthesis_task_of(event))
            except PollyWaitTimeoutError as error:
                if self._may_be_retried_after_timeout:
                    raise
                raise AirflowSensorTimeout(str(error)) from error

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the object as OpenLineage's output dataset; OpenLineage's listener calls this in the worker.

        :param task_instance: Airflow's, not needed
        """
        return openlineage_of(self._output)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Take up the task again, also where Airflow ended the deferral itself, its triggerers being away.

        Airflow 2.11 knows neither that time-out as one nor ``never_fail`` here.

        :param next_method: Airflow's
        :param next_kwargs: Airflow's
        :param context: the running task's context
        """
        if next_method != _ENDED_BY_AIRFLOW:
            return super().resume_execution(next_method, next_kwargs, context)
        why = f"Airflow ended the deferral: {(next_kwargs or {}).get('error')}"
        with self._skipping_as_asked():
            try:
                super().resume_execution(next_method, next_kwargs, context)
            except AirflowException as error:
                if "timeout" not in why.lower() or self._may_be_retried_after_timeout:
                    raise PollyError(why) from error
                raise AirflowSensorTimeout(why) from error

    @property
    def _may_be_retried_after_timeout(self) -> bool:
        """Whether ``execution_timeout`` ends the wait: Airflow retries after it, not after ``timeout``."""
        limit = self.execution_timeout
        return limit is not None and 0 < limit.total_seconds() < self.timeout

    def _defer(self, context: Context) -> NoReturn:
        defer_until_ended(
            self,
            synthesis_task_id_of(self.synthesis_task_id),
            self._schedule,
            context,
            timeout=self.timeout,
            silent_fail=self.silent_fail,
        )

    def _deliver(self, context: Context, synthesis_task: Mapping[str, Any]) -> dict[str, Any]:
        """Push the XComs of a synthesis task that ended, report its object, and return its XCom form."""
        self.output_uri = synthesis_task.get("OutputUri")
        raise_if_failed(synthesis_task, final=True)
        delivered = deliver_synthesis_task(self, context, synthesis_task)
        self._output = delivered.output
        return delivered.value

    def _deadline(self, context: Context) -> float:
        """Return when the time-out passes, in seconds since the epoch.

        It counts from the start of this try; with ``mode="reschedule"`` from the start of this poke.
        """
        began: datetime | None = context["ti"].start_date
        return (began.timestamp() if began else time.time()) + self.timeout

    def _ask(self, synthesis_task_id: str, context: Context) -> Mapping[str, Any]:
        try:
            return look_up(self.hook, synthesis_task_id)
        except PollyCredentialsError as error:
            # They may have expired since the last poke; new ones may be late. Rescheduled, the next poke
            # would not know since when, so this one asks on.
            return self._ask_with_new_credentials(synthesis_task_id, self._deadline(context), error)

    def _ask_with_new_credentials(
        self, synthesis_task_id: str, deadline: float, refused: Exception
    ) -> Mapping[str, Any]:
        outage = CredentialsOutage()
        outage.note(refused)
        while True:
            self.hook.renew()
            try:
                return look_up(self.hook, synthesis_task_id)
            except PollyCredentialsError as error:
                if not wait_goes_on(error, math.inf, outage.seconds):
                    raise
                remaining = deadline - time.time()
                if remaining <= 0:
                    raise AirflowSensorTimeout(f"The timeout passed without credentials: {error}") from error
                self.log.warning("Cannot see the synthesis task now; the wait goes on: %s", error)
            time.sleep(outage.next_check_in(remaining))

    @contextmanager
    def _skipping_as_asked(self) -> Iterator[None]:
        """Skip on our errors with soft_fail or never_fail.

        Airflow itself skips on other errors when poking than on resuming, and on others in 2.11 than in 3.3.
        """
        try:
            yield
        except AirflowSkipException as skip:
            # Airflow names the flag alone, and drops the error that it skips for.
            if skip.__cause__ is not None:
                self.log.warning("Skipped for: %s", skip.__cause__)
            raise
        except (PollyError, AirflowSensorTimeout) as error:
            if self.soft_fail or self.never_fail:
                self.log.warning("Skipped for: %s", error)
                raise AirflowSkipException(f"Skipped, as soft_fail or never_fail asks: {error}") from error
            raise
