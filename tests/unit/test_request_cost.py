from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_polly_provider import request_cost
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from tests.unit.support import Truncated, context, execute, start_operator, synthesis_task

if TYPE_CHECKING:
    from tests.unit.support import Wire

COUNTER = "polly.request_characters"


class Recorder:
    """Airflow's Stats, as far as it is used."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, dict[str, Any]]] = []

    def incr(self, name: str, count: int, *, tags: dict[str, Any]) -> None:
        self.told.append((name, count, tags))


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(request_cost, "_stats", recorder)
    return recorder


def scheduled(**fields: Any) -> dict[str, Any]:
    return synthesis_task(status="scheduled", **fields)


def start(**arguments: Any) -> None:
    execute(start_operator(wait_for_completion=False, **arguments), context())


class TestLimit:
    @pytest.mark.parametrize("limit", [0, -1, 1.5, "100", True])
    def test_that_is_none_is_refused_when_the_dag_is_parsed(self, limit: Any) -> None:
        with pytest.raises(ValueError, match="max_request_characters must be a whole number above 0"):
            start_operator(max_request_characters=limit)

    def test_refuses_a_text_over_it_before_any_request_and_for_good(self, wire: Wire) -> None:
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
    def test_lets_a_text_at_it_through_and_counts_no_tags(
        self, wire: Wire, limit: int | None, text: str, text_type: str | None
    ) -> None:
        wire.answer = lambda _: scheduled()
        start(text=text, text_type=text_type, max_request_characters=limit)
        assert len(wire.requests) == 1


class TestAccount:
    def test_counts_what_polly_bills_by_engine_and_voice(self, wire: Wire, metrics: Recorder) -> None:
        wire.answer = lambda _: scheduled(RequestCharacters=5)
        start(text="Hello")
        start(text="Hello", engine="neural", durable=False)
        assert metrics.told == [
            (COUNTER, 5, {"engine": "standard", "voice_id": "Amy"}),
            (COUNTER, 5, {"engine": "neural", "voice_id": "Amy"}),
        ]

    def test_counts_no_synthesis_task_of_an_earlier_try_again(self, wire: Wire, metrics: Recorder) -> None:
        started: list[dict[str, Any]] = []

        def answer(request: Any) -> Any:
            if request.operation == "ListSpeechSynthesisTasks":
                return {"SynthesisTasks": started}
            key = request.body["OutputS3KeyPrefix"]
            uri = f"https://s3.eu-west-1.amazonaws.com/my-bucket/{key}.t1.mp3"
            started.append(scheduled(OutputUri=uri))
            return started[0]

        wire.answer = answer
        for try_number in (1, 2):
            execute(start_operator(wait_for_completion=False), context(try_number=try_number))
        assert [request.operation for request in wire.requests].count("StartSpeechSynthesisTask") == 1
        assert len(metrics.told) == 1

    def test_counts_a_synthesis_task_once_whose_answer_was_lost(
        self, wire: Wire, metrics: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_LOOK_SECONDS", "0.1")
        started: list[dict[str, Any]] = []

        def answer(request: Any) -> Any:
            if request.operation == "ListSpeechSynthesisTasks":
                return {"SynthesisTasks": started}
            key = request.body["OutputS3KeyPrefix"]
            uri = f"https://s3.eu-west-1.amazonaws.com/my-bucket/{key}.t1.mp3"
            started.append(scheduled(OutputUri=uri))
            return Truncated()

        wire.answer = answer
        start()
        assert len(metrics.told) == 1

    def test_warns_once_in_numbers_where_polly_counts_otherwise(
        self, wire: Wire, metrics: Recorder, caplog: pytest.LogCaptureFixture
    ) -> None:
        wire.answer = lambda _: scheduled(RequestCharacters=7)
        start(text="Hello")
        warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(warnings) == 1
        assert "7 characters; 5 were counted" in warnings[0]
        assert "Hello" not in warnings[0]
        assert metrics.told[0][1] == 7

    def test_says_nothing_where_polly_counts_the_same(
        self, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        wire.answer = lambda _: scheduled(RequestCharacters=5)
        start(text="Hello")
        assert not [record for record in caplog.records if record.levelname == "WARNING"]
