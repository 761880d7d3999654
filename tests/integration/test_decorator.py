"""``@task.polly`` in whole DAGs against the emulator, in each mode."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import AirflowSkipException, task
from airflow_polly_provider.decorators.polly import polly_task
from tests.integration.dag_builder import (
    NO_WAIT,
    START,
    TEXT,
    each_mode,
    each_waiting_mode,
    new_dag,
    start_arguments,
)
from tests.integration.dag_runs import assert_pushes_synthesis_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from airflow_polly_provider.results.synthesis_task import SynthesisTaskXCom
    from tests.integration.dag_runs import RunDag


def arguments(emulator: RunningEmulator, **changes: Any) -> dict[str, Any]:
    """Return arguments for ``@task.polly``: those of the start operator without ``text`` and ``task_id``."""
    given = start_arguments(emulator, **changes)
    del given["text"], given["task_id"]
    return given


def decorated_dag(emulator: RunningEmulator, function: Callable[..., Any], *args: Any, **given: Any) -> DAG:
    """Return a DAG with one decorated function; the task id is the function's name."""
    with new_dag("decorated") as dag:
        polly_task(**arguments(emulator, **given))(function)(*args)
    return dag


def test_airflow_provides_the_decorator_as_task_polly() -> None:
    assert task.polly is polly_task


class TestModes:
    @each_mode
    def test_speak_the_functions_result_and_call_the_function_once(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        calls: list[str] = []

        def speak(who: str) -> str:
            calls.append(who)
            return TEXT

        run = run_dag(decorated_dag(emulator, speak, "{{ dag.dag_id }}", **mode))
        assert run.task("speak") == ("success", 1), run.output
        assert calls == [run.dag_id]
        status = "scheduled" if mode is NO_WAIT else "completed"
        value = assert_pushes_synthesis_task(run.xcoms("speak"), status=status)
        assert value["RequestCharacters"] == len(TEXT)
        assert value["OutputS3Uri"].startswith(f"s3://{emulator.bucket}/audio/")
        assert "RequestDigest" in value
        assert emulator.counters.calls(START) == 1

    @each_mode
    def test_the_text_is_not_in_logs_xcoms_or_rendered_fields(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        def speak() -> str:
            return TEXT

        run = run_dag(decorated_dag(emulator, speak, **mode))
        assert run.task("speak") == ("success", 1), run.output
        assert TEXT not in run.output
        assert TEXT not in json.dumps(run.xcoms("speak"))
        assert run.is_stored(TEXT, "rendered_task_instance_fields") is False

    @each_mode
    def test_can_be_mapped_over_the_functions_arguments(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        with new_dag("decorated") as dag:

            @task
            def names() -> list[str]:
                return ["Al", "Beatrice"]

            @polly_task(**arguments(emulator, **mode))
            def greet(name: str, word: str) -> str:
                return f"{word} {name}"

            @task
            def gather(speeches: list[SynthesisTaskXCom]) -> list[int]:
                return [speech["RequestCharacters"] for speech in speeches]

            greetings: Any = greet.partial(word="Hello").expand(name=names())
            gather(greetings)
        run = run_dag(dag)
        assert run.state == "success", run.output
        assert run.xcoms("gather")["return_value"] == [len("Hello Al"), len("Hello Beatrice")]
        uris = {run.xcoms("greet", index)["OutputS3Uri"] for index in range(2)}
        assert len(uris) == 2

    @each_mode
    def test_later_tasks_use_the_whole_result_or_single_values(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        with new_dag("decorated") as dag:

            @polly_task(**arguments(emulator, **mode))
            def speak() -> str:
                return TEXT

            @task
            def later(whole: SynthesisTaskXCom, uri: str) -> bool:
                return whole["OutputS3Uri"] == uri

            speech: Any = speak()
            later(speech, speech["OutputS3Uri"])
        run = run_dag(dag)
        assert run.task("later") == ("success", 1), run.output
        assert run.xcoms("later")["return_value"] is True


class TestParameters:
    def test_of_the_operator_are_sent_to_polly(self, emulator: RunningEmulator, run_dag: RunDag) -> None:
        def marks() -> str:
            return f"<speak>{TEXT}</speak>"

        given = {
            "output_format": "json",
            "speech_mark_types": ["word", "ssml"],
            "text_type": "ssml",
            "output_s3_key_prefix": "{{ dag.dag_id }}/",
        }
        run = run_dag(decorated_dag(emulator, marks, **given))
        assert run.task("marks") == ("success", 1), run.output
        value = run.xcoms("marks")["return_value"]
        assert value["SpeechMarkTypes"] == ["word", "ssml"]
        assert f"/{run.dag_id}/" in value["OutputS3Uri"]

    @each_waiting_mode
    def test_output_s3_key_and_skip_if_unchanged_work(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        calls: list[str] = []

        def speak() -> str:
            calls.append(TEXT)
            return TEXT

        key = f"spoken-{uuid.uuid4()}.mp3"
        given = {"output_s3_key": key, "output_s3_key_prefix": None, "skip_if_unchanged": True, **mode}
        for _ in range(2):
            run = run_dag(decorated_dag(speaking_emulator, speak, **given))
            assert run.task("speak") == ("success", 1), run.output
            assert run.xcoms("speak")["OutputS3Uri"] == f"s3://{speaking_emulator.bucket}/{key}"
        assert len(calls) == 2
        assert speaking_emulator.counters.calls(START) == 1

    def test_limit_the_length_of_the_text(self, emulator: RunningEmulator, run_dag: RunDag) -> None:
        def speak() -> str:
            return TEXT

        run = run_dag(decorated_dag(emulator, speak, max_request_characters=len(TEXT) - 1))
        assert run.task("speak") == ("failed", 1)
        assert "max_request_characters is" in run.output
        assert emulator.counters.calls(START) == 0

    def test_are_overridden_by_override_and_default_args(
        self, emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        defaults = {"output_s3_bucket_name": emulator.bucket, "text": "Not this.", "name": "Zoe"}
        with new_dag("decorated", default_args=defaults) as dag:

            @polly_task(voice_id="Amy", wait_for_completion=False)
            def speak(name: str) -> str:
                return f"Hello {name}"

            # The argument comes from default_args, which the type checker does not know.
            other: Any = speak.override(task_id="other", voice_id="Brian")
            other()
            speak(name="Al")
        run = run_dag(dag)
        assert run.state == "success", run.output
        assert run.xcoms("other")["return_value"]["VoiceId"] == "Brian"
        assert run.xcoms("other")["RequestCharacters"] == len("Hello Zoe")
        assert run.xcoms("speak")["return_value"]["VoiceId"] == "Amy"
        assert run.xcoms("speak")["RequestCharacters"] == len("Hello Al")

    def test_of_the_function_can_be_values_of_airflows_context(
        self, emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        def speak(run_id: str | None = None, **context: Any) -> str:
            assert context["ti"].task_id == "speak"
            return str(run_id)

        run = run_dag(decorated_dag(emulator, speak))
        assert run.task("speak") == ("success", 1), run.output
        assert run.xcoms("speak")["RequestCharacters"] == len(run.run_id)


class TestReturnedText:
    @pytest.mark.parametrize("returned", ["hello.txt", "{{ ds }}", "texts/alice.ssml"])
    def test_is_spoken_unchanged(self, emulator: RunningEmulator, run_dag: RunDag, returned: str) -> None:
        def speak() -> str:
            return returned

        run = run_dag(decorated_dag(emulator, speak))
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
    def test_that_is_not_text_fails_without_retries_and_names_the_function(
        self, emulator: RunningEmulator, run_dag: RunDag, returned: Any, word: str
    ) -> None:
        def speak() -> Any:
            return returned

        run = run_dag(decorated_dag(emulator, speak, retries=2))
        assert run.task("speak") == ("failed", 1), run.output
        assert word in run.output
        assert "The function 'speak' of @task.polly" in run.output
        assert "secret" not in run.output
        assert emulator.counters.calls(START) == 0

    def test_is_not_required_if_the_function_skips_the_task(
        self, emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        def speak() -> str:
            raise AirflowSkipException("Nothing is new today")

        run = run_dag(decorated_dag(emulator, speak))
        assert run.task("speak") == ("skipped", 1), run.output
        assert emulator.counters.calls(START) == 0


class TestRetry:
    def test_calls_the_function_again_and_speaks_its_new_text(
        self, emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        texts = iter(["First.", "Second one."])

        def speak() -> str:
            return next(texts)

        emulator.faults.add(START, times=1, fail_task="An internal error")
        run = run_dag(decorated_dag(emulator, speak, retries=1))
        assert run.task("speak") == ("success", 2), run.output
        assert run.xcoms("speak")["RequestCharacters"] == len("Second one.")
        assert emulator.counters.calls(START) == 2
