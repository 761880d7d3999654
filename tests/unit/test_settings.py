from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from airflow_polly_provider import settings
from airflow_polly_provider.compat import conf
from tests.unit.support import execute, sensor, start_operator, synthesis_task, warnings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.unit.support import Wire


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "many", ""])
def test_an_invalid_rate_is_reported_and_the_default_is_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__STATUS_REQUESTS_PER_SECOND", value)
    assert settings.status_requests_per_second() == 5.0
    (warning,) = warnings_in(caplog)
    assert "[aws_polly] status_requests_per_second must be a number above 0" in warning
    assert repr(value) in warning


@pytest.mark.parametrize(("value", "expected"), [("0", 0.0), ("7.5", 7.5), ("-1", 60.0), ("soon", 60.0)])
def test_start_look_seconds_may_be_0_and_an_invalid_value_gives_the_default(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: float
) -> None:
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_LOOK_SECONDS", value)
    assert settings.start_look_seconds() == expected


@pytest.mark.parametrize("version", ["2.11.2", "3.2.2"])
def test_an_airflow_before_3_3_is_refused_with_its_version(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(settings, "airflow_version", version)
    with pytest.raises(ValueError, match=re.escape(f"needs Airflow 3.3 or later; this is {version}")):
        sensor(start_from_trigger=True)
    with pytest.raises(ValueError, match=r"needs Airflow 3\.3"):
        start_operator(end_from_trigger=True, deferrable=True)


class TestPrices:
    @pytest.fixture
    def prices(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Mapping[str, float]]:
        def read(value: str) -> Mapping[str, float]:
            monkeypatch.setenv("AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS", value)
            return settings.price_per_million_characters()

        return read

    def test_are_read_from_a_json_object(
        self, prices: Callable[[str], Mapping[str, float]], caplog: pytest.LogCaptureFixture
    ) -> None:
        assert prices('{"standard": 4, "long-form": 0.5, "free": 0}') == {
            "standard": 4.0,
            "long-form": 0.5,
            "free": 0.0,
        }
        assert warnings_in(caplog) == []

    @pytest.mark.parametrize("value", ["", "  ", "{}"])
    def test_that_are_empty_cause_no_warning(
        self, prices: Callable[[str], Mapping[str, float]], caplog: pytest.LogCaptureFixture, value: str
    ) -> None:
        assert prices(value) == {}
        assert warnings_in(caplog) == []

    @pytest.mark.parametrize(
        "value",
        [
            "16",
            "neural=16",
            '["neural"]',
            '{"neural": "16"}',
            '{"neural": -1}',
            '{"neural": true}',
            '{"neural": null}',
            '{"neural": NaN}',
            '{"neural": 1e999}',
            f'{{"neural": 1{"0" * 400}}}',
            "[" * 100_000,
        ],
        ids=lambda value: value[:30],
    )
    def test_that_are_invalid_cause_a_warning_and_no_error(
        self, prices: Callable[[str], Mapping[str, float]], caplog: pytest.LogCaptureFixture, value: str
    ) -> None:
        assert prices(value) == {}
        (warning,) = warnings_in(caplog)
        assert "[aws_polly] price_per_million_characters must be a JSON object" in warning
        assert value[:20] in warning


class TestStartRates:
    ENGINES = ("standard", "neural", "long-form", "generative", "future", None)
    QUOTAS = (10.0, 10.0, 1.0, 1.0, 1.0, 10.0)

    def rates(self) -> tuple[float, ...]:
        return tuple(map(settings.start_requests_per_second, self.ENGINES))

    def test_are_the_quotas_of_aws_by_default(self, caplog: pytest.LogCaptureFixture) -> None:
        assert self.rates() == self.QUOTAS
        assert warnings_in(caplog) == []

    @pytest.mark.parametrize(
        ("value", "rates"),
        [
            ('{"neural": 2.5}', (10, 2.5, 1, 1, 1, 10)),
            ('{"standard": 100, "generative": 8, "future": 3}', (100, 10, 1, 8, 3, 100)),
            ("{}", QUOTAS),
            (" ", QUOTAS),
        ],
    )
    def test_given_replace_the_quotas_of_their_engines(
        self,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        value: str,
        rates: tuple[float, ...],
    ) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_REQUESTS_PER_SECOND", value)
        assert self.rates() == rates
        assert warnings_in(caplog) == []

    @pytest.mark.parametrize(
        "value",
        ["8", '["neural"]', '{"neural": 0}', '{"neural": -1}', '{"neural": "8"}', '{"neural": NaN}', "{"],
    )
    def test_that_are_invalid_cause_a_warning_and_no_error(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str
    ) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_REQUESTS_PER_SECOND", value)
        assert settings.start_requests_per_second("neural") == 10.0
        (warning,) = warnings_in(caplog)
        assert "[aws_polly] start_requests_per_second must be a JSON object with a number above 0" in warning
        assert value in warning
        assert "AWS's quotas apply" in warning


class TestUnreadableOption:
    """A single % in airflow.cfg is an error each time that Airflow reads the value."""

    @pytest.fixture(autouse=True)
    def percent_signs(self) -> Iterator[None]:
        values = {
            "price_per_million_characters": '{"standard": 4.0}  # includes 19% VAT',
            "measure_duration": "100%",
            "listen": "100%",
            "start_look_seconds": "100%",
        }
        lines = [f"{option} = {value}" for option, value in values.items()]
        conf.read_string("\n".join(["[aws_polly]", *lines]))
        yield
        for option in values:
            conf.remove_option("aws_polly", option)

    def test_is_reported_and_the_default_is_used(self, caplog: pytest.LogCaptureFixture) -> None:
        assert settings.price_per_million_characters() == {}
        assert settings.measure_duration() is True
        assert settings.listen_enabled() is True
        assert settings.start_look_seconds() == 60.0
        assert caplog.text.count("cannot be read") == 4
        assert "write %% for a percent sign" in caplog.text

    def test_does_not_fail_an_operator_whose_text_is_already_paid_for(self, wire: Wire) -> None:
        wire.script_start(synthesis_task())
        assert "EstimatedCost" not in execute(start_operator(deferrable=False))
