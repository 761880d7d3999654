"""``EstimatedCost`` in what a task pushes and logs, if the user has set prices."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import XCom
from airflow_polly_provider.results.cost import cost_words
from airflow_polly_provider.results.delivery import deliver_synthesis_task
from airflow_polly_provider.results.lineage import EVENT_EXTRA_KEYS, TAG_KEYS
from airflow_polly_provider.results.speech import speech_xcom
from airflow_polly_provider.triggers.events import success_event
from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger
from tests.unit.support import (
    as_context,
    context,
    execute,
    get_operator,
    running,
    sensor,
    start_operator,
    synthesis_task,
)

if TYPE_CHECKING:
    from tests.unit.support import Wire

NEURAL = synthesis_task(Engine="neural", RequestCharacters=1_000)
MAKERS = pytest.mark.parametrize(
    "make", [start_operator, get_operator, sensor], ids=["start", "get", "sensor"]
)


@pytest.fixture
def prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a price for the engines neural and standard, but not for the others."""
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS", '{"neural": 12.5, "standard": 5}')


class TestXCom:
    @MAKERS
    def test_contains_the_cost_of_the_billed_characters(self, wire: Wire, prices: None, make: Any) -> None:
        wire.script_start(NEURAL, NEURAL)
        running_context = context()
        value = execute(make(), running_context)
        assert value["EstimatedCost"] == 0.0125
        assert running_context["ti"].pushed["EstimatedCost"] == 0.0125

    @MAKERS
    def test_contains_no_cost_without_prices(self, wire: Wire, make: Any) -> None:
        wire.script_start(NEURAL, NEURAL)
        running_context = context()
        value = execute(make(), running_context)
        assert "EstimatedCost" not in str(value)
        assert "EstimatedCost" not in running_context["ti"].pushed

    def test_contains_no_cost_if_the_engine_has_no_price(self, wire: Wire, prices: None) -> None:
        long_form = {**NEURAL, "Engine": "long-form"}
        wire.script_start(long_form, long_form)
        assert "EstimatedCost" not in execute(start_operator(engine="long-form"))

    def test_contains_the_cost_after_a_deferral_that_began_before_prices_were_set(self, prices: None) -> None:
        operator = sensor(deferrable=True)
        running_context = context()
        with running(operator):
            value = operator.execute_complete(as_context(running_context), success_event(NEURAL))
        assert value["EstimatedCost"] == 0.0125

    def test_contains_a_cost_of_zero_for_an_unchanged_object(self, prices: None) -> None:
        unchanged = synthesis_task(RequestCharacters=0, SpokenCharacters=9, Unchanged=True)
        delivered = deliver_synthesis_task(get_operator(), as_context(context()), unchanged)
        assert delivered.value["EstimatedCost"] == 0.0

    def test_of_the_triggerer_contains_the_cost(self, prices: None, monkeypatch: pytest.MonkeyPatch) -> None:
        pushed: dict[str, Any] = {}
        monkeypatch.setattr(XCom, "set", lambda *, key, value, **_: pushed.update({key: value}))
        trigger = PollySpeechSynthesisTaskTrigger(
            synthesis_task_id="t1", deadline=time.time() + 60, end_from_trigger=True
        )
        trigger.task_instance = context()["ti"]
        trigger._push_xcoms(NEURAL, has_custom_endpoint=False)
        assert (pushed["EstimatedCost"], pushed["return_value"]["EstimatedCost"]) == (0.0125, 0.0125)

    def test_of_synthesize_speech_contains_the_cost(self, prices: None) -> None:
        value = speech_xcom(
            {"Text": "Hello", "VoiceId": "Amy", "OutputFormat": "mp3"},
            {"OutputUri": "/a.mp3"},
            request_characters=5,
            content_type="audio/mpeg",
        )
        assert value["EstimatedCost"] == 0.000025


class TestEvent:
    def test_of_a_trigger_stays_the_same_with_prices(
        self, prices: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Airflow stores events, and a worker with other prices may read them."""
        with_prices = success_event(NEURAL)
        monkeypatch.delenv("AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS")
        assert with_prices == success_event(NEURAL)

    @pytest.mark.parametrize("keys", [EVENT_EXTRA_KEYS, TAG_KEYS], ids=["asset event", "OpenLineage"])
    def test_of_lineage_contains_the_cost_next_to_the_characters(self, keys: tuple[str, ...]) -> None:
        assert keys[keys.index("RequestCharacters") :][:4].count("EstimatedCost") == 1


class TestLog:
    def test_ends_with_the_cost(self, wire: Wire, prices: None, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        deliver_synthesis_task(get_operator(), as_context(context()), NEURAL)
        assert "1000 characters billed, estimated cost 0.0125" in caplog.text

    @pytest.mark.parametrize(
        ("cost", "words"),
        [
            (0.000004, ", estimated cost 0.000004"),
            (0.0, ", estimated cost 0"),
            (12.0, ", estimated cost 12"),
            (1200.0, ", estimated cost 1200"),
        ],
    )
    def test_writes_the_cost_in_decimal_places(self, cost: float, words: str) -> None:
        assert cost_words({"EstimatedCost": cost}) == words
