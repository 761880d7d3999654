"""Checks the settings of a deferral, and defers the operators and the sensor with these settings."""

from __future__ import annotations

import json
import math
import time
import warnings
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from botocore.config import Config

from airflow_polly_provider.settings import needs_airflow_3_3
from airflow_polly_provider.triggers.batch import PollySpeechSynthesisBatchTrigger
from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_polly_provider.compat import Context
    from airflow_polly_provider.wait.schedule import Schedule

TRIGGER_TIMEOUT_MARGIN = timedelta(minutes=5)
"""Time between the trigger's own deadline and Airflow's trigger timeout, which is only a fallback."""


class Deferrable(Protocol):
    """An operator or sensor: the attributes and methods that every deferral uses."""

    aws_conn_id: str | None
    region_name: str | None
    verify: bool | str | None
    botocore_config: Any
    execution_timeout: timedelta | None

    @property
    def log(self) -> Any:
        """The task's logger."""

    def defer(self, *, trigger: Any, method_name: str, timeout: timedelta) -> NoReturn:
        """Defer the task (Airflow's ``BaseOperator.defer``)."""


class DeferringTask(Deferrable, Protocol):
    """An operator or sensor that waits for one synthesis task, and may end in the triggerer."""

    do_xcom_push: bool
    end_from_trigger: bool
    on_success_callback: Any
    outlets: Any


def defer_until_ended(
    task: DeferringTask,
    synthesis_task_id: str,
    schedule: Schedule,
    context: Context,
    *,
    timeout: float,
    **trigger_arguments: Any,
) -> NoReturn:
    """Defer until a synthesis task completes or fails; Airflow then calls ``execute_complete``.

    The deferral also ends when ``timeout`` or the task's ``execution_timeout`` passes. Airflow 3 does not
    apply ``execution_timeout`` to deferred time (apache/airflow issue 69678), so the trigger applies it.

    :param task: the operator or sensor
    :param synthesis_task_id: Polly's ``TaskId``
    :param schedule: the intervals between the status checks
    :param context: the running task's context
    :param timeout: maximum time to wait from now, in seconds
    :param trigger_arguments: other arguments of the trigger
    """
    task.log.info("Deferring until synthesis task %s completes or fails", synthesis_task_id)
    make_trigger = partial(
        PollySpeechSynthesisTaskTrigger,
        synthesis_task_id=synthesis_task_id,
        **trigger_settings(task, schedule),
        **trigger_arguments,
    )
    _defer(task, make_trigger, context, timeout)


def defer_until_batch_ended(
    task: Deferrable,
    manifest_s3_uri: str,
    manifest_etag: str,
    schedule: Schedule,
    context: Context,
    *,
    timeout: float,
    for_resume: dict[str, Any] | None = None,
) -> NoReturn:
    """Defer until all synthesis tasks of a batch end; Airflow then calls ``execute_complete``.

    The deferral also ends when ``timeout`` or the task's ``execution_timeout`` passes.

    :param task: the operator
    :param manifest_s3_uri: the batch's manifest as ``s3://bucket/key``
    :param manifest_etag: the ETag of the manifest
    :param schedule: the intervals between the status checks; only its ``poke_interval`` is used
    :param context: the running task's context
    :param timeout: maximum time to wait from now, in seconds
    :param for_resume: values that the task needs when it resumes
    """
    task.log.info("Deferring until the synthesis tasks of the batch %s complete or fail", manifest_s3_uri)
    make_trigger = partial(
        PollySpeechSynthesisBatchTrigger,
        manifest_s3_uri=manifest_s3_uri,
        manifest_etag=manifest_etag,
        poke_interval=schedule.poke_interval,
        for_resume=for_resume,
        **_hook_settings(task),
    )
    _defer(task, make_trigger, context, timeout)


def _defer(task: Deferrable, make_trigger: Callable[..., Any], context: Context, timeout: float) -> NoReturn:
    now = time.time()
    timeout = min(timeout, _remaining_execution_seconds(task, context, now))
    task.defer(
        trigger=make_trigger(deadline=now + timeout),
        method_name="execute_complete",
        timeout=timedelta(seconds=max(0.0, timeout)) + TRIGGER_TIMEOUT_MARGIN,
    )


def _remaining_execution_seconds(task: Deferrable, context: Context, now: float) -> float:
    """Return the seconds left until ``execution_timeout``, which began with this try, passes."""
    if not task.execution_timeout:
        return math.inf
    began: datetime | None = context["ti"].start_date
    return (began.timestamp() if began else now) + task.execution_timeout.total_seconds() - now


def trigger_settings(task: DeferringTask, schedule: Schedule) -> dict[str, Any]:
    """Return the arguments of the trigger that come from task settings, including all hook settings.

    :param task: the operator or sensor
    :param schedule: the intervals between the status checks
    """
    return {
        "poke_interval": schedule.poke_interval,
        "exponential_backoff": schedule.exponential_backoff,
        "max_wait": schedule.max_wait,
        "end_from_trigger": task.end_from_trigger,
        "push_xcom": task.do_xcom_push,
        **_hook_settings(task),
    }


def _hook_settings(task: Deferrable) -> dict[str, Any]:
    return {
        "aws_conn_id": task.aws_conn_id,
        "region_name": task.region_name,
        "verify": task.verify,
        "botocore_config": task.botocore_config,
    }


def config_for_trigger(config: Any, *, deferrable: bool) -> Any:
    """Return ``botocore_config`` as a mapping that can be serialized with a trigger.

    Call it in ``__init__``. Otherwise, a value that cannot be serialized would make the Airflow task fail
    only after the synthesis task was started.

    :param config: the user's value: a mapping, a ``botocore.config.Config`` or None
    :param deferrable: whether the task will wait in the triggerer
    :raises ValueError: ``deferrable`` is set, and a value cannot be serialized as JSON
    """
    if isinstance(config, Config):
        default = Config()
        given = {name: getattr(config, name) for name in Config.OPTION_DEFAULTS}
        config = {name: value for name, value in given.items() if value != getattr(default, name)}
    if deferrable:
        try:
            json.dumps(config)
        except TypeError as error:
            raise ValueError(
                f"botocore_config cannot be sent to the triggerer: {error}. Use only values that JSON "
                "supports, or set deferrable=False, or use config_kwargs in the connection's extra."
            ) from error
    return config


def validate_end_from_trigger(task: DeferringTask, *, deferrable: bool) -> None:
    """Check the requirements of ``end_from_trigger``, and warn about features that do not work with it.

    Call it in ``__init__``.

    :param task: the operator or sensor
    :param deferrable: whether the task will wait in the triggerer
    :raises ValueError: ``end_from_trigger=True``, but the task will not wait in the triggerer, or the
        installed Airflow is older than 3.3
    """
    if not task.end_from_trigger:
        return
    if not deferrable:
        raise ValueError("end_from_trigger=True needs deferrable=True: the triggerer ends the task.")
    needs_airflow_3_3("end_from_trigger")
    if task.on_success_callback or task.outlets:
        warnings.warn(
            "With end_from_trigger=True the task ends in the triggerer, where Airflow runs no success "
            "callback and emits no asset event.",
            UserWarning,
            stacklevel=4,
        )
