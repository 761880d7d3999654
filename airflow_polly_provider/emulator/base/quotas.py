"""Polly's request quotas: calls per second for the account and region, with a burst."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.base.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.emulator.base.clock import Clock

Quotas = dict[str, tuple[float, float]]
"""Calls per second and burst, by quota name. A quota that is not in the table has no limit."""

# https://docs.aws.amazon.com/polly/latest/dg/limits.html, read in November 2026. The page states no burst for
# the newest engines. For these, the table uses the rate as the burst.
AWS_QUOTAS: Quotas = {
    "start.standard": (10, 12),
    "start.neural": (10, 12),
    "start.long-form": (1, 1),
    "start.generative": (1, 1),
    "synthesize.standard": (80, 100),
    "synthesize.neural": (8, 10),
    "synthesize.long-form": (8, 10),
    "synthesize.generative": (8, 8),
    "read-tasks": (10, 10),
    "voices": (80, 100),
    "lexicons": (5, 10),
}
_GROUPS = {
    "StartSpeechSynthesisTask": "start",
    "SynthesizeSpeech": "synthesize",
    "GetSpeechSynthesisTask": "read-tasks",
    "ListSpeechSynthesisTasks": "read-tasks",
    "DescribeVoices": "voices",
    "DeleteLexicon": "lexicons",
    "GetLexicon": "lexicons",
    "ListLexicons": "lexicons",
    "PutLexicon": "lexicons",
}
_BY_ENGINE = {"start", "synthesize"}
_EXAMPLE = '{"read-tasks": [10, 10]}'
_MOST = 1e9


def parse_quotas(text: str) -> Quotas:
    """Parse the quotas given on the command line.

    :param text: ``aws``, or a JSON object such as ``{"read-tasks": [10, 10]}``.
    :raises ValueError: if the text is neither ``aws`` nor a JSON object with valid quotas.
    """
    if text == "aws":
        return dict(AWS_QUOTAS)
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise ValueError(f"Quotas must be 'aws' or a JSON object such as {_EXAMPLE}, not {text[:100]!r}")  # noqa: TRY004
    return validate_quotas(table)


def validate_quotas(table: Mapping[str, Any]) -> Quotas:
    """Check a table of quotas, and return it with each value as a tuple of floats.

    :param table: calls per second and burst, by quota name.
    :raises ValueError: if a name is unknown, or a value is not a rate above 0 and a burst of at least 1.
    """
    quotas: Quotas = {}
    for name, value in table.items():
        if name not in AWS_QUOTAS:
            raise ValueError(f"Unknown quota {name!r}: use one of {', '.join(AWS_QUOTAS)}")
        numbers = value if isinstance(value, list | tuple) else ()
        if not (len(numbers) == 2 and all(_is_number(number) for number in numbers)):
            raise ValueError(
                f"The quota {name!r} must be two numbers, calls per second and burst, as in {_EXAMPLE}, "
                f"not {value!r}"
            )
        rate, burst = (float(number) for number in numbers)
        if rate <= 0 or burst < 1:
            raise ValueError(
                f"The quota {name!r} needs a rate above 0 and a burst of at least 1, not {value!r}"
            )
        quotas[name] = (rate, burst)
    return quotas


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST


class QuotaKeeper:
    """Rejects calls that exceed a quota. It keeps a token bucket for each quota and region.

    :param quotas: the limits.
    :param clock: the source of the time.
    """

    def __init__(self, quotas: Quotas, clock: Clock) -> None:
        self.quotas = quotas
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def set(self, quotas: Quotas) -> None:
        """Replace the limits, and reset the usage.

        :param quotas: the new limits; an empty table for no limits.
        """
        self.quotas = quotas
        self._buckets.clear()

    def spend(self, operation: str, region: str, parameters: Mapping[str, Any]) -> None:
        """Count a call against its quota.

        :param operation: the operation's name in the service model.
        :param region: the region of the call.
        :param parameters: the call's parameters; ``Engine`` selects the quota of StartSpeechSynthesisTask and
            SynthesizeSpeech.
        :raises ApiError: ``ThrottlingException`` if the quota is used up.
        """
        name = _GROUPS.get(operation)
        if not self.quotas or name is None:
            return
        if name in _BY_ENGINE:
            name = f"{name}.{parameters.get('Engine', 'standard')}"
        if name not in self.quotas:
            return
        rate, burst = self.quotas[name]
        now = self._clock.time()
        tokens, since = self._buckets.get((region, name), (burst, now))
        tokens = min(burst, tokens + (now - since) * rate)
        if tokens < 1:
            self._buckets[region, name] = (tokens, now)
            raise ApiError("ThrottlingException", "Rate exceeded")
        self._buckets[region, name] = (tokens - 1, now)
