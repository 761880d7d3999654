"""Delivery of a result to later tasks and other systems: XComs under separate keys, and lineage."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.compat import AirflowSensorTimeout
from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.results.aws_connection import AWS_CONNECTION_KEY, aws_connection_xcom, is_in_s3
from airflow_polly_provider.results.cost import cost_words, with_estimated_cost
from airflow_polly_provider.results.lineage import ReportingTask, report_output
from airflow_polly_provider.results.synthesis_task import OWN_XCOM_KEYS, STATUS_XCOM_KEYS, to_xcom_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_polly_provider.aws.connection import NamedConnectionHook
    from airflow_polly_provider.compat import Context

log = logging.getLogger(__name__)

ERROR_MESSAGE_KEY = "ErrorMessage"
"""The key of the XCom with the message of the error that failed the task."""

MAX_ERROR_CHARACTERS = 2000
"""Maximum number of characters of ``ErrorMessage``. A batch's message can list many items."""


class PushingTask(Protocol):
    """The attributes of an operator or sensor that are needed to push XComs."""

    do_xcom_push: bool


class ConnectedTask(PushingTask, Protocol):
    """The attributes of an operator or sensor that are needed to push its connection."""

    @property
    def hook(self) -> NamedConnectionHook:
        """The hook that sends the requests to Polly."""

    @property
    def _hook_parameters(self) -> dict[str, Any]: ...


class DeliveringTask(ConnectedTask, ReportingTask, Protocol):
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
    _push_or_warn(task, context, own_xcoms(synthesis_task, STATUS_XCOM_KEYS))


def push_aws_connection(
    task: ConnectedTask,
    context: Context,
    value: Mapping[str, Any],
    *,
    hook_parameters: Mapping[str, Any] | None = None,
    has_custom_endpoint: bool = False,
) -> None:
    """Push ``AwsConnection`` if a result names an object in S3. Raises no error.

    :param task: the operator or sensor
    :param context: the running task's context
    :param value: the result, in the form of ``return_value``
    :param hook_parameters: the parameters of the hook that can read the object; None for the task's own
    :param has_custom_endpoint: whether a hook other than the task's own uses a custom endpoint for the object
    """
    if not task.do_xcom_push or not is_in_s3(value):
        return
    try:
        is_custom = has_custom_endpoint or task.hook.has_custom_endpoint
    except Exception as error:  # noqa: BLE001  # the speech is paid for, and the task must not fail
        log.warning("Cannot find out the endpoint of the connection; the task continues: %s", error)
        is_custom = False
    connection = aws_connection_xcom(
        task._hook_parameters if hook_parameters is None else hook_parameters, has_custom_endpoint=is_custom
    )
    _push_or_warn(task, context, {AWS_CONNECTION_KEY: connection})


def _push_or_warn(task: PushingTask, context: Context, xcoms: Mapping[str, Any]) -> None:
    """Push XComs. If that fails, log a warning."""
    try:
        push_own_xcoms(task, context, xcoms, tuple(xcoms))
    except Exception as error:  # noqa: BLE001  # a deployment's own XCom back-end can raise any error
        # An error here must not fail the Airflow task: its synthesis task keeps running and is paid for.
        log.warning("Cannot push the XComs %s now; the task continues: %s", ", ".join(xcoms), error)


@contextmanager
def status_pushed_on_failure(task: PushingTask, context: Context) -> Iterator[None]:
    """Push the known fields of the synthesis task if an error of this package is raised.

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


@contextmanager
def message_pushed_on_failure(task: PushingTask, context: Context) -> Iterator[None]:
    """Push ``ErrorMessage`` if an error of this package, or the timeout of a sensor, ends the Airflow task.

    A skip or a deferral is no error.

    :param task: the operator or sensor
    :param context: the running task's context
    """
    try:
        yield
    except (PollyError, AirflowSensorTimeout) as error:
        _push_or_warn(task, context, {ERROR_MESSAGE_KEY: _shortened(str(error))})
        raise


@contextmanager
def failure_pushed(task: PushingTask, context: Context) -> Iterator[None]:
    """Push ``ErrorMessage`` and the known fields of the synthesis task if an error ends the Airflow task.

    :param task: the operator
    :param context: the running task's context
    """
    with message_pushed_on_failure(task, context), status_pushed_on_failure(task, context):
        yield


def _shortened(message: str) -> str:
    """Return a message with at most ``MAX_ERROR_CHARACTERS`` characters; a cut one ends in ``…``."""
    return message if len(message) <= MAX_ERROR_CHARACTERS else message[: MAX_ERROR_CHARACTERS - 1] + "…"


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
    push_aws_connection(task, context, value)
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
