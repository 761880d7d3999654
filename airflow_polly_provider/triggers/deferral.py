"""How operators and the sensor defer: the trigger with all their settings, and what ends in it."""

from __future__ import annotations

import json
import math
import time
import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from botocore.config import Config

from airflow_polly_provider.settings import needs_airflow_3_3
from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_polly_provider.compat import Context
    from airflow_polly_provider.wait.schedule import Schedule

TRIGGER_TIMEOUT_MARGIN = timedelta(minutes=5)
"""How much later than our own deadline Airflow's trigger time-out, the net under it, ends a deferral."""


class DeferringTask(Protocol):
    """What a deferral needs of an operator or sensor."""

    aws_conn_id: str | None
    region_name: str | None
    verify: bool | str | None
    botocore_config: Any
    do_xcom_push: bool
    end_from_trigger: bool
    execution_timeout: timedelta | None
    on_success_callback: Any
    outlets: Any

    @property
    def log(self) -> Any:
        """The task's log."""

    def defer(self, *, trigger: Any, method_name: str, timeout: timedelta) -> NoReturn:
        """Defer, as every Airflow operator can."""


def defer_until_ended(
    task: DeferringTask,
    synthesis_task_id: str,
    schedule: Schedule,
    context: Context,
    *,
    timeout: float,
    **trigger_arguments: Any,
) -> NoReturn:
    """Defer until a synthesis task completed or failed; Airflow then calls ``execute_complete``.

    The deferral ends when ``timeout`` or the task's ``execution_timeout`` passes, which Airflow 3 does not
    apply to deferred time (apache/airflow issue 69678).

    :param task: the operator or sensor
    :param synthesis_task_id: Polly's ``TaskId``
    :param schedule: when to ask
    :param context: the running task's context
    :param timeout: how long to wait from now on, in seconds
    :param trigger_arguments: further arguments of the trigger
    """
    now = time.time()
    timeout = min(timeout, _remaining_execution_seconds(task, context, now))
    task.log.info("Deferring until synthesis task %s completed or failed", synthesis_task_id)
    task.defer(
        trigger=PollySpeechSynthesisTaskTrigger(
            synthesis_task_id=synthesis_task_id,
            deadline=now + timeout,
            **trigger_settings(task, schedule),
            **trigger_arguments,
        ),
        method_name="execute_complete",
        timeout=timedelta(seconds=max(0.0, timeout)) + TRIGGER_TIMEOUT_MARGIN,
    )


def _remaining_execution_seconds(task: DeferringTask, context: Context, now: float) -> float:
    """Return the seconds until ``execution_timeout`` passes, counted from the start of this try."""
    if not task.execution_timeout:
        return math.inf
    began: datetime | None = context["ti"].start_date
    return (began.timestamp() if began else now) + task.execution_timeout.total_seconds() - now


def trigger_settings(task: DeferringTask, schedule: Schedule) -> dict[str, Any]:
    """Return the trigger's arguments that come from settings: every setting of the task's hook included.

    :param task: the operator or sensor
    :param schedule: when to ask
    """
    return {
        "poke_interval": schedule.poke_interval,
        "exponential_backoff": schedule.exponential_backoff,
        "max_wait": schedule.max_wait,
        "end_from_trigger": task.end_from_trigger,
        "push_xcom": task.do_xcom_push,
        "aws_conn_id": task.aws_conn_id,
        "region_name": task.region_name,
        "verify": task.verify,
        "botocore_config": task.botocore_config,
    }


def config_for_trigger(config: Any, *, deferrable: bool) -> Any:
    """Return ``botocore_config`` as a mapping that a trigger can be saved with. To be called by ``__init__``.

    :param config: what the user gave: a mapping, a ``botocore.config.Config`` or None
    :param deferrable: whether the task will wait in the triggerer
    :raises ValueError: with ``deferrable``, a value in it is neither text, number, truth value nor a list or
        mapping of these; the deferral would fail when the synthesis task was started already
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
                f"botocore_config cannot be given to the triggerer: {error}. Use plain values, or "
                "deferrable=False, or the connection's extra (config_kwargs)."
            ) from error
    return config


def validate_end_from_trigger(task: DeferringTask, *, deferrable: bool) -> None:
    """Refuse what ending in the triggerer cannot do, and warn of what is lost. To be called by ``__init__``.

    :param task: the operator or sensor
    :param deferrable: whether it will wait in the triggerer
    :raises ValueError: ``end_from_trigger=True`` without that, or on Airflow before 3.3
    """
    if not task.end_from_trigger:
        return
    if not deferrable:
        raise ValueError("end_from_trigger=True needs deferrable=True: the triggerer ends the task.")
    needs_airflow_3_3("end_from_trigger")
    if task.on_success_callback or task.outlets:
        warnings.warn(
            "end_from_trigger=True: the task ends in the triggerer, where Airflow runs no success "
            "callback and sends no asset event.",
            UserWarning,
            stacklevel=4,
        )
