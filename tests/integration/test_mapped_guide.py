"""The statements about Airflow in the guide on mapped operators are true on the installed Airflow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import AirflowSkipException, task
from airflow_polly_provider.decorators.polly import polly_task
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor
from tests.integration.dag_builder import IN_WORKER, NO_WAIT, new_dag, output_of, start_arguments

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun, RunDag

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "mapped.md"
TEXTS = ["<speak>One.</speak>", "<speak>not well-formed", "<speak>Three.</speak>"]
SPOKEN = [len("One."), len("Three.")]

pytestmark = pytest.mark.usefixtures("short_waits")


def arguments_without_text(emulator: RunningEmulator, **given: Any) -> dict[str, Any]:
    arguments = start_arguments(emulator, **given)
    del arguments["text"]
    return arguments


def guide_code(beginning: str) -> str:
    """Return the guide's Python block that contains these words, with imports for the installed Airflow."""
    (code,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
        if beginning in block
    )
    return str(code).replace("from airflow.sdk import", "from airflow_polly_provider.compat import")


def returned(run: FinishedRun, task_id: str) -> Any:
    return run.xcoms(task_id)["return_value"]


def test_the_output_of_a_mapped_operator_leaves_out_a_failed_instance(
    emulator: RunningEmulator, run_dag: RunDag
) -> None:
    names: dict[str, Any] = {"task": task}
    exec(compile(guide_code("def report("), str(GUIDE), "exec"), names)
    with new_dag("failed") as dag:

        @task
        def texts() -> list[str]:
            return TEXTS

        @task
        def default_rule(speeches: list[Any]) -> None:
            """Never runs."""

        @task(trigger_rule="none_failed")
        def none_failed(speeches: list[Any]) -> None:
            """Never runs."""

        @task(trigger_rule="all_done")
        def all_done(speeches: list[Any]) -> list[int]:
            return [speech["RequestCharacters"] for speech in speeches]

        given = texts()
        start = PollyStartSpeechSynthesisTaskOperator.partial(
            **arguments_without_text(emulator, text_type="ssml", **IN_WORKER)
        ).expand(text=given)
        PollySpeechSynthesisTaskSensor.partial(
            task_id="gate", poke_interval=0.2, trigger_rule="all_done"
        ).expand(synthesis_task_id=output_of(start))
        for later in (default_rule, none_failed, all_done):
            later(output_of(start))
        start >> names["report"](given)

    run = run_dag(dag)

    assert [run.task("start", index)[0] for index in range(3)] == ["success", "failed", "success"]
    assert [run.task(name)[0] for name in ("default_rule", "none_failed")] == ["upstream_failed"] * 2
    assert returned(run, "all_done") == SPOKEN
    # The second instance of the mapped task gets the audio of the third text.
    third = run.xcoms("start", 2)["TaskId"]
    assert run.xcoms("gate", 1)["TaskId"] == third
    first, second, last = returned(run, "report")
    assert (third in last, third in second, second) == (True, False, f"{TEXTS[1]} -> no audio")
    assert first.startswith(f"{TEXTS[0]} -> s3://")


def test_the_output_of_a_mapped_operator_leaves_out_a_skipped_instance(
    emulator: RunningEmulator, run_dag: RunDag
) -> None:
    given = arguments_without_text(emulator, **NO_WAIT)
    del given["task_id"]
    with new_dag("skipped") as dag:

        @polly_task(**given)
        def speak(number: int) -> str:
            if number == 2:
                raise AirflowSkipException
            return "a" * number

        @task
        def default_rule(speeches: list[Any]) -> None:
            """Is skipped."""

        @task(trigger_rule="none_failed")
        def none_failed(speeches: list[Any]) -> list[int]:
            return [speech["RequestCharacters"] for speech in speeches]

        speeches: Any = speak.expand(number=[1, 2, 3])
        default_rule(speeches)
        none_failed(speeches)

    run = run_dag(dag)

    assert run.task("default_rule")[0] == "skipped"
    assert returned(run, "none_failed") == [1, 3]


def test_the_guides_task_group_keeps_each_text_with_its_audio_and_renders_no_text(
    emulator: RunningEmulator, run_dag: RunDag, s3: Any
) -> None:
    s3.create_bucket(Bucket="my-audio")
    template = "{{ 7*7 }}"
    code = (
        guide_code("def speak_episodes(")
        .replace("This is the first episode.", "")
        .replace("This is the second episode.", template)
    )
    names: dict[str, Any] = {}
    exec(compile(code.replace("\nspeak_episodes()\n", ""), str(GUIDE), "exec"), names)

    run = run_dag(names["speak_episodes"]())

    states = [run.task(f"episode.{name}", index)[0] for name in ("speak", "publish") for index in (0, 1)]
    assert states == ["failed", "success", "upstream_failed", "success"]
    speech = run.xcoms("episode.speak", 1)
    assert speech["RequestCharacters"] == len(template)
    assert run.xcoms("episode.publish", 1)["return_value"] == f"e2: {speech['OutputS3Uri']}"


def test_expand_kwargs_renders_each_templated_argument_of_an_xcom(
    emulator: RunningEmulator, run_dag: RunDag
) -> None:
    given = arguments_without_text(emulator, **NO_WAIT)
    del given["voice_id"], given["output_s3_key_prefix"]
    with new_dag("rendered") as dag:

        @task
        def arguments() -> list[dict[str, Any]]:
            return [
                {
                    "text": "{{ 7*7 }}",
                    "voice_id": "{{ 'Am' ~ 'y' }}",
                    "output_s3_key_prefix": "{{ 'p' * 3 }}/",
                }
            ]

        def unchanged(row: dict[str, Any]) -> dict[str, Any]:
            return row

        kwargs: Any = arguments()
        PollyStartSpeechSynthesisTaskOperator.partial(**given).expand_kwargs(kwargs.map(unchanged))

    run = run_dag(dag)

    speech = run.xcoms("start", 0)["return_value"]
    assert (speech["RequestCharacters"], speech["VoiceId"]) == (len("49"), "Amy")
    assert "/ppp/" in speech["OutputS3Uri"]
