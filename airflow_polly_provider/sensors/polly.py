"""The sensor that waits until a synthesis task completes."""

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
from airflow_polly_provider.links.polly import SPEECH_TASK_LINKS
from airflow_polly_provider.output.object_duration import with_duration
from airflow_polly_provider.results.delivery import (
    deliver_synthesis_task,
    message_pushed_on_failure,
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
"""The ``next_method`` that Airflow uses when it ends a deferral without an event from the trigger."""


class PollySpeechSynthesisTaskSensor(AwsBaseSensor[PollyHook]):
    """Wait until a synthesis task completes, and return the SynthesisTask.

    Pushes the same XComs as the start operator: the SynthesisTask as ``return_value``, and ``TaskId``,
    ``TaskStatus``, ``OutputUri``, ``OutputS3Uri``, ``RequestCharacters``, ``SpokenCharacters`` and, for
    audio, ``DurationSeconds`` under their own keys. If the synthesis task fails, the sensor fails with
    Polly's reason, and Airflow does not retry it.

    Throttling, 5xx responses, network errors and responses that are not from Polly do not end the wait. An
    ``execution_timeout`` that is shorter than ``timeout`` ends the wait, even while the task is deferred.
    Airflow then retries the task. ``soft_fail`` and ``never_fail`` turn every error of this package, and the
    timeout, into a skip, in all modes and Airflow versions. They do not apply when Airflow itself ends the
    task at its ``execution_timeout``. With ``silent_fail``, the wait continues after errors that a retry may
    fix.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_GetSpeechSynthesisTask.html

    :param synthesis_task_id: Polly's ``TaskId``, or a SynthesisTask as the start operator returns it, so that
        ``partial(…).expand(synthesis_task_id=start.output)`` works
    :param deferrable: whether to wait in the triggerer, which frees the worker slot (True), or in the worker
        according to ``mode`` (False); None uses ``[operators] default_deferrable``
    :param poke_interval: interval between two checks, in seconds or as a timedelta; default 30 seconds. In
        deferrable mode without ``exponential_backoff`` it is the maximum interval: the first interval is 2
        seconds, and later ones grow to the maximum
    :param timeout: maximum time to wait, in seconds or as a timedelta, counted from the start of each try;
        default 72 hours, after which Polly no longer returns the synthesis task. When the timeout passes, the
        sensor raises AirflowSensorTimeout
    :param mode: how to wait in the worker: ``poke`` (default) occupies the worker slot during the whole wait,
        ``reschedule`` frees it between checks. Not used in deferrable mode
    :param start_from_trigger: whether to start the task in the triggerer, without a worker; default False.
        Requires Airflow 3.3+. A mapped sensor also needs
        ``partial(start_trigger_args=PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(start.output))``
    :param end_from_trigger: whether to end the Airflow task in the triggerer, without a worker, when the
        synthesis task completes; default False. The triggerer then pushes the XComs. Requires ``deferrable``
        or ``start_from_trigger``, and Airflow 3.3+. Success callbacks and listeners then do not run, and no
        asset event is created
    :param start_trigger_args: for a mapped sensor with ``start_from_trigger``, the result of
        :meth:`~airflow_polly_provider.sensors.polly.PollySpeechSynthesisTaskSensor.mapped_start_trigger_args`
    :raises PollySynthesisTaskFailedFinalError: Polly reports TaskStatus ``failed``; never retried
    :raises PollySynthesisTaskNotFoundError: Polly did not find the id within 30 seconds; never retried
    :raises AirflowSensorTimeout: the timeout passed

    ``soft_fail``, ``never_fail``, ``silent_fail``, ``exponential_backoff`` and ``max_wait`` are the standard
    parameters of Airflow's sensors. ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` are
    the standard parameters of the amazon provider's sensors.
    """

    aws_hook_class = PollyHook
    template_fields: Sequence[str] = aws_template_fields("synthesis_task_id")
    ui_color = "#eabfff"
    operator_extra_links = SPEECH_TASK_LINKS
    output_uri: str | None = None
    """``OutputUri`` if this process knows it. Airflow builds the extra links from it while the task runs."""
    _pushed_status: str | None = None
    """The TaskStatus that this process pushed last."""
    _output: Mapping[str, Any] | None = None
    """The output of the task. OpenLineage reads it from the sensor after the task has ended."""

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
        # Any: the type is known only after Airflow has rendered the template.
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
        """Return ``start_trigger_args`` for the ``partial()`` of a mapped sensor with ``start_from_trigger``.

        Airflow starts a mapped task in the triggerer with only the arguments of ``partial()``. Pass the
        output that the sensor is mapped over, and every setting that differs from its default.

        :param synthesis_task_id: the mapped operator's ``output``, the same as in ``expand()``
        :param timeout: maximum time to wait, in seconds or as a timedelta; default 72 hours
        :param execution_timeout: the ``execution_timeout`` of ``partial()``, in seconds or as a timedelta;
            pass it here too, because this method cannot read the arguments of ``partial()``
        :param trigger_kwargs: ``end_from_trigger``, ``poke_interval``, ``aws_conn_id``, ``region_name`` and
            other arguments of the trigger; durations in seconds or as a timedelta
        :raises TypeError: the trigger does not accept one of the arguments
        """
        return from_trigger.start_trigger_args(
            from_trigger.mapped_template_for(synthesis_task_id),
            timeout=seconds(timeout),
            execution_timeout=execution_timeout,
            **trigger_kwargs,
        )

    @property
    def has_audio_in_s3(self) -> bool:
        """Whether this process knows the object of the audio. Airflow builds the link to the tab from it."""
        return self.output_uri is not None

    @property
    def _schedule(self) -> Schedule:
        max_wait = self.max_wait.total_seconds() if self.max_wait else None
        return Schedule(self.poke_interval, self.exponential_backoff, max_wait)

    def execute(self, context: Context) -> Any:
        """Wait in the triggerer if deferrable, otherwise in the worker according to ``mode``."""
        with message_pushed_on_failure(self, context), self._skip_if_configured():
            push_status(self, context, {"TaskId": synthesis_task_id_of(self.synthesis_task_id)})
            return self._defer(context) if self.deferrable else super().execute(context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Check the status once."""
        # With soft_fail, Airflow turns an error into a skip before ``execute`` can push the status.
        with status_pushed_on_failure(self, context):
            return self._poke(context)

    def _poke(self, context: Context) -> PokeReturnValue:
        try:
            synthesis_task = self._fetch(synthesis_task_id_of(self.synthesis_task_id), context)
        except CHECK_ERRORS as error:
            if not wait_goes_on(error, math.inf):
                raise
            if is_worth_a_new_look_up(error):
                self.hook.renew()
            self.log.warning("Cannot get the status of the synthesis task now; still waiting: %s", error)
            return PokeReturnValue(is_done=False)
        status = synthesis_task.get("TaskStatus")
        if status != TaskStatus.COMPLETED:  # delivery logs the completion
            self.log.info("Synthesis task %s is %s", synthesis_task.get("TaskId"), status)
        if status not in TERMINAL_STATUSES:
            if status != self._pushed_status:
                push_status(self, context, synthesis_task)
                self._pushed_status = status
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._deliver(context, synthesis_task))

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Resume the task after its trigger fired.

        :param context: the running task's context
        :param event: the payload of the trigger's event
        """
        with message_pushed_on_failure(self, context), self._skip_if_configured():
            try:
                with status_pushed_on_failure(self, context):
                    return self._deliver(context, synthesis_task_of(event))
            except PollyWaitTimeoutError as error:
                if self._may_be_retried_after_timeout:
                    raise
                raise AirflowSensorTimeout(str(error)) from error

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the object as an OpenLineage output dataset. OpenLineage's listener calls it in the worker.

        :param task_instance: the task instance; not used
        """
        return openlineage_of(self._output)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume the task, even if Airflow itself ended the deferral, for example because no triggerer runs.

        When Airflow 2.11 ends a deferral, it does not raise AirflowSensorTimeout after a timeout, and it
        ignores ``never_fail``. This method raises that error and applies ``never_fail``.

        :param next_method: name of the method to resume with
        :param next_kwargs: arguments of that method
        :param context: the running task's context
        """
        if next_method != _ENDED_BY_AIRFLOW:
            return super().resume_execution(next_method, next_kwargs, context)
        why = f"Airflow ended the deferral: {(next_kwargs or {}).get('error')}"
        with message_pushed_on_failure(self, context), self._skip_if_configured():
            try:
                super().resume_execution(next_method, next_kwargs, context)
            except AirflowException as error:
                if "timeout" not in why.lower() or self._may_be_retried_after_timeout:
                    raise PollyError(why) from error
                raise AirflowSensorTimeout(why) from error

    @property
    def _may_be_retried_after_timeout(self) -> bool:
        """Whether ``execution_timeout`` ends the wait.

        Airflow retries the task after ``execution_timeout``, but not after ``timeout``.
        """
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
        """Push the XComs of an ended synthesis task, report its object, and return its XCom form."""
        self.output_uri = synthesis_task.get("OutputUri")
        raise_if_failed(synthesis_task, final=True)
        synthesis_task = with_duration(synthesis_task, self._hook_parameters)
        delivered = deliver_synthesis_task(self, context, synthesis_task)
        self._output = delivered.output
        return delivered.value

    def _deadline(self, context: Context) -> float:
        """Return the time at which the timeout passes, in seconds since the epoch.

        The timeout counts from the start of this try; with ``mode="reschedule"``, from the start of this
        poke.
        """
        began: datetime | None = context["ti"].start_date
        return (began.timestamp() if began else time.time()) + self.timeout

    def _fetch(self, synthesis_task_id: str, context: Context) -> Mapping[str, Any]:
        try:
            return look_up(self.hook, synthesis_task_id)
        except PollyCredentialsError as error:
            # The credentials may have expired since the last poke, and new ones may not be available yet. In
            # reschedule mode the next poke would not know when the outage began, so this poke keeps trying.
            return self._fetch_with_new_credentials(synthesis_task_id, self._deadline(context), error)

    def _fetch_with_new_credentials(
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
                    raise AirflowSensorTimeout(
                        f"The timeout passed while no usable credentials were available: {error}"
                    ) from error
                self.log.warning("Cannot get the status of the synthesis task now; still waiting: %s", error)
            time.sleep(outage.next_check_in(remaining))

    @contextmanager
    def _skip_if_configured(self) -> Iterator[None]:
        """Skip the task on errors of this package if soft_fail or never_fail is set.

        Airflow's own handling differs between poking and resuming, and between 2.11 and 3.3.
        """
        try:
            yield
        except AirflowSkipException as skip:
            # Airflow's message names only the flag, not the error that caused the skip.
            if skip.__cause__ is not None:
                self.log.warning("Skipping the task because of this error: %s", skip.__cause__)
            raise
        except (PollyError, AirflowSensorTimeout) as error:
            if self.soft_fail or self.never_fail:
                self.log.warning("Skipping the task because of this error: %s", error)
                raise AirflowSkipException(f"Skipped (soft_fail or never_fail is set): {error}") from error
            raise
