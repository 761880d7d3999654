"""The events that a trigger sends to the resumed task, written and read in one module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_polly_provider import exceptions
from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.results.synthesis_task import to_xcom_value

if TYPE_CHECKING:
    from collections.abc import Mapping

_TASK = "synthesis_task"
_EXTRA = "extra_xcom"
_FOR_RESUME = "for_resume"
_ERROR = "error"
_BATCH = "batch"
_ATTRIBUTES = ("synthesis_task_id", "task_status", "task_status_reason")


def success_event(
    synthesis_task: Mapping[str, Any],
    extra_xcom: Mapping[str, Any] | None = None,
    for_resume: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the event for a synthesis task that completed or failed.

    :param synthesis_task: the SynthesisTask
    :param extra_xcom: fields to add to the SynthesisTask in ``return_value``
    :param for_resume: values that the task stored when it was deferred, and needs when it resumes
    """
    return {
        _TASK: to_xcom_value(synthesis_task),
        _EXTRA: dict(extra_xcom or {}),
        _FOR_RESUME: for_resume,
    }


def error_event(error: PollyError) -> dict[str, Any]:
    """Return the event for a wait that ended with an error.

    :param error: the error that the resumed task raises
    """
    attributes = {name: getattr(error, name) for name in _ATTRIBUTES}
    return {_ERROR: {"class": type(error).__name__, "message": str(error), **attributes}}


def extra_xcom_of(event: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the fields to add to the SynthesisTask in ``return_value``.

    :param event: an event from :func:`success_event`
    """
    return dict((event or {}).get(_EXTRA) or {})


def for_resume_of(event: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the values that the task stored when it was deferred, and needs when it resumes.

    :param event: an event from :func:`success_event`
    """
    return (event or {}).get(_FOR_RESUME)


def synthesis_task_of(event: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the SynthesisTask from an event, in the form in which it is pushed to XCom.

    :param event: an event from :func:`success_event` or :func:`error_event`
    :raises PollyError: the event contains an error; the raised error has the class of the original error
    """
    if event and _TASK in event:
        synthesis_task: dict[str, Any] = event[_TASK]
        return synthesis_task
    raise _error_in(event)


class BatchOutcome(NamedTuple):
    """The outcome of a batch's wait.

    :param completed: the number of awaited synthesis tasks that completed
    :param failed: the number of those that failed
    :param unknown: the number of those that are not known to have ended
    :param manifest_s3_uri: the manifest that the trigger has read, as ``s3://bucket/key``
    :param manifest_etag: the ETag of the manifest
    :param for_resume: values that the task stored when it was deferred
    :param error: the error that ended the wait early, such as a PollyWaitTimeoutError
    """

    completed: int
    failed: int
    unknown: int
    manifest_s3_uri: str
    manifest_etag: str
    for_resume: dict[str, Any] | None = None
    error: PollyError | None = None


def batch_event(outcome: BatchOutcome) -> dict[str, Any]:
    """Return the event for a batch whose wait has ended.

    :param outcome: the outcome of the wait
    """
    values = outcome._asdict()
    for_resume, error = values.pop(_FOR_RESUME), values.pop(_ERROR)
    return {_BATCH: values, _FOR_RESUME: for_resume, **({} if error is None else error_event(error))}


def batch_outcome_of(event: Mapping[str, Any] | None) -> BatchOutcome:
    """Return the outcome of a batch's wait from its event. An error is returned, not raised.

    :param event: an event from :func:`batch_event`
    :raises PollyError: the event has another form
    """
    if not event or _BATCH not in event:
        raise _error_in(event)
    known = {name: value for name, value in event[_BATCH].items() if name in BatchOutcome._fields}
    error = _error_in(event) if _ERROR in event else None
    return BatchOutcome(**known, for_resume=event.get(_FOR_RESUME), error=error)


def _error_in(event: Mapping[str, Any] | None) -> PollyError:
    error = (event or {}).get(_ERROR) or {}
    error_class = getattr(exceptions, error.get("class", ""), PollyError)
    found: PollyError = error_class(
        error.get("message", f"The trigger sent an event that this package does not know: {event!r:.200}"),
        **{name: error.get(name) for name in _ATTRIBUTES},
    )
    return found
