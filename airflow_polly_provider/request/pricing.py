"""Estimates the cost of billed characters with ``[aws_polly] price_per_million_characters``."""

from __future__ import annotations

import logging
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

from airflow_polly_provider.aws.service_model import polly_shape
from airflow_polly_provider.request.voices import DEFAULT_ENGINE
from airflow_polly_provider.settings import price_per_million_characters

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

ESTIMATED_COST = "EstimatedCost"
"""The name of the field that contains the cost of a result."""

_MILLION = 1_000_000


def estimated_cost(
    characters: object, engine: str | None, prices: Mapping[str, float] | None = None
) -> float | None:
    """Return the cost of billed characters in the user's currency, rounded to 6 decimal places.

    :param characters: the number of billed characters; if it is not an integer, the result is None
    :param engine: the engine; None for Polly's default engine
    :param prices: the result of :func:`engine_prices`, for a caller that has many results; None to read them
    :return: the cost, or None if the engine has no price
    """
    millionths = estimated_cost_millionths(characters, engine, prices)
    return None if millionths is None else float(Decimal(millionths) / _MILLION)


def engine_prices() -> Mapping[str, float]:
    """Return the user's price of a million characters for each engine, and warn about unknown engines."""
    prices = price_per_million_characters()
    if unknown := sorted(set(prices) - set(polly_shape("Engine").enum)):
        log.warning(
            "[aws_polly] price_per_million_characters has a price for %s, but the engines that the installed "
            "botocore knows are %s. Correct the name. If the engine is new, upgrade boto3.",
            ", ".join(unknown),
            ", ".join(polly_shape("Engine").enum),
        )
    return prices


def estimated_cost_millionths(
    characters: object, engine: str | None, prices: Mapping[str, float] | None = None
) -> int | None:
    """Return the cost of billed characters in millionths of the user's currency unit.

    A price of 4 units for a million characters is a price of 4 millionths for one character.

    :param characters: the number of billed characters; if it is not an integer, the result is None
    :param engine: the engine; None for Polly's default engine
    :param prices: the result of :func:`engine_prices`; None to read them
    :return: the cost, or None if the engine has no price
    """
    if not isinstance(characters, int):
        return None
    price = (engine_prices() if prices is None else prices).get(engine or DEFAULT_ENGINE)
    if price is None:
        return None
    # str(price) has the digits that the user wrote. The float is only close to that number.
    return int((characters * Decimal(str(price))).to_integral_value(ROUND_HALF_EVEN))
