"""Start arguments for a sensor that starts in the triggerer, without a worker (Airflow 3.3+).

Airflow renders an argument of the trigger only if the operator's template field, the trigger's argument and
the trigger's attribute have the same name. An XComArg would reach the trigger unresolved. An ``xcom_pull``
without ``map_indexes`` would never return in the triggerer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import StartTriggerArgs

from airflow_polly_provider.compat import MappedOperator
from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger
from airflow_polly_provider.wait.schedule import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.compat import BaseOperator, XComArg

TRIGGER = f"{PollySpeechSynthesisTaskTrigger.__module__}.{PollySpeechSynthesisTaskTrigger.__qualname__}"
_NOT_MAPPED = "-1"
_THIS_MAP_INDEX = "ti.map_index"


def start_trigger_args(
    synthesis_task_id: str,
    *,
    timeout: float,
    execution_timeout: float | timedelta | None,
    **trigger_kwargs: Any,
) -> StartTriggerArgs:
    """Return the arguments with which the scheduler starts the trigger directly.

    :param synthesis_task_id: a TaskId or a template for it
    :param timeout: maximum time to wait, in seconds
    :param execution_timeout: the task's ``execution_timeout``, in seconds or as a timedelta; the shorter of
        ``timeout`` and ``execution_timeout`` ends the wait
    :param trigger_kwargs: other arguments of the trigger
    :raises TypeError: the trigger does not accept one of the arguments
    :raises ValueError: a duration is neither a number of seconds nor a timedelta
    """
    # Creating the trigger here reports a misspelt argument when the DAG is parsed, not when it runs.
    trigger = PollySpeechSynthesisTaskTrigger(synthesis_task_id=synthesis_task_id, **trigger_kwargs)
    return StartTriggerArgs(
        trigger_cls=TRIGGER,
        trigger_kwargs={name: getattr(trigger, name) for name in ("synthesis_task_id", *trigger_kwargs)},
        next_method="execute_complete",
        next_kwargs=None,
        timeout=timedelta(seconds=min(timeout, seconds(execution_timeout or math.inf))),
    )


def template_for(value: str | Mapping[str, Any] | XComArg, sensor: BaseOperator) -> str:
    """Return ``synthesis_task_id`` in a form that the triggerer can render.

    :param value: a TaskId, a template, a SynthesisTask, or an operator's ``output``
    :param sensor: the sensor that waits for it; the sensor itself is not mapped
    :raises ValueError: the triggerer cannot render the value; the error says what to write instead
    """
    if isinstance(value, str):
        _check_pulls(value)
        return value
    if isinstance(value, Mapping):
        return str(value["TaskId"])
    group = sensor.get_closest_mapped_task_group()
    producer = _operator_of(value)
    if group is not None and producer.get_closest_mapped_task_group() is group:
        return _pull_from(value, _THIS_MAP_INDEX)
    _validate_mapping(producer, is_mapped=False)
    return _pull_from(value, _NOT_MAPPED)


def mapped_template_for(value: XComArg) -> str:
    """Return a template that pulls the value with the running task's map index.

    :param value: the ``output`` of a mapped operator
    """
    _validate_mapping(_operator_of(value), is_mapped=True)
    return _pull_from(value, _THIS_MAP_INDEX)


def _check_pulls(template: str) -> None:
    for pull in _pulls_in(template):
        if "map_indexes" not in pull:
            raise ValueError(
                f"{pull!r} would hang in the triggerer. With start_from_trigger=True, add map_indexes=-1 "
                "(for a task that is not mapped) or map_indexes=ti.map_index to xcom_pull, or pass the "
                "operator's output instead."
            )


def _pulls_in(template: str) -> Iterator[str]:
    """Yield each ``xcom_pull(…)`` call in a template, up to its matching closing parenthesis."""
    for begun in re.finditer(r"xcom_pull\s*\(", template):
        depth, end = 1, begun.end()
        while depth and end < len(template):
            depth += {"(": 1, ")": -1}.get(template[end], 0)
            end += 1
        yield template[begun.start() : end]


def _operator_of(value: XComArg) -> Any:
    """Return the operator that an ``output`` belongs to."""
    operator = getattr(value, "operator", None)
    if operator is None or getattr(value, "key", None) is None:
        raise ValueError(
            f"start_from_trigger=True needs an operator's output, a TaskId or a template, not {value!r}. "
            "The triggerer cannot resolve map(), zip() or concat()."
        )
    return operator


def _validate_mapping(producer: Any, *, is_mapped: bool) -> None:
    """Raise an error if the operator must be mapped but is not, or is mapped but must not be."""
    in_mapped_group = producer.get_closest_mapped_task_group() is not None
    if (isinstance(producer, MappedOperator) or in_mapped_group) != is_mapped:
        raise ValueError(
            f"Task {producer.task_id!r} is {'not ' if is_mapped else ''}mapped. With start_from_trigger=True "
            "there are two ways to wait for a mapped task: map the sensor over its output with "
            "partial(start_trigger_args="
            "PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(start.output)), or put the sensor into "
            "the same mapped task group. For a task that is not mapped, pass its output to synthesis_task_id."
        )


def _pull_from(value: Any, map_indexes: str) -> str:
    pull = f"ti.xcom_pull(task_ids={value.operator.task_id!r}, key={value.key!r}, map_indexes={map_indexes})"
    return f"{{% set pushed = {pull} %}}{{{{ pushed.TaskId if pushed is mapping else pushed }}}}"
