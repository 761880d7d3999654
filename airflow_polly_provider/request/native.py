"""Type checks of rendered values, which may be native Python objects.

With ``render_template_as_native_obj=True`` Jinja parses the rendered text as a Python literal: ``2024``
becomes an int, and ``1,000`` becomes a tuple.
"""

from __future__ import annotations

import os
from typing import Any

from airflow_polly_provider.exceptions import PollyInvalidRequestError


def validate_string(value: object, parameter: str) -> str:
    """Return a value after checking that it is a string.

    :param value: the rendered value of an operator's parameter; the error does not contain it
    :param parameter: name of the parameter, for the error message
    :raises PollyInvalidRequestError: the value has another type
    """
    if isinstance(value, str):
        return value
    if value is None:
        advice = "The upstream task returned no value: it failed, returned None, or has do_xcom_push=False."
    else:
        advice = (
            "With render_template_as_native_obj=True in the DAG, Jinja turns 1,000 into a tuple and 1.5 into "
            "a float: pass the output of the upstream task instead of a template, or make that task return a "
            "string."
        )
    raise PollyInvalidRequestError(f"{parameter} must be a string, not {type(value).__name__}. {advice}")


def digits_of(value: object) -> object:
    """Return an integer as a string of its digits, and any other value unchanged.

    :param value: the rendered value of an operator's parameter. If a template was rendered as an
        integer, ``settle_rendered`` has already replaced it with the rendered text
    :raises PollyInvalidRequestError: the integer has too many digits for Python to convert it to a string
    """
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    try:
        return str(value)
    except ValueError as error:
        # Python does not convert an integer of more than 4,300 digits to a string.
        raise PollyInvalidRequestError(f"An integer is too long to be used as text: {error}.") from error


def validate_string_or_integer(value: object, parameter: str) -> str:
    """Return a string unchanged, and an integer as a string of its digits.

    :param value: the rendered value of an operator's parameter; the error does not contain it
    :param parameter: name of the parameter, for the error message
    :raises PollyInvalidRequestError: the value has another type
    """
    return validate_string(digits_of(value), parameter)


def validate_path(value: object, parameter: str) -> Any:
    """Return a path or a string unchanged, and an integer as a string of its digits.

    :param value: the rendered value of an operator's parameter
    :param parameter: name of the parameter, for the error message
    :raises PollyInvalidRequestError: the value has another type
    """
    # ObjectStoragePath is not imported for this check, because its import is slow. On some Airflow versions
    # it is not an os.PathLike, but it always has an open method.
    if isinstance(value, os.PathLike) or hasattr(value, "open"):
        return value
    return validate_string_or_integer(value, parameter)
