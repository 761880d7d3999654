"""Reads the options of the section ``[aws_polly]``, and the Airflow options that this package uses."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version
from packaging.version import Version

from airflow_polly_provider.compat import conf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

SECTION = "aws_polly"

LISTEN_ROUTE = "polly-listen"
"""The last part of the address of a task instance's tab *Listen* in Airflow's UI."""

_START_QUOTAS = {"standard": 10.0, "neural": 10.0, "long-form": 1.0, "generative": 1.0}


def token_namespace() -> str:
    """Return the namespace that distinguishes this deployment from others in the same AWS account."""
    namespace: str = conf.get(SECTION, "token_namespace", fallback="")
    return namespace


def start_look_seconds() -> float:
    """Return how many seconds to search for a synthesis task after the start response was lost."""
    return _number("start_look_seconds", default=60.0, zero_allowed=True)


def status_requests_per_second() -> float:
    """Return the maximum number of status requests per second for one process and one connection."""
    return _number("status_requests_per_second", default=5.0)


def measure_duration() -> bool:
    """Return whether to read the duration of finished audio from S3."""
    return _boolean("measure_duration")


def price_per_million_characters() -> Mapping[str, float]:
    """Return the price of a million characters for each engine; empty if no price is set.

    The prices are in the user's currency. If the value is invalid, log a warning and return no prices. An
    error could fail a task whose text is already paid for.
    """
    return _by_engine(
        "price_per_million_characters",
        minimum="of at least 0",
        is_valid=_is_not_negative,
        example='{"neural": 12.5}',
        until_then="no cost is estimated",
    )


def start_requests_per_second(engine: str | None) -> float:
    """Return the maximum number of synthesis tasks that one batch starts per second with an engine.

    The defaults are AWS's quotas for an account and region. If the value is invalid, log a warning and return
    the default.

    Source: https://docs.aws.amazon.com/polly/latest/dg/limits.html

    :param engine: the engine; None for Polly's default engine. An engine without a known quota has 1 per
        second
    """
    given = _by_engine(
        "start_requests_per_second",
        minimum="above 0",
        is_valid=lambda value: _is_not_negative(value) and value > 0,
        example='{"neural": 5}',
        until_then="AWS's quotas apply",
    )
    return {**_START_QUOTAS, **given}.get(engine or "standard", 1.0)


def _by_engine(
    option: str, *, minimum: str, is_valid: Callable[[Any], bool], example: str, until_then: str
) -> dict[str, float]:
    """Return an option that is a JSON object with a number for each engine; empty if not set or invalid.

    :param option: name of the option
    :param minimum: words for the warning: the lowest valid number
    :param is_valid: returns whether a value is a valid number
    :param example: a valid value for the warning
    :param until_then: words for the warning: what applies while the value is invalid
    """
    given = _given(option, "") or ""
    if not given.strip():
        return {}
    try:
        numbers = json.loads(given)
    except (ValueError, RecursionError):
        numbers = None
    if isinstance(numbers, dict) and all(map(is_valid, numbers.values())):
        return {engine: float(number) for engine, number in numbers.items()}
    log.warning(
        "[%s] %s must be a JSON object with a number %s for each engine, such as %s, not %.200r. Correct it; "
        "until then, %s.",
        SECTION,
        option,
        minimum,
        example,
        given,
        until_then,
    )
    return {}


def _given(option: str, default: Any) -> Any:
    """Return the value of an option. If Airflow cannot read it, log a warning and return the default.

    :param option: name of the option
    :param default: value to return if the option is not set or cannot be read
    """
    try:
        return conf.get(SECTION, option, fallback=default)
    except Exception as error:  # noqa: BLE001 - each Airflow version has its own error classes for this
        # For example, a single % in airflow.cfg is an error each time the value is read.
        log.warning(
            "[%s] %s cannot be read (%s). Using the default. In airflow.cfg, write %%%% for a percent sign, "
            "and put comments on separate lines.",
            SECTION,
            option,
            error,
        )
        return default


def _is_not_negative(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value) and value >= 0
    except OverflowError:  # an integer that is too large for a float
        return False


def _number(option: str, *, default: float, zero_allowed: bool = False) -> float:
    """Return a numeric option. If its value is invalid, log a warning and return the default.

    An invalid value raises no error, because an error would end the waits of all tasks in the process.

    :param option: name of the option
    :param default: value to use if the option is not set or invalid
    :param zero_allowed: whether 0 is valid
    """
    given = _given(option, default)
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if math.isfinite(number) and (number > 0 or (zero_allowed and number == 0)):
        return number
    log.warning(
        "[%s] %s must be a number %s, not %r. Using the default, %s.",
        SECTION,
        option,
        "of at least 0" if zero_allowed else "above 0",
        given,
        default,
    )
    return default


def _boolean(option: str) -> bool:
    """Return a boolean option whose default is True.

    If the value is invalid, log a warning and return the default. An error would fail a task whose synthesis
    task is already paid for.

    :param option: name of the option
    """
    given = _given(option, "True")
    # Airflow's getboolean accepts the same values.
    if (lowered := str(given).strip().lower()) in {"f", "false", "0"}:
        return False
    if lowered not in {"t", "true", "1"}:
        log.warning("[%s] %s must be True or False, not %r. Using the default, True.", SECTION, option, given)
    return True


def supervisor_linger_seconds() -> float:
    """Return how long a worker's supervisor may keep running after its task ended (Airflow 3), in seconds."""
    interval: float = conf.getfloat("workers", "min_heartbeat_interval", fallback=0.0)
    return interval + 2.0 if interval else 0.0


def _is_airflow_at_least(version: str) -> bool:
    return Version(Version(airflow_version).base_version) >= Version(version)


def needs_airflow_3_3(parameter: str) -> None:
    """Raise an error if a parameter needs Airflow 3.3 and the installed Airflow is older.

    :param parameter: name of the parameter
    :raises ValueError: the installed Airflow is older than 3.3
    """
    if not _is_airflow_at_least("3.3"):
        raise ValueError(f"{parameter}=True needs Airflow 3.3 or later; this is {airflow_version}.")


def default_deferrable() -> bool:
    """Return Airflow's option ``[operators] default_deferrable``."""
    deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False)
    return deferrable


def has_listen_tab() -> bool:
    """Return whether the installed Airflow can show the tab *Listen*: Airflow 3.1 and later."""
    return _is_airflow_at_least("3.1")


def listen_enabled() -> bool:
    """Return whether the Airflow UI has the tab *Listen* on tasks and runs (Airflow 3.1+)."""
    return _boolean("listen")


def listen_audio() -> str:
    """Return how the tab *Listen* gets audio: ``proxy`` or ``presigned``.

    If the value is invalid, log a warning and return ``proxy``.
    """
    given = str(_given("listen_audio", "proxy")).strip().lower()
    if given in {"proxy", "presigned"}:
        return given
    log.warning(
        "[%s] listen_audio must be proxy or presigned, not %r. Using the default, proxy.", SECTION, given
    )
    return "proxy"
