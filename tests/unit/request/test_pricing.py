from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.request.pricing import estimated_cost, estimated_cost_millionths
from tests.unit.support import values_of, warnings_in

if TYPE_CHECKING:
    from collections.abc import Callable

OPTION = "AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS"


@pytest.fixture
def priced(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_prices(**prices: float) -> None:
        monkeypatch.setenv(OPTION, json.dumps(prices))

    return set_prices


class TestEstimatedCost:
    @pytest.mark.parametrize(
        ("characters", "price", "cost"),
        [
            (1_000_000, 16.0, 16.0),
            (31, 4.0, 0.000124),
            (31, 4.1, 0.000127),
            (3, 0.1, 0.0),
            (100_000, 0.07, 0.007),
            (1_439, 30, 0.04317),
            (0, 16.0, 0.0),
            (638_546, 19.2, 12.260083),
        ],
    )
    def test_is_exact_to_six_decimal_places(
        self, priced: Callable[..., None], characters: int, price: float, cost: float
    ) -> None:
        priced(neural=price)
        assert estimated_cost(characters, "neural") == cost

    def test_of_no_engine_uses_the_price_of_pollys_default_engine(self, priced: Callable[..., None]) -> None:
        priced(standard=4.0, neural=16.0)
        assert estimated_cost(1_000_000, None) == 4.0

    def test_does_not_exist_without_a_price_for_the_engine(self, priced: Callable[..., None]) -> None:
        assert estimated_cost(5, "neural") is None
        priced(standard=4.0)
        assert estimated_cost(5, "neural") is None

    def test_does_not_exist_if_the_characters_are_unknown(self, priced: Callable[..., None]) -> None:
        priced(standard=4.0)
        assert estimated_cost(None, None) is None

    def test_for_each_engine_of_the_service_model_causes_no_warning(
        self, priced: Callable[..., None], caplog: pytest.LogCaptureFixture
    ) -> None:
        engines = values_of("Engine")
        priced(**dict.fromkeys(engines, 1.0))
        assert {estimated_cost(1_000_000, engine) for engine in engines} == {1.0}
        assert warnings_in(caplog) == []

    def test_with_a_misspelt_engine_in_the_prices_causes_a_warning_with_the_valid_names(
        self, priced: Callable[..., None], caplog: pytest.LogCaptureFixture
    ) -> None:
        priced(neurl=16.0, standard=4.0)
        assert estimated_cost(1_000_000, "standard") == 4.0
        (warning,) = warnings_in(caplog)
        assert "has a price for neurl" in warning
        assert "neural" in warning

    @given(st.integers(0, 10**9), st.integers(0, 10**6))
    def test_in_millionths_is_characters_times_price_and_equals_the_cost(
        self, characters: int, price: int
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(OPTION, json.dumps({"neural": price}))
            millionths = estimated_cost_millionths(characters, "neural")
            cost = estimated_cost(characters, "neural")
        assert millionths == characters * price
        assert cost == millionths / 1_000_000
