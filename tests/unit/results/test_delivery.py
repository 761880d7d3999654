from __future__ import annotations

from airflow_polly_provider.results.delivery import push_own_xcoms
from airflow_polly_provider.results.synthesis_task import OWN_XCOM_KEYS
from tests.unit.support import as_context, context, start_operator


class TestPushOwnXComs:
    def test_own_keys_that_are_missing_and_other_keys_are_not_pushed(self) -> None:
        running = context()
        value = {"TaskId": "t1", "TaskStatus": "scheduled", "VoiceId": "Amy"}
        push_own_xcoms(start_operator(), as_context(running), value, OWN_XCOM_KEYS)
        assert running["ti"].pushed == {"TaskId": "t1", "TaskStatus": "scheduled"}
