"""The number of a try, as Airflow's own classes report it."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_polly_provider.start.current_run import current_run


def try_number(*, airflows: int, xcom_keys_to_clear: list[str] | None) -> int:
    """Return the try number that the package works with, for a task instance of Airflow 3's task runner."""
    generated = pytest.importorskip("airflow.sdk.api.datamodels._generated", reason="Airflow 3's task runner")
    task_runner = pytest.importorskip("airflow.sdk.execution_time.task_runner")
    from_server = generated.TIRunContext.model_construct(xcom_keys_to_clear=xcom_keys_to_clear)
    ti = task_runner.RuntimeTaskInstance.model_construct(
        try_number=airflows, max_tries=3, _ti_context_from_server=from_server
    )
    context: Any = {
        "ti": ti,
        "task": SimpleNamespace(retries=3),
        "dag_run": SimpleNamespace(start_date=datetime.now(tz=UTC)),
    }
    return current_run(context).try_number


@pytest.mark.parametrize("keys", [None, []])
def test_first_execution_has_number_1(keys: list[str] | None) -> None:
    assert try_number(airflows=1, xcom_keys_to_clear=keys) == 1


def test_retry_that_airflow_executes_as_the_first_try_has_number_2() -> None:
    """Seen on Airflow 3.0.6: the XComs of the first execution are all that tells the two apart."""
    assert try_number(airflows=1, xcom_keys_to_clear=["TaskId", "TaskStatus"]) == 2


@pytest.mark.parametrize("keys", [None, ["TaskId"]])
def test_other_retries_keep_airflows_number(keys: list[str] | None) -> None:
    assert try_number(airflows=3, xcom_keys_to_clear=keys) == 3
