"""Delivery of a result to later tasks and other systems: XComs under separate keys, and lineage."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.results.cost import cost_words, with_estimated_cost
from airflow_polly_provider.results.lineage import ReportingTask, report_output
from airflow_polly_provider.results.synthesis_task import OWN_XCOM_KEYS, STATUS_XCOM_KEYS, to_xcom_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_polly_provider.compat import Context

log = logging.getLogger(__name__)


class PushingTask(Protocol):
    """The attributes of an operator or sensor that are needed to push XComs."""

    do_xcom_push: bool


class DeliveringTask(PushingTask, ReportingTask, Protocol):
    """The attributes of an operator or sensor that are needed to deliver a result."""


def own_xcoms(value: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a result that are pushed under separate keys.

    :param value: the result, in the form of ``return_value``
    :param keys: the fields; fields that the result does not have are left out
    """
    return {key: value[key] for key in keys if key in value}


def push_own_xcoms(
    task: PushingTask, context: Context, value: Mapping[str, Any], keys: Sequence[str]
) -> None:
    """Push fields of a result under separate keys, unless the task has ``do_xcom_push=False``.

    :param task: the operator or sensor
    :param context: the running task's context
    :param value: the result, in the form of ``return_value``
    :param keys: the fields; fields that the result does not have are left out
    """
    if task.do_xcom_push:
        for key, field in own_xcoms(value, keys).items():
            context["ti"].xcom_push(key=key, value=field)


def push_status(task: PushingTask, context: Context, synthesis_task: Mapping[str, Any]) -> None:
    """Push the known fields of an unfinished synthesis task, in case the Airflow task fails later.

    :param task: the operator or sensor
    :param context: the running task's context
    :param synthesis_task: a SynthesisTask, or its known fields
    """
    try:
        push_own_xcoms(task, context, synthesis_task, STATUS_XCOM_KEYS)
    except Exception as error:  # noqa: BLE001  # a deployment's own XCom back-end can raise any error
        # An error here must not fail the Airflow task: its synthesis task keeps running and is paid for.
        log.warning(
            "Cannot push the XComs %s now; the task continues: %s", ", ".join(STATUS_XCOM_KEYS), error
        )


@contextmanager
def status_pushed_on_failure(task: PushingTask, context: Context) -> Iterator[None]:
    """Push the known fields of the synthesis task if an error of this package ends the Airflow task.

    :param task: the operator or sensor
    :param context: the running task's context
    """
    try:
        yield
    except PollyError as error:
        known = {
            "TaskId": error.synthesis_task_id,
            "TaskStatus": error.task_status,
            "TaskStatusReason": error.task_status_reason,
        }
        push_status(task, context, {key: field for key, field in known.items() if field is not None})
        raise


class Delivered(NamedTuple):
    """The values that a delivery returns to the operator or sensor.

    :param value: the result, for ``return_value``
    :param output: for OpenLineage: the result if its object is the task's output, otherwise None
    """

    value: dict[str, Any]
    output: Mapping[str, Any] | None


def deliver_synthesis_task(
    task: DeliveringTask, context: Context, synthesis_task: Mapping[str, Any], *, is_output: bool = True
) -> Delivered:
    """Push the XComs of a SynthesisTask, report its object, and return its XCom form.

    :param task: the operator or sensor
    :param context: the running task's context
    :param synthesis_task: a SynthesisTask as boto3 returns it, or in its XCom form
    :param is_output: whether the object is an output of the task; False if the task neither started the
        synthesis task nor waited for it
    """
    value = with_estimated_cost(to_xcom_value(synthesis_task))
    log_completed(value)
    push_own_xcoms(task, context, value, tuple(dict.fromkeys(OWN_XCOM_KEYS + STATUS_XCOM_KEYS)))
    written = value.get("TaskStatus") == TaskStatus.COMPLETED and not value.get("Unchanged")
    return Delivered(value, report_output(task, context, value, written=written, is_output=is_output))


def log_completed(value: Mapping[str, Any]) -> None:
    """Log the location, the billed characters and the duration of a completed synthesis task's audio.

    :param value: a SynthesisTask in its XCom form
    """
    if value.get("TaskStatus") != TaskStatus.COMPLETED:
        return
    place = value.get("OutputS3Uri") or value.get("OutputUri", "unknown location")
    billed, spoken = (value.get(key, "unknown") for key in ("RequestCharacters", "SpokenCharacters"))
    seconds = value.get("DurationSeconds")
    if value.get("Unchanged"):
        log.info(
            "Nothing to synthesize: %s is up to date (synthesis task %s made it from the same request). "
            "%s characters billed%s; the audio has %s%s",
            place,
            value.get("TaskId"),
            billed,
            cost_words(value),
            spoken,
            "" if seconds is None else f" and lasts {seconds:.1f} s",
        )
    else:
        log.info(
            "Synthesis task %s completed: %s, %s characters billed%s%s",
            value.get("TaskId"),
            place,
            billed,
            cost_words(value),
            "" if seconds is None else f", {seconds:.1f} s of audio",
        )
