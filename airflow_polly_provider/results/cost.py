"""Adds the field ``EstimatedCost`` to a result if the result's engine has a price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.request.pricing import ESTIMATED_COST, estimated_cost

if TYPE_CHECKING:
    from collections.abc import Mapping


def with_estimated_cost(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result, and add ``EstimatedCost`` if the result's engine has a price.

    :param value: a result. Without ``RequestCharacters``, no cost is added. Without ``Engine``, the price of
        Polly's default engine is used
    """
    cost = estimated_cost(value.get("RequestCharacters"), value.get("Engine"))
    return {**value} if cost is None else {**value, ESTIMATED_COST: cost}


def cost_words(value: Mapping[str, Any]) -> str:
    """Return the estimated cost of a result for the end of a log line; empty if the result has none.

    :param value: the result
    """
    cost = value.get(ESTIMATED_COST)
    # Without this format, Python writes small numbers as 4e-06.
    return "" if cost is None else f", estimated cost {f'{cost:.6f}'.rstrip('0').rstrip('.')}"
