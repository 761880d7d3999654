"""Untrusted texts never read a file, and Airflow renders them as the guide documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import task
from airflow_polly_provider.decorators.polly import polly_task
from airflow_polly_provider.operators.polly import (
    PollyStartSpeechSynthesisTaskOperator,
    PollySynthesizeSpeechOperator,
)
from tests.integration.dag_builder import NO_WAIT, TEXT, new_dag, start_arguments, start_dag

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun, RunDag

TEMPLATE = "{{ 7*7 }}"
LITERAL, RENDERED = len(TEMPLATE), len("49")
CONF = "{{ dag_run.conf['text'] }}"
FILE = "secret.txt"

pytestmark = pytest.mark.usefixtures("short_waits")


def without_text(emulator: RunningEmulator, **given: Any) -> dict[str, Any]:
    arguments = start_arguments(emulator, **NO_WAIT, **given)
    del arguments["text"]
    return arguments


def decorator(emulator: RunningEmulator) -> Any:
    given = without_text(emulator)
    del given["task_id"]
    return polly_task(**given)


def billed(run: FinishedRun, task_id: str, map_index: int = -1) -> int:
    characters: int = run.xcoms(task_id, map_index)["RequestCharacters"]
    return characters


@pytest.mark.parametrize("text", [FILE, TEMPLATE])
def test_a_text_from_conf_is_spoken_literally_with_text_may_name_file_false(
    emulator: RunningEmulator, run_dag: RunDag, tmp_path: Path, text: str
) -> None:
    (tmp_path / FILE).write_text("The contents of the file, which is long.")
    with new_dag("conf", template_searchpath=str(tmp_path)) as dag:
        given: dict[str, Any] = {"text": CONF, "text_may_name_file": False}
        PollyStartSpeechSynthesisTaskOperator(**start_arguments(emulator, **NO_WAIT, **given))
        PollySynthesizeSpeechOperator(
            task_id="speech", voice_id="Amy", output_path=str(tmp_path / "a.mp3"), **given
        )
    run = run_dag(dag, conf={"text": text})
    assert run.state == "success", run.output
    assert billed(run, "start") == billed(run, "speech") == len(text)


def test_a_text_from_conf_that_names_a_file_is_read_from_the_file_by_default(
    emulator: RunningEmulator, run_dag: RunDag, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_text(TEXT)
    dag = start_dag(emulator, text=CONF, **NO_WAIT)
    dag.template_searchpath = [str(tmp_path)]
    assert billed(run_dag(dag, conf={"text": FILE}), "start") == len(TEXT)


def test_airflow_renders_texts_that_expand_kwargs_takes_from_an_xcom_but_not_those_of_expand(
    emulator: RunningEmulator, run_dag: RunDag
) -> None:
    def mapped(task_id: str) -> Any:
        given = without_text(emulator, task_id=task_id, text_may_name_file=False)
        return PollyStartSpeechSynthesisTaskOperator.partial(**given)

    with new_dag("mapped") as dag:

        @task
        def texts() -> list[str]:
            return [TEMPLATE]

        @task
        def arguments() -> list[dict[str, str]]:
            return [{"text": TEMPLATE}]

        supplied, kwargs = texts(), arguments()
        mapped("expand").expand(text=supplied)
        mapped("expand_literal").expand(text=[TEMPLATE])
        mapped("expand_kwargs").expand_kwargs(kwargs)
        mapped("expand_kwargs_literal").expand_kwargs([{"text": TEMPLATE}])
    run = run_dag(dag)
    assert run.state == "success", run.output
    names = ("expand", "expand_literal", "expand_kwargs", "expand_kwargs_literal")
    assert {name: billed(run, name, 0) for name in names} == {
        "expand": LITERAL,
        "expand_literal": RENDERED,
        "expand_kwargs": RENDERED,
        "expand_kwargs_literal": RENDERED,
    }


@pytest.mark.parametrize("text", [FILE, TEMPLATE])
def test_a_text_from_conf_that_a_function_returns_is_spoken_literally(
    emulator: RunningEmulator, run_dag: RunDag, tmp_path: Path, text: str
) -> None:
    (tmp_path / FILE).write_text("The contents of the file, which is long.")
    with new_dag("decorated", template_searchpath=str(tmp_path)) as dag:

        @decorator(emulator)  # type: ignore[untyped-decorator]  # Any
        def speak(dag_run: Any = None) -> str:
            return str(dag_run.conf["text"])

        speak()
    run = run_dag(dag, conf={"text": text})
    assert run.state == "success", run.output
    assert billed(run, "speak") == len(text)


def test_airflow_renders_the_arguments_of_a_decorated_function_by_the_same_rules(
    emulator: RunningEmulator, run_dag: RunDag
) -> None:
    with new_dag("arguments") as dag:

        @task
        def texts() -> list[str]:
            return [TEMPLATE]

        @task
        def arguments() -> list[dict[str, str]]:
            return [{"text": TEMPLATE}]

        @decorator(emulator)  # type: ignore[untyped-decorator]  # Any
        def speak(text: str) -> str:
            return text

        speak.override(task_id="expand").expand(text=texts())
        speak.override(task_id="expand_kwargs").expand_kwargs(arguments())
        speak.override(task_id="conf")(CONF)
    run = run_dag(dag, conf={"text": TEMPLATE})
    assert run.state == "success", run.output
    assert billed(run, "expand", 0) == billed(run, "conf") == LITERAL
    assert billed(run, "expand_kwargs", 0) == RENDERED


def test_text_may_name_file_in_default_args_works_with_decorated_functions(
    emulator: RunningEmulator, run_dag: RunDag
) -> None:
    with new_dag("defaults", default_args={"text_may_name_file": False}) as dag:

        @decorator(emulator)  # type: ignore[untyped-decorator]  # Any
        def speak(name: str) -> str:
            return name

        speak("Al")
        speak.override(task_id="mapped").expand(name=["Bo"])
        PollyStartSpeechSynthesisTaskOperator(**start_arguments(emulator, text="Al.txt", **NO_WAIT))
    run = run_dag(dag)
    assert run.state == "success", run.output
    assert billed(run, "start") == len("Al.txt")
