"""What a trigger tells the task that it wakes, written and read in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider import exceptions
from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.results.synthesis_task import to_xcom_value

if TYPE_CHECKING:
    from collections.abc import Mapping

_TASK = "synthesis_task"
_EXTRA = "extra_xcom"
_FOR_RESUME = "for_resume"
_ERROR = "error"
_ATTRIBUTES = ("synthesis_task_id", "task_status", "task_status_reason")


def success_event(
    synthesis_task: Mapping[str, Any],
    extra_xcom: Mapping[str, Any] | None = None,
    for_resume: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the event of a synthesis task that completed or failed.

    :param synthesis_task: the SynthesisTask
    :param extra_xcom: fields that ``return_value`` gets beside the SynthesisTask's own
    :param for_resume: what the task that deferred wants back
    """
    return {
        _TASK: to_xcom_value(synthesis_task),
        _EXTRA: dict(extra_xcom or {}),
        _FOR_RESUME: for_resume,
    }


def error_event(error: PollyError) -> dict[str, Any]:
    """Return the event of a wait that ended without an answer.

    :param error: what the task shall raise
    """
    attributes = {name: getattr(error, name) for name in _ATTRIBUTES}
    return {_ERROR: {"class": type(error).__name__, "message": str(error), **attributes}}


def extra_xcom_of(event: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what ``return_value`` gets beside the SynthesisTask's own fields.

    :param event: what :func:`success_event` returned
    """
    return dict((event or {}).get(_EXTRA) or {})


def for_resume_of(event: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what the task that deferred wanted back.

    :param event: what :func:`success_event` returned
    """
    return (event or {}).get(_FOR_RESUME)


def synthesis_task_of(event: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the SynthesisTask that an event brings, in its XCom form.

    :param event: what :func:`success_event` or :func:`error_event` returned
    :raises PollyError: the error that the event brings instead, in its own class
    """
    if event and _TASK in event:
        synthesis_task: dict[str, Any] = event[_TASK]
        return synthesis_task
    error = (event or {}).get(_ERROR) or {}
    error_class = getattr(exceptions, error.get("class", ""), PollyError)
    raise error_class(
        error.get("message", f"The trigger sent an event that this package does not know: {event!r:.200}"),
        **{name: error.get(name) for name in _ATTRIBUTES},
    )
