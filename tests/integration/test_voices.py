"""``check_voice`` in whole DAGs against the emulator, and the hook's ``voices``."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_polly_provider.decorators.polly import polly_task
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.hooks.voice_cache import VOICE_CACHE
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.operators.synthesize import PollySynthesizeSpeechOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun

    Runner = Callable[[DAG], FinishedRun]

START, DESCRIBE = "StartSpeechSynthesisTask", "DescribeVoices"


@pytest.fixture(autouse=True)
def _nothing_kept(emulator: RunningEmulator) -> None:
    VOICE_CACHE.clear()


def new_dag() -> DAG:
    return DAG(f"voices_{time.time_ns()}", start_date=datetime(2025, 1, 1, tzinfo=UTC), schedule=None)


def arguments(emulator: RunningEmulator, **given: Any) -> dict[str, Any]:
    return {
        "voice_id": "Amy",
        "output_s3_bucket_name": emulator.bucket,
        "wait_for_completion": False,
        "check_voice": True,
        "retries": 2,
        "retry_delay": timedelta(0),
    } | given


def start_dag(emulator: RunningEmulator, **given: Any) -> DAG:
    with new_dag() as dag:
        PollyStartSpeechSynthesisTaskOperator(task_id="start", text="Hello", **arguments(emulator, **given))
    return dag


class TestCheckVoice:
    @pytest.mark.parametrize(
        "given",
        [{}, {"engine": "neural", "language_code": "en-GB"}, {"voice_id": "Aditi", "language_code": "hi-IN"}],
        ids=str,
    )
    def test_lets_what_fits_pass(
        self, emulator: RunningEmulator, run_dag: Runner, given: dict[str, Any]
    ) -> None:
        run = run_dag(start_dag(emulator, **given))
        assert run.task("start") == ("success", 1), run.output
        assert emulator.counters.calls(DESCRIBE) == 1

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"voice_id": "Olivja"}, ["'Olivja' is none of the", "in us-east-1", "closest: Olivia"]),
            ({"voice_id": "Olivia"}, ["not standard, which Polly takes where engine is not given", "Nicole"]),
            ({"voice_id": "{{ 'Nicole' }}", "engine": "neural"}, ["not neural", "Olivia"]),
            ({"language_code": "hi-IN"}, ["speaks en-GB, not hi-IN", "Aditi"]),
        ],
        ids=str,
    )
    def test_refuses_before_any_start_and_without_retries(
        self, emulator: RunningEmulator, run_dag: Runner, given: dict[str, Any], words: list[str]
    ) -> None:
        run = run_dag(start_dag(emulator, **given))
        assert run.task("start") == ("failed", 1), run.output
        for word in words:
            assert word in run.output
        assert emulator.counters.calls(START) == 0

    def test_of_the_synthesize_operator_is_the_same(self, emulator: RunningEmulator, run_dag: Runner) -> None:
        with new_dag() as dag:
            for task_id, voice_id in (("fits", "Amy"), ("does_not", "Olivia")):
                PollySynthesizeSpeechOperator(
                    task_id=task_id,
                    text="Hello",
                    voice_id=voice_id,
                    check_voice=True,
                    output_s3_bucket_name=emulator.bucket,
                    output_s3_key=f"{task_id}.mp3",
                )
        run = run_dag(dag)
        assert run.task("fits") == ("success", 1), run.output
        assert run.task("does_not") == ("failed", 1)
        assert "Nicole, Russell" in run.output
        assert emulator.counters.calls("SynthesizeSpeech") == 1

    def test_denied_names_the_permission(self, emulator: RunningEmulator, run_dag: Runner) -> None:
        emulator.faults.deny(DESCRIBE)
        run = run_dag(start_dag(emulator))
        assert run.task("start") == ("failed", 1), run.output
        assert "Allow polly:DescribeVoices" in run.output
        assert emulator.counters.calls(START) == 0

    def test_is_not_made_unless_asked_for(self, emulator: RunningEmulator, run_dag: Runner) -> None:
        emulator.faults.deny(DESCRIBE)
        run = run_dag(start_dag(emulator, check_voice=False))
        assert run.task("start") == ("success", 1), run.output
        assert emulator.counters.calls(DESCRIBE) == 0

    def test_asks_once_for_many_tasks_of_one_process(
        self, emulator: RunningEmulator, run_dag: Runner
    ) -> None:
        with new_dag() as dag:

            @polly_task(**arguments(emulator))
            def speak(number: int) -> str:
                return f"Number {number}"

            speak.expand(number=[1, 2, 3])
        run = run_dag(dag)
        assert run.state == "success", run.output
        assert emulator.counters.calls(DESCRIBE) == 1
        assert emulator.counters.calls(START) == 3


def test_the_hook_tells_the_voices_for_a_language_and_an_engine(emulator: RunningEmulator) -> None:
    hook = PollyHook()
    neural = {voice["Id"] for voice in hook.voices(language_code="hi-IN", engine="neural")}
    assert neural == {"Kajal"}
    assert len(hook.voices()) > len(hook.voices(engine="long-form")) > 0
    assert emulator.counters.calls(DESCRIBE) == 1
