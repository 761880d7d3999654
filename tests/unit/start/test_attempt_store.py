from __future__ import annotations

from typing import Any

import pytest

from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.start.attempt_store import AttemptStore
from tests.unit.support import as_context, context, warnings_in

exceptions = pytest.importorskip("airflow.sdk.exceptions", reason="Airflow 2 has no task state store")
if not hasattr(exceptions, "AirflowRuntimeError"):
    pytest.skip("this Airflow has no task state store", allow_module_level=True)


class RefusingStore:
    """A task state store that answers each write with an error of Airflow's API server."""

    def __init__(self, detail: dict[str, Any] | None) -> None:
        from airflow.sdk.execution_time.comms import ErrorResponse

        self.writes = 0
        self.error = exceptions.AirflowRuntimeError(
            ErrorResponse(error=exceptions.ErrorType.API_SERVER_ERROR, detail=detail)
        )

    def set(self, key: str, value: Any) -> None:
        self.writes += 1
        raise self.error


def store_for(store: RefusingStore) -> AttemptStore:
    return AttemptStore(as_context({**context(), "task_state_store": store}), "token", "digest")


def test_a_try_that_airflow_has_replaced_does_not_start_a_synthesis_task() -> None:
    gone = {"reason": "not_found", "message": "Task instance 01 not found"}
    store = RefusingStore(
        {"status_code": 404, "message": "Server returned error", "detail": {"detail": gone}}
    )
    with pytest.raises(PollyError, match="ended this try"):
        store_for(store).save_request()


@pytest.mark.parametrize(
    "detail",
    [
        None,
        {"status_code": None, "message": "Connection refused"},
        {"status_code": 500, "message": "Server returned error", "detail": None},
        {"status_code": 404, "message": "Server returned error", "detail": {"detail": "Not Found"}},
    ],
)
def test_a_store_that_fails_does_not_stop_the_start_and_is_not_used_again(
    detail: dict[str, Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    store = RefusingStore(detail)
    attempt_store = store_for(store)
    attempt_store.save_request()
    attempt_store.save_started("id")
    (warning,) = warnings_in(caplog)
    assert warning.startswith("Cannot write Airflow's task state store")
    assert not attempt_store.load().is_known, "after a failed write, a missing record proves nothing"
    assert store.writes == 1
