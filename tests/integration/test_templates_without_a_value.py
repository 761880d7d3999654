"""Templates that render to no value are rejected before any request and without retries."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.operators.lexicon import PollyPutLexiconOperator
from airflow_polly_provider.operators.polly import (
    PollyGetSpeechSynthesisTaskOperator,
    PollyStartSpeechSynthesisTaskOperator,
    PollySynthesizeSpeechOperator,
)
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor
from tests.integration.dag_builder import NO_WAIT, START, new_dag, start_arguments, start_dag

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

NOTHING = "{{ ti.xcom_pull(task_ids='no_such_task') }}"
WHOLE = "{{ {'TaskId': 'x', 'TaskStatus': 'completed'} }}"

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.mark.timeout(300)
def test_a_field_whose_template_has_no_value_fails_the_task_before_any_request(
    emulator: RunningEmulator, run_dag: RunDag, tmp_path: Path
) -> None:
    (tmp_path / "empty.txt").write_text(f" {NOTHING}\n")

    defaults: dict[str, Any] = {"retries": 1, "retry_delay": timedelta(0)}

    def start(task_id: str, **changes: Any) -> None:
        arguments = start_arguments(emulator, task_id=task_id, **changes)
        PollyStartSpeechSynthesisTaskOperator(**arguments | defaults)

    with new_dag("nothing", template_searchpath=str(tmp_path), default_args=defaults) as dag:
        start("text", text=NOTHING)
        start("file", text="empty.txt")
        start("key", output_s3_key=NOTHING)
        mapped = start_arguments(emulator, task_id="mapped", output_s3_key_prefix=NOTHING) | defaults
        text = mapped.pop("text")
        PollyStartSpeechSynthesisTaskOperator.partial(**mapped).expand(text=[text])
        PollySynthesizeSpeechOperator(
            task_id="speech", text=NOTHING, voice_id="Amy", output_path=f"{tmp_path}/speech.mp3"
        )
        PollySynthesizeSpeechOperator(task_id="path", text="Hello.", voice_id="Amy", output_path=NOTHING)
        PollyPutLexiconOperator(task_id="lexicon", name=NOTHING, content="<lexicon/>")
        PollyGetSpeechSynthesisTaskOperator(task_id="get", synthesis_task_id=NOTHING)
        PollySpeechSynthesisTaskSensor(task_id="sensor", synthesis_task_id=NOTHING)
        PollySpeechSynthesisTaskSensor(task_id="sensor_whole", synthesis_task_id=WHOLE)
    run = run_dag(dag)

    states = {name: run.task(name, 0 if name == "mapped" else -1) for name in dag.task_dict}
    assert states == dict.fromkeys(dag.task_dict, ("failed", 1))
    assert emulator.counters.snapshot() == {}
    for name in ("text", "output_s3_key", "output_s3_key_prefix", "output_path", "name"):
        assert f"{name} was rendered as 'None'" in run.output
    assert "no_such_task" in run.output, "the error quotes the template"
    assert "{{ … or '' }}" in run.output, "the error says what to write instead"
    assert "'empty.txt' (from text) was rendered as 'None'" in run.output
    assert "synthesis_task_id rendered to 'None'" in run.output
    assert "the start operator's output, such as start.output" in run.output


@pytest.mark.parametrize("native", [False, True])
def test_a_text_without_a_value_is_refused_with_and_without_native_rendering(
    emulator: RunningEmulator, run_dag: RunDag, native: bool
) -> None:
    with new_dag("native", render_template_as_native_obj=native) as dag:
        PollyStartSpeechSynthesisTaskOperator(**start_arguments(emulator, text=NOTHING))
    assert run_dag(dag).task("start") == ("failed", 1)
    assert emulator.counters.snapshot() == {}


def test_native_none_omits_an_optional_parameter(emulator: RunningEmulator, run_dag: RunDag) -> None:
    with new_dag("native", render_template_as_native_obj=True) as dag:
        PollyStartSpeechSynthesisTaskOperator(
            **start_arguments(emulator, engine=NOTHING, output_s3_key_prefix=NOTHING, **NO_WAIT)
        )
    assert run_dag(dag).task("start") == ("success", 1)


@pytest.mark.parametrize("text", ["None", "{{ 'None of this.' }}"])
def test_a_literal_text_with_the_word_none_is_spoken(
    emulator: RunningEmulator, run_dag: RunDag, text: str
) -> None:
    assert run_dag(start_dag(emulator, text=text, **NO_WAIT)).task("start") == ("success", 1)
    assert emulator.counters.calls(START, "ok") == 1
