"""The sensor without a worker: it starts in the triggerer (Airflow 3.3+).

Airflow renders a trigger's argument only where operator's template field, trigger's argument and trigger's
attribute bear the same name; an XComArg would reach it as a bare reference, and an ``xcom_pull`` without
``map_indexes`` would wait for ever for an answer that the triggerer cannot give.
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
    """Return what starts the trigger in a worker's place.

    :param synthesis_task_id: a TaskId or a template for it
    :param timeout: seconds
    :param execution_timeout: the task's, in seconds or as a timedelta; the earlier of the two ends the wait
    :param trigger_kwargs: further arguments of the trigger
    :raises TypeError: for an argument that the trigger does not have
    :raises ValueError: for a duration that is none
    """
    # Made here too: in the triggerer a misspelt one would show only when the DAG runs.
    trigger = PollySpeechSynthesisTaskTrigger(synthesis_task_id=synthesis_task_id, **trigger_kwargs)
    return StartTriggerArgs(
        trigger_cls=TRIGGER,
        trigger_kwargs={name: getattr(trigger, name) for name in ("synthesis_task_id", *trigger_kwargs)},
        next_method="execute_complete",
        next_kwargs=None,
        timeout=timedelta(seconds=min(timeout, seconds(execution_timeout or math.inf))),
    )


def template_for(value: str | Mapping[str, Any] | XComArg, sensor: BaseOperator) -> str:
    """Return a synthesis_task_id in a form that the triggerer can render.

    :param value: a TaskId, a template, a SynthesisTask, or an operator's ``output``
    :param sensor: the sensor that waits for it, which is not mapped itself
    :raises ValueError: for what would hang or fail there, saying what to write instead
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
    _refuse_if_mapped(producer, is_mapped=False)
    return _pull_from(value, _NOT_MAPPED)


def mapped_template_for(value: XComArg) -> str:
    """Return the template of the value at the running task's own map index.

    :param value: the ``output`` of a mapped operator
    """
    _refuse_if_mapped(_operator_of(value), is_mapped=True)
    return _pull_from(value, _THIS_MAP_INDEX)


def _check_pulls(template: str) -> None:
    for pull in _pulls_in(template):
        if "map_indexes" not in pull:
            raise ValueError(
                f"{pull!r} would hang in the triggerer: with start_from_trigger=True give xcom_pull "
                "map_indexes=-1 (not mapped) or map_indexes=ti.map_index as well, or give the operator's "
                "output."
            )


def _pulls_in(template: str) -> Iterator[str]:
    """Yield each call of ``xcom_pull``, with what other calls and brackets it holds."""
    for begun in re.finditer(r"xcom_pull\s*\(", template):
        depth, end = 1, begun.end()
        while depth and end < len(template):
            depth += {"(": 1, ")": -1}.get(template[end], 0)
            end += 1
        yield template[begun.start() : end]


def _operator_of(value: XComArg) -> Any:
    """Return the operator whose output is given."""
    operator = getattr(value, "operator", None)
    if operator is None or getattr(value, "key", None) is None:
        raise ValueError(
            f"start_from_trigger=True takes an operator's output, a TaskId or a template, not {value!r}: "
            "the triggerer cannot resolve map(), zip() or concat()."
        )
    return operator


def _refuse_if_mapped(producer: Any, *, is_mapped: bool) -> None:
    """Refuse an operator that has, or has not, one XCom for each map index."""
    in_mapped_group = producer.get_closest_mapped_task_group() is not None
    if (isinstance(producer, MappedOperator) or in_mapped_group) != is_mapped:
        raise ValueError(
            f"Task {producer.task_id!r} is {'not ' if is_mapped else ''}mapped. With start_from_trigger=True "
            "map the sensor over a mapped task's output with partial(start_trigger_args="
            "PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(start.output)), or put it into the "
            "same mapped task group; give the output of one that is not mapped to synthesis_task_id itself."
        )


def _pull_from(value: Any, map_indexes: str) -> str:
    pull = f"ti.xcom_pull(task_ids={value.operator.task_id!r}, key={value.key!r}, map_indexes={map_indexes})"
    return f"{{% set pushed = {pull} %}}{{{{ pushed.TaskId if pushed is mapping else pushed }}}}"
