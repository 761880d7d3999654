from __future__ import annotations

import json

import pytest

from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.triggers import events
from tests.unit.support import synthesis_task


class TestEvents:
    def test_of_an_unknown_form_raise_an_error(self) -> None:
        for event in (None, {}, {"status": "success"}):
            with pytest.raises(PollyError, match="does not know"):
                events.synthesis_task_of(event)

    def test_with_an_unknown_error_class_raise_an_error_with_the_stored_message(self) -> None:
        event = {"error": {"class": "PollyNewerError", "message": "so it is", "synthesis_task_id": "t1"}}
        with pytest.raises(PollyError, match="so it is") as error:
            events.synthesis_task_of(event)
        assert error.value.synthesis_task_id == "t1"

    def test_can_be_converted_to_json(self) -> None:
        event = events.success_event(synthesis_task())
        assert json.loads(json.dumps(event)) == event
        event = events.error_event(PollyError("no", synthesis_task_id="t1", task_status="scheduled"))
        assert json.loads(json.dumps(event)) == event
