from __future__ import annotations

from typing import Any

import pytest

from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.operators.start_memory import StartMemory

exceptions = pytest.importorskip("airflow.sdk.exceptions", reason="Airflow 2 has no task state store")
if not hasattr(exceptions, "AirflowRuntimeError"):
    pytest.skip("this Airflow has no task state store", allow_module_level=True)


class RefusingStore:
    """Answers as Airflow's API server does when it takes no note."""

    def __init__(self, detail: dict[str, Any] | None) -> None:
        from airflow.sdk.execution_time.comms import ErrorResponse

        self.error = exceptions.AirflowRuntimeError(
            ErrorResponse(error=exceptions.ErrorType.API_SERVER_ERROR, detail=detail)
        )

    def set(self, key: str, value: Any) -> None:
        raise self.error


def memory(detail: dict[str, Any] | None) -> StartMemory:
    return StartMemory({"task_state_store": RefusingStore(detail)}, "token")  # type: ignore[typeddict-item]


def test_a_try_that_airflow_has_replaced_may_not_ask_polly() -> None:
    gone = {"reason": "not_found", "message": "Task instance 01 not found"}
    refusing = memory({"status_code": 404, "message": "Server returned error", "detail": {"detail": gone}})
    with pytest.raises(PollyError, match="ended this try"):
        refusing.note_asking()


@pytest.mark.parametrize(
    "detail",
    [
        None,
        {"status_code": None, "message": "Connection refused"},
        {"status_code": 500, "message": "Server returned error", "detail": None},
        {"status_code": 404, "message": "Server returned error", "detail": {"detail": "Not Found"}},
    ],
)
def test_a_store_that_is_out_of_order_stops_no_start(detail: dict[str, Any] | None) -> None:
    refusing = memory(detail)
    refusing.note_asking()
    refusing.note_started("id")
