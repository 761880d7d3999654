"""Checks the operators' parameter ``dry_run``.

The operators keep it in the attribute ``only_estimate``. Every Airflow operator has a method ``dry_run``,
which ``airflow tasks test --dry-run`` calls, so an attribute of that name would break this command.
"""

from __future__ import annotations

from typing import Any

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.rendered import is_template

_MEANINGS = {"true": True, "false": False}


def validate_dry_run(dry_run: bool | str) -> bool | str:
    """Return ``dry_run`` if it is a bool, the name of a bool, or a template.

    :param dry_run: the operator's parameter, not rendered
    :raises ValueError: the value is none of these
    """
    given: Any = dry_run
    if isinstance(given, bool) or (isinstance(given, str) and (is_template(given) or _means(given))):
        return dry_run
    raise ValueError(f"dry_run must be True, False or a template, not {given!r:.100}.")


def is_dry_run(rendered: object) -> bool:
    """Return whether a task must only report an estimate, and not synthesize speech.

    Any value other than True and False is an error. A typo must not turn a dry run into a paid run.

    :param rendered: the rendered value of ``dry_run``
    :raises PollyInvalidRequestError: the value is not True, False or the name of one of them
    """
    if isinstance(rendered, bool):
        return rendered
    if isinstance(rendered, str) and _means(rendered):
        return _MEANINGS[rendered.strip().lower()]
    raise PollyInvalidRequestError(
        f"dry_run rendered to {rendered!r:.100}, which is neither True nor False, so nothing was sent. "
        "Correct its template. For example, use a boolean param of the DAG: {{ params.dry_run }}."
    )


def _means(text: str) -> bool:
    """Return whether a text is the name of a bool."""
    return text.strip().lower() in _MEANINGS
