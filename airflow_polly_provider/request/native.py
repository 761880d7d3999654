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
    if not isinstance(value, str):
        raise PollyInvalidRequestError(
            f"{parameter} must be a string, not {type(value).__name__}. If the DAG has "
            "render_template_as_native_obj=True, Jinja makes a tuple of 1,000 and a float of 1.5: give the "
            f"value itself instead of a template, such as {parameter}=before.output."
        )
    return value


def digits_of(value: object) -> object:
    """Return an integer as its digits, and anything else as it is.

    :param value: the rendered value of an operator's parameter
    """
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def validate_string_or_integer(value: object, parameter: str) -> str:
    """Return a string, or an integer's digits.

    :param value: the rendered value of an operator's parameter; the error does not quote it
    :param parameter: its name, for the error's words
    :raises PollyInvalidRequestError: it is of another type
    """
    return validate_string(digits_of(value), parameter)


def validate_path(value: object, parameter: str) -> Any:
    """Return a path, as an ObjectStoragePath or whatever it is made of; an integer as its digits.

    :param value: the rendered value of an operator's parameter
    :param parameter: its name, for the error's words
    :raises PollyInvalidRequestError: it is of another type
    """
    # An ObjectStoragePath, which is slow to import, is no os.PathLike on every Airflow.
    if isinstance(value, os.PathLike) or hasattr(value, "open"):
        return value
    return validate_string_or_integer(value, parameter)
