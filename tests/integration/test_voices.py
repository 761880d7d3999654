"""``check_voice`` in whole DAGs against the emulator, and the hook's ``voices``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.decorators.polly import polly_task
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.hooks.voice_cache import VOICE_CACHE
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.operators.synthesize import PollySynthesizeSpeechOperator
from tests.integration.dag_builder import START, new_dag

if TYPE_CHECKING:
    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

DESCRIBE = "DescribeVoices"


@pytest.fixture(autouse=True)
def _empty_voice_cache(emulator: RunningEmulator) -> None:
    VOICE_CACHE.clear()


def arguments(emulator: RunningEmulator, **changes: Any) -> dict[str, Any]:
    """Return arguments for ``@task.polly`` with ``check_voice``."""
    return {
        "voice_id": "Amy",
        "output_s3_bucket_name": emulator.bucket,
        "wait_for_completion": False,
        "check_voice": True,
        "retries": 2,
        "retry_delay": timedelta(0),
    } | changes


def checking_dag(emulator: RunningEmulator, **changes: Any) -> DAG:
    """Return a DAG with one start operator that has ``check_voice``."""
    with new_dag("voices") as dag:
        PollyStartSpeechSynthesisTaskOperator(task_id="start", text="Hello", **arguments(emulator, **changes))
    return dag


class TestCheckVoice:
    @pytest.mark.parametrize(
        "given",
        [{}, {"engine": "neural", "language_code": "en-GB"}, {"voice_id": "Aditi", "language_code": "hi-IN"}],
        ids=str,
    )
    def test_accepts_a_voice_with_the_engine_and_language(
        self, emulator: RunningEmulator, run_dag: RunDag, given: dict[str, Any]
    ) -> None:
        run = run_dag(checking_dag(emulator, **given))
        assert run.task("start") == ("success", 1), run.output
        assert emulator.counters.calls(DESCRIBE) == 1

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"voice_id": "Olivja"}, ["'Olivja' is not one of the", "in us-east-1", "closest: Olivia"]),
            ({"voice_id": "Olivia"}, ["not standard, which Polly uses if engine is not given", "Nicole"]),
            ({"voice_id": "{{ 'Nicole' }}", "engine": "neural"}, ["not neural", "Olivia"]),
            ({"language_code": "hi-IN"}, ["speaks en-GB, not hi-IN", "Aditi"]),
        ],
        ids=str,
    )
    def test_rejects_an_unsuitable_voice_before_any_start_and_without_retries(
        self, emulator: RunningEmulator, run_dag: RunDag, given: dict[str, Any], words: list[str]
    ) -> None:
        run = run_dag(checking_dag(emulator, **given))
        assert run.task("start") == ("failed", 1), run.output
        for word in words:
            assert word in run.output
        assert emulator.counters.calls(START) == 0

    def test_works_the_same_in_the_synthesize_operator(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        with new_dag("voices") as dag:
            for task_id, voice_id in (("fits", "Amy"), ("does_not", "Olivia")):
                PollySynthesizeSpeechOperator(
                    task_id=task_id,
                    text="Hello",
                    voice_id=voice_id,
                    check_voice=True,
                    output_s3_bucket_name=speaking_emulator.bucket,
                    output_s3_key=f"{task_id}.mp3",
                )
        run = run_dag(dag)
        assert run.task("fits") == ("success", 1), run.output
        assert run.task("does_not") == ("failed", 1)
        assert "Nicole, Russell" in run.output
        assert speaking_emulator.counters.calls("SynthesizeSpeech") == 1

    def test_denied_request_names_the_permission(self, emulator: RunningEmulator, run_dag: RunDag) -> None:
        emulator.faults.deny(DESCRIBE)
        run = run_dag(checking_dag(emulator))
        assert run.task("start") == ("failed", 1), run.output
        assert "Allow polly:DescribeVoices" in run.output
        assert emulator.counters.calls(START) == 0

    def test_false_requests_no_voices(self, emulator: RunningEmulator, run_dag: RunDag) -> None:
        emulator.faults.deny(DESCRIBE)
        run = run_dag(checking_dag(emulator, check_voice=False))
        assert run.task("start") == ("success", 1), run.output
        assert emulator.counters.calls(DESCRIBE) == 0

    def test_requests_the_voices_once_for_many_tasks_in_one_process(
        self, emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        with new_dag("voices") as dag:

            @polly_task(**arguments(emulator))
            def speak(number: int) -> str:
                return f"Number {number}"

            speak.expand(number=[1, 2, 3])
        run = run_dag(dag)
        assert run.state == "success", run.output
        assert emulator.counters.calls(DESCRIBE) == 1
        assert emulator.counters.calls(START) == 3


def test_hook_voices_returns_the_voices_of_a_language_and_engine(emulator: RunningEmulator) -> None:
    hook = PollyHook()
    neural = {voice["Id"] for voice in hook.voices(language_code="hi-IN", engine="neural")}
    assert neural == {"Kajal"}
    assert len(hook.voices()) > len(hook.voices(engine="long-form")) > 0
    assert emulator.counters.calls(DESCRIBE) == 1
