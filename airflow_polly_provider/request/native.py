"""Values that templates rendered as native objects.

With ``render_template_as_native_obj=True`` Jinja reads what a template rendered to as a Python literal:
``2024`` becomes an int, and ``1,000`` a tuple.
"""

from __future__ import annotations

import os
from typing import Any

from airflow_polly_provider.exceptions import PollyInvalidRequestError


def validate_string(value: object, parameter: str) -> str:
    """Return a value that is a string.

    :param value: the rendered value of an operator's parameter; the error does not quote it
    :param parameter: its name, for the error's words
    :raises PollyInvalidRequestError: it is of another type
    """
    if isinstance(value, str):
        return value
    if value is None:
        advice = "The task before gave none: it failed, returned nothing, or has do_xcom_push=False."
    else:
        advice = (
            "If the DAG has render_template_as_native_obj=True, Jinja makes a tuple of 1,000 and a float of "
            "1.5: give the output of the task before instead of a template, or have it return a string."
        )
    raise PollyInvalidRequestError(f"{parameter} must be a string, not {type(value).__name__}. {advice}")


def digits_of(value: object) -> object:
    """Return an integer as its digits, and anything else as it is.

    :param value: the value of an operator's parameter, if a template then rendered to text
    """
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    try:
        return str(value)
    except ValueError as error:
        # Python writes no integer of more than 4,300 digits.
        raise PollyInvalidRequestError(f"An integer is too long to be used as text: {error}.") from error


def validate_string_or_integer(value: object, parameter: str) -> str:
    """Return a string, or an integer's digits.

    :param value: the rendered value of an operator's parameter; the error does not quote it
    :param parameter: its name, for the error's words
    :raises PollyInvalidRequestError: it is of another type
    """
    return validate_string(digits_of(value), parameter)


def validate_path(value: object, parameter: str) -> Any:
    """Return an ObjectStoragePath, or a value that one can be made from; an integer as its digits.

    :param value: the rendered value of an operator's parameter
    :param parameter: its name, for the error's words
    :raises PollyInvalidRequestError: it is of another type
    """
    # An ObjectStoragePath, which is slow to import, is no os.PathLike on every Airflow.
    if isinstance(value, os.PathLike) or hasattr(value, "open"):
        return value
    return validate_string_or_integer(value, parameter)
