"""``@task.polly`` in whole DAGs against the emulator, in each mode."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_polly_provider.decorators.polly import polly_task
from airflow_polly_provider.synthesis_task import OWN_XCOM_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from airflow_polly_provider.synthesis_task import SynthesisTaskXCom
    from tests.integration.dag_runs import FinishedRun

    Runner = Callable[[DAG], FinishedRun]

TEXT = "Zebras quietly juggle."
START = "StartSpeechSynthesisTask"
MODES: dict[str, dict[str, Any]] = {
    "no wait": {"wait_for_completion": False},
    "in worker": {"deferrable": False},
    "deferred": {"deferrable": True},
}
each_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
each_wait = pytest.mark.parametrize(
    "mode", [MODES["in worker"], MODES["deferred"]], ids=["in worker", "deferred"]
)


def new_dag() -> DAG:
    return DAG(f"decorated_{time.time_ns()}", start_date=datetime(2025, 1, 1, tzinfo=UTC), schedule=None)


def arguments(emulator: RunningEmulator, **given: Any) -> dict[str, Any]:
    return {
        "voice_id": "Amy",
        "output_s3_bucket_name": emulator.bucket,
        "output_s3_key_prefix": "audio/",
        "poke_interval": 0.2,
        "retries": 0,
        "retry_delay": timedelta(0),
    } | given


def speaking(emulator: RunningEmulator, function: Callable[..., Any], *args: Any, **given: Any) -> DAG:
    """A DAG of one decorated function, whose task is named as the function is."""
    with new_dag() as dag:
        polly_task(**arguments(emulator, **given))(function)(*args)
    return dag


def test_airflow_knows_it_as_task_polly() -> None:
    assert task.polly is polly_task


class TestModes:
    @each_mode
    def test_speaks_what_the_function_returns_and_calls_it_once(
        self, emulator: RunningEmulator, run_dag: Runner, mode: dict[str, Any]
    ) -> None:
        calls: list[str] = []

        def speak(who: str) -> str:
            calls.append(who)
            return TEXT

        run = run_dag(speaking(emulator, speak, "{{ dag.dag_id }}", **mode))
        assert run.task("speak") == ("success", 1), run.output
        assert calls == [run.dag_id]
        xcoms = run.xcoms("speak")
        assert set(xcoms) == {*OWN_XCOM_KEYS, "return_value"}
        value = xcoms.pop("return_value")
        assert xcoms == {key: value[key] for key in OWN_XCOM_KEYS}
        assert value["TaskStatus"] == ("scheduled" if mode is MODES["no wait"] else "completed")
        assert value["RequestCharacters"] == len(TEXT)
        assert value["OutputS3Uri"].startswith(f"s3://{emulator.bucket}/audio/")
        assert "RequestDigest" in value
        assert emulator.counters.calls(START) == 1

    @each_mode
    def test_the_text_is_in_no_log_and_no_xcom(
        self, emulator: RunningEmulator, run_dag: Runner, mode: dict[str, Any]
    ) -> None:
        def speak() -> str:
            return TEXT

        run = run_dag(speaking(emulator, speak, **mode))
        assert run.task("speak") == ("success", 1), run.output
        assert TEXT not in run.output
        assert TEXT not in json.dumps(run.xcoms("speak"))
        assert run.holds("rendered_task_instance_fields", TEXT) is False

    @each_mode
    def test_maps_over_the_functions_arguments(
        self, emulator: RunningEmulator, run_dag: Runner, mode: dict[str, Any]
    ) -> None:
        with new_dag() as dag:

            @task
            def names() -> list[str]:
                return ["Al", "Beatrice"]

            @polly_task(**arguments(emulator, **mode))
            def greet(name: str, word: str) -> str:
                return f"{word} {name}"

            @task
            def gather(speeches: list[SynthesisTaskXCom]) -> list[int]:
                return [speech["RequestCharacters"] for speech in speeches]

            gather(greet.partial(word="Hello").expand(name=names()))
        run = run_dag(dag)
        assert run.state == "success", run.output
        assert run.xcoms("gather")["return_value"] == [len("Hello Al"), len("Hello Beatrice")]
        uris = {run.xcoms("greet", index)["OutputS3Uri"] for index in range(2)}
        assert len(uris) == 2

    @each_mode
    def test_later_tasks_take_the_whole_or_single_values(
        self, emulator: RunningEmulator, run_dag: Runner, mode: dict[str, Any]
    ) -> None:
        with new_dag() as dag:

            @polly_task(**arguments(emulator, **mode))
            def speak() -> str:
                return TEXT

            @task
            def later(whole: SynthesisTaskXCom, uri: str) -> bool:
                return whole["OutputS3Uri"] == uri

            speech = speak()
            later(speech, speech["OutputS3Uri"])
        run = run_dag(dag)
        assert run.task("later") == ("success", 1), run.output
        assert run.xcoms("later")["return_value"] is True


class TestParameters:
    def test_of_the_operator_all_work(self, emulator: RunningEmulator, run_dag: Runner) -> None:
        def marks() -> str:
            return f"<speak>{TEXT}</speak>"

        given = {
            "output_format": "json",
            "speech_mark_types": ["word", "ssml"],
            "text_type": "ssml",
            "output_s3_key_prefix": "{{ dag.dag_id }}/",
        }
        run = run_dag(speaking(emulator, marks, **given))
        assert run.task("marks") == ("success", 1), run.output
        value = run.xcoms("marks")["return_value"]
        assert value["SpeechMarkTypes"] == ["word", "ssml"]
        assert f"/{run.dag_id}/" in value["OutputS3Uri"]

    @each_wait
    def test_put_the_object_at_its_key_and_skip_what_is_unchanged(
        self, emulator: RunningEmulator, run_dag: Runner, mode: dict[str, Any]
    ) -> None:
        calls: list[str] = []

        def speak() -> str:
            calls.append(TEXT)
            return TEXT

        key = f"spoken-{time.time_ns()}.mp3"
        given = {"output_s3_key": key, "output_s3_key_prefix": None, "skip_if_unchanged": True, **mode}
        for _ in range(2):
            run = run_dag(speaking(emulator, speak, **given))
            assert run.task("speak") == ("success", 1), run.output
            assert run.xcoms("speak")["OutputS3Uri"] == f"s3://{emulator.bucket}/{key}"
        assert len(calls) == 2
        assert emulator.counters.calls(START) == 1

    def test_hold_the_text_to_its_maximum(self, emulator: RunningEmulator, run_dag: Runner) -> None:
        def speak() -> str:
            return TEXT

        run = run_dag(speaking(emulator, speak, max_request_characters=len(TEXT) - 1))
        assert run.task("speak") == ("failed", 1)
        assert "max_request_characters is" in run.output
        assert emulator.counters.calls(START) == 0

    def test_are_overridden_and_come_from_default_args(
        self, emulator: RunningEmulator, run_dag: Runner
    ) -> None:
        defaults = {"output_s3_bucket_name": emulator.bucket, "text": "Not this.", "name": "Zoe"}
        with DAG(
            f"decorated_{time.time_ns()}",
            start_date=datetime(2025, 1, 1, tzinfo=UTC),
            schedule=None,
            default_args=defaults,
        ) as dag:

            @polly_task(voice_id="Amy", wait_for_completion=False)
            def speak(name: str) -> str:
                return f"Hello {name}"

            speak.override(task_id="other", voice_id="Brian")()
            speak(name="Al")
        run = run_dag(dag)
        assert run.state == "success", run.output
        assert run.xcoms("other")["return_value"]["VoiceId"] == "Brian"
        assert run.xcoms("other")["RequestCharacters"] == len("Hello Zoe")
        assert run.xcoms("speak")["return_value"]["VoiceId"] == "Amy"
        assert run.xcoms("speak")["RequestCharacters"] == len("Hello Al")

    def test_of_the_function_may_be_airflows_context(
        self, emulator: RunningEmulator, run_dag: Runner
    ) -> None:
        def speak(run_id: str | None = None, **context: Any) -> str:
            assert context["ti"].task_id == "speak"
            return str(run_id)

        run = run_dag(speaking(emulator, speak))
        assert run.task("speak") == ("success", 1), run.output
        assert run.xcoms("speak")["RequestCharacters"] == len(run.run_id)


class TestReturnedText:
    @pytest.mark.parametrize("returned", ["hello.txt", "{{ ds }}", "texts/alice.ssml"])
    def test_is_spoken_as_it_stands(self, emulator: RunningEmulator, run_dag: Runner, returned: str) -> None:
        def speak() -> str:
            return returned

        run = run_dag(speaking(emulator, speak))
        assert run.task("speak") == ("success", 1), run.output
        assert run.xcoms("speak")["RequestCharacters"] == len(returned)

    @pytest.mark.parametrize(
        ("returned", "word"),
        [
            (None, "not NoneType"),
            (b"secret", "not bytes"),
            (["secret"], "not list"),
            ("", "returned no text to speak (0 characters"),
            (" \n ", "returned no text to speak (3 characters"),
        ],
    )
    def test_of_another_kind_fails_without_retries_naming_the_function(
        self, emulator: RunningEmulator, run_dag: Runner, returned: Any, word: str
    ) -> None:
        def speak() -> Any:
            return returned

        run = run_dag(speaking(emulator, speak, retries=2))
        assert run.task("speak") == ("failed", 1), run.output
        assert word in run.output
        assert "The function 'speak' of @task.polly" in run.output
        assert "secret" not in run.output
        assert emulator.counters.calls(START) == 0

    def test_may_be_left_out_by_skipping(self, emulator: RunningEmulator, run_dag: Runner) -> None:
        from airflow.providers.common.compat.sdk import AirflowSkipException

        def speak() -> str:
            raise AirflowSkipException("Nothing is new today")

        run = run_dag(speaking(emulator, speak))
        assert run.task("speak") == ("skipped", 1), run.output
        assert emulator.counters.calls(START) == 0


class TestRetry:
    def test_calls_the_function_again_and_starts_afresh_for_another_text(
        self, emulator: RunningEmulator, run_dag: Runner
    ) -> None:
        texts = iter(["First.", "Second one."])

        def speak() -> str:
            return next(texts)

        emulator.faults.add(START, times=1, fail_task="An internal error")
        run = run_dag(speaking(emulator, speak, retries=1))
        assert run.task("speak") == ("success", 2), run.output
        assert run.xcoms("speak")["RequestCharacters"] == len("Second one.")
        assert emulator.counters.calls(START) == 2
