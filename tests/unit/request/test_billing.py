from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import AirflowFailException
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request import billing
from tests.unit.support import Truncated, context, execute, start_operator, synthesis_task, warnings_in

if TYPE_CHECKING:
    from tests.unit.support import Answer, Request, Wire

COUNTER = "polly.request_characters"


class Recorder:
    """Records the counters that the package sends to Airflow's Stats."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, int, dict[str, Any]]] = []

    def incr(self, name: str, count: int, *, tags: dict[str, Any]) -> None:
        self.counted.append((name, count, tags))


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(billing, "stats", recorder)
    return recorder


def scheduled(**fields: Any) -> dict[str, Any]:
    return synthesis_task(status="scheduled", **fields)


def start(**arguments: Any) -> None:
    """Run a start operator that does not wait."""
    execute(start_operator(wait_for_completion=False, **arguments), context())


def listed_once_started(wire: Wire, answer: Truncated | None = None) -> None:
    """Make Polly list each synthesis task that was started.

    :param answer: the answer to a start; defaults to the synthesis task
    """
    started: list[dict[str, Any]] = []

    def next_answer(request: Request) -> Answer:
        if request.operation == "ListSpeechSynthesisTasks":
            return {"SynthesisTasks": started}
        key = request.body["OutputS3KeyPrefix"]
        uri = f"https://s3.eu-west-1.amazonaws.com/my-bucket/{key}.t1.mp3"
        started.append(scheduled(OutputUri=uri, CreationTime=datetime.now(tz=UTC)))
        return answer or started[0]

    wire.answer = next_answer


class TestLimit:
    @pytest.mark.parametrize("limit", [0, -1, 1.5, "100", True])
    def test_that_is_not_a_positive_whole_number_is_refused_when_the_dag_is_parsed(self, limit: Any) -> None:
        with pytest.raises(ValueError, match="max_request_characters must be a whole number above 0"):
            start_operator(max_request_characters=limit)

    def test_refuses_a_longer_text_before_any_request_and_without_retries(self, wire: Wire) -> None:
        with pytest.raises(PollyInvalidRequestError) as refused:
            start(text="x" * 1_001, max_request_characters=1_000)
        assert isinstance(refused.value, AirflowFailException), "Airflow retries everything else"
        for words in ("1,001", "1,000", "Shorten the text", "raise the limit"):
            assert words in str(refused.value)
        assert wire.requests == []

    @pytest.mark.parametrize("limit", [5, None])
    @pytest.mark.parametrize(
        ("text", "text_type"), [("Hello", None), ('<speak>H<break time="1s"/>el&amp;o</speak>', "ssml")]
    )
    def test_accepts_a_text_of_that_length_and_ignores_tags(
        self, wire: Wire, limit: int | None, text: str, text_type: str | None
    ) -> None:
        wire.answer = lambda _: scheduled()
        start(text=text, text_type=text_type, max_request_characters=limit)
        assert len(wire.requests) == 1


class TestMetric:
    def test_counts_the_characters_that_polly_bills_by_engine_and_voice(
        self, wire: Wire, metrics: Recorder
    ) -> None:
        wire.answer = lambda _: scheduled(RequestCharacters=5)
        start(text="Hello")
        start(text="Hello", engine="neural", durable=False)
        assert metrics.counted == [
            (COUNTER, 5, {"engine": "standard", "voice_id": "Amy"}),
            (COUNTER, 5, {"engine": "neural", "voice_id": "Amy"}),
        ]

    def test_does_not_count_the_synthesis_task_of_an_earlier_try_again(
        self, wire: Wire, metrics: Recorder
    ) -> None:
        listed_once_started(wire)
        for try_number in (1, 2):
            execute(start_operator(wait_for_completion=False), context(try_number=try_number))
        assert [request.operation for request in wire.requests].count("StartSpeechSynthesisTask") == 1
        assert len(metrics.counted) == 1

    def test_counts_a_synthesis_task_whose_response_was_lost_once(
        self, wire: Wire, metrics: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_LOOK_SECONDS", "0.1")
        listed_once_started(wire, answer=Truncated())
        start()
        assert len(metrics.counted) == 1

    def test_uses_pollys_count_and_logs_one_warning_if_it_differs_from_ours(
        self, wire: Wire, metrics: Recorder, caplog: pytest.LogCaptureFixture
    ) -> None:
        wire.answer = lambda _: scheduled(RequestCharacters=7)
        start(text="Hello")
        (warning,) = warnings_in(caplog)
        assert "7 characters, but 5 were counted" in warning
        assert "Hello" not in warning
        assert metrics.counted[0][1] == 7

    def test_causes_no_warning_if_pollys_count_equals_ours(
        self, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        wire.answer = lambda _: scheduled(RequestCharacters=5)
        start(text="Hello")
        assert warnings_in(caplog) == []


class TestCostMetric:
    COST = "polly.estimated_cost_millionths"

    def test_counts_whole_millionths_of_the_currency_unit_if_the_engine_has_a_price(
        self, wire: Wire, metrics: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS", '{"neural": 19.3}')
        wire.answer = lambda _: scheduled(RequestCharacters=5)
        start(text="Hello", engine="neural")
        start(text="Hello", durable=False)
        costs = [counted for counted in metrics.counted if counted[0] == self.COST]
        assert costs == [(self.COST, 96, {"engine": "neural", "voice_id": "Amy"})]
        assert isinstance(costs[0][1], int), "Airflow declares the count of a counter as an integer"

    def test_does_not_count_the_synthesis_task_of_an_earlier_try_again(
        self, wire: Wire, metrics: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS", '{"standard": 4}')
        listed_once_started(wire)
        for try_number in (1, 2):
            execute(start_operator(wait_for_completion=False), context(try_number=try_number))
        assert [name for name, _, _ in metrics.counted] == [COUNTER, self.COST]


def test_the_limit_counts_the_content_of_cdata() -> None:
    request = {"Text": "<speak><![CDATA[one < two]]></speak>", "TextType": "ssml"}
    billing.validate_billed_characters(9, request)
    with pytest.raises(PollyInvalidRequestError, match="Polly would bill 9 characters"):
        billing.validate_billed_characters(8, request)
