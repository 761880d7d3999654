"""The example in which a language model writes a text and Polly speaks it."""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import task
from tests.integration.example_dags import FOLDER, dags_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

NAME = "example_polly_llm"
PROVIDER = "airflow.providers.common.ai"
START = "StartSpeechSynthesisTask"
HAS_PROVIDER = find_spec(PROVIDER) is not None
ANSWER = "{{ 7*7 }} drops of rain."

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture(autouse=True)
def _bucket(emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", emulator.bucket)


def stand_in(python_callable: Callable[[], str] | None = None, **settings: Any) -> Any:
    """Return a task that has the parameters of ``@task.llm`` and returns ``ANSWER`` for each prompt."""
    if python_callable is None:
        return lambda function: stand_in(function, **settings)
    assert set(settings) == {"llm_conn_id", "system_prompt"}
    prompt = python_callable

    def write() -> str:
        assert prompt().strip()
        return ANSWER

    return task(write)


def test_run_without_the_provider_is_skipped_and_the_log_names_the_package(
    emulator: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python finds no module of this name, also where the provider is installed.
    monkeypatch.setitem(sys.modules, PROVIDER, None)

    run = run_dag(dags_in(FOLDER / f"{NAME}.py")[NAME])

    assert run.state == "success", run.output
    assert [run.task(task_id)[0] for task_id in ("write", "speak")] == ["skipped"] * 2
    assert "Install apache-airflow-providers-common-ai" in run.output
    assert emulator.counters.calls(START, "ok") == 0


def test_answer_is_spoken_as_it_stands_with_a_stand_in_for_the_decorator(
    run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test checks how the tasks work together, even if the provider is not installed."""
    provider = ModuleType(PROVIDER)
    provider.__spec__ = ModuleSpec(PROVIDER, loader=None)
    monkeypatch.setitem(sys.modules, PROVIDER, provider)
    monkeypatch.setattr(type(task), "llm", staticmethod(stand_in), raising=False)

    run = run_dag(dags_in(FOLDER / f"{NAME}.py")[NAME])

    assert run.state == "success", run.output
    assert run.xcoms("write")["return_value"] == ANSWER
    assert run.xcoms("speak")["RequestCharacters"] == len(ANSWER), "the answer is no template"


@pytest.mark.skipif(not HAS_PROVIDER, reason="needs apache-airflow-providers-common-ai")
def test_answer_of_the_providers_test_model_is_spoken(
    run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {"conn_type": "pydanticai", "extra": {"model": "test"}}
    monkeypatch.setenv("AIRFLOW_CONN_PYDANTICAI_DEFAULT", json.dumps(connection))

    run = run_dag(dags_in(FOLDER / f"{NAME}.py")[NAME])

    assert run.state == "success", run.output
    answer = run.xcoms("write")["return_value"]
    assert answer
    assert run.xcoms("speak")["RequestCharacters"] == len(answer)
