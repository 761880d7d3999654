"""DAGs with render_template_as_native_obj=True. Their templates render to ints, tuples and other types."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import task
from airflow_polly_provider.operators.lexicon import PollyDeleteLexiconOperator, PollyPutLexiconOperator
from airflow_polly_provider.operators.polly import (
    PollyStartSpeechSynthesisTaskOperator,
    PollySynthesizeSpeechOperator,
)
from tests.integration.dag_builder import IN_WORKER, NO_WAIT, START, new_dag, start_arguments

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

SPEAK = "SynthesizeSpeech"
YEAR = "{{ '2024' }}"
THOUSAND = "{{ '1,000' }}"
LEXICON = (
    '<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" '
    'xml:lang="en-GB"><lexeme><grapheme>a</grapheme><alias>b</alias></lexeme></lexicon>'
)

pytestmark = pytest.mark.usefixtures("short_waits")


def native_dag() -> DAG:
    return new_dag("native", render_template_as_native_obj=True)


def speech(task_id: str, **given: Any) -> None:
    arguments: dict[str, Any] = {"text": "Hello", "voice_id": "Amy", "retries": 2} | given
    PollySynthesizeSpeechOperator(task_id=task_id, **arguments)


@pytest.mark.parametrize("written", ["2024_01", "000", "0x10", "+49", "(5)"])
def test_an_integer_written_in_another_form_keeps_its_written_form(
    emulator: RunningEmulator, run_dag: RunDag, written: str
) -> None:
    """Jinja renders 2024_01 to the integer 202401, which would give a different key."""
    template = f"{{{{ '{written}' }}}}"
    with native_dag() as dag:
        speech("key", text=template, output_s3_bucket_name=emulator.bucket, output_s3_key=template)
    run = run_dag(dag)
    assert run.task("key") == ("success", 1), run.output
    assert run.xcoms("key")["RequestCharacters"] == len(written)
    assert run.xcoms("key")["OutputS3Uri"] == f"s3://{emulator.bucket}/{written}"


class TestIntegerOfTheStartOperator:
    def test_is_accepted_as_text_and_key_prefix(self, emulator: RunningEmulator, run_dag: RunDag) -> None:
        with native_dag() as dag:
            arguments = start_arguments(emulator, text=YEAR, output_s3_key_prefix=YEAR, **NO_WAIT)
            PollyStartSpeechSynthesisTaskOperator(**arguments)
        run = run_dag(dag)
        assert run.task("start") == ("success", 1), run.output
        assert run.xcoms("start")["RequestCharacters"] == len("2024")
        assert f"/{emulator.bucket}/2024-" in run.xcoms("start")["OutputUri"]

    def test_is_accepted_as_output_s3_key(self, speaking_emulator: RunningEmulator, run_dag: RunDag) -> None:
        with native_dag() as dag:
            arguments = start_arguments(speaking_emulator, output_s3_key=YEAR, **IN_WORKER)
            PollyStartSpeechSynthesisTaskOperator(**arguments)
        run = run_dag(dag)
        assert run.task("start") == ("success", 1), run.output
        assert run.xcoms("start")["OutputS3Uri"] == f"s3://{speaking_emulator.bucket}/2024"


def test_the_synthesize_operator_accepts_an_integer_as_text_key_and_path(
    emulator: RunningEmulator, run_dag: RunDag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with native_dag() as dag:
        speech("key", text=YEAR, output_s3_bucket_name=emulator.bucket, output_s3_key=YEAR)
        speech("path", output_path=YEAR)
    run = run_dag(dag)
    assert run.state == "success", run.output
    assert run.xcoms("key")["RequestCharacters"] == len("2024")
    assert run.xcoms("key")["OutputS3Uri"] == f"s3://{emulator.bucket}/2024"
    assert run.xcoms("path")["OutputUri"] == "2024"
    assert os.listdir(tmp_path) == ["2024"]


def test_an_integer_is_accepted_as_a_lexicons_name(emulator: RunningEmulator, run_dag: RunDag) -> None:
    with native_dag() as dag:
        put = PollyPutLexiconOperator(task_id="put", name=YEAR, content=LEXICON)
        lexicons: list[str] = [YEAR]
        start = PollyStartSpeechSynthesisTaskOperator(
            **start_arguments(emulator, lexicon_names=lexicons, **IN_WORKER)
        )
        delete = PollyDeleteLexiconOperator(task_id="delete", name=YEAR)
        put >> start >> delete
    run = run_dag(dag)
    assert run.state == "success", run.output
    assert run.xcoms("delete")["return_value"] == {"Name": "2024", "Deleted": True}


def test_a_value_of_another_type_is_refused_before_any_request_without_being_quoted(
    emulator: RunningEmulator, run_dag: RunDag, tmp_path: Path
) -> None:
    secret = "{{ '\"secret\",000' }}"

    def start(task_id: str, **changes: Any) -> None:
        given: dict[str, Any] = {"task_id": task_id, "retries": 2} | changes
        PollyStartSpeechSynthesisTaskOperator(**start_arguments(emulator, **given))

    with native_dag() as dag:
        start("text", text=secret)
        start("truth", text="{{ 'True' }}")
        start("prefix", output_s3_key_prefix=THOUSAND)
        start("key", output_s3_key=THOUSAND)
        start("voice", voice_id="{{ '1.5' }}")
        speech("speech_text", text=secret, output_path=str(tmp_path / "a.mp3"))
        speech("speech_key", output_s3_bucket_name=emulator.bucket, output_s3_key=THOUSAND)
        speech("speech_path", output_path=THOUSAND)
        PollyPutLexiconOperator(task_id="lexicon", name=THOUSAND, content=LEXICON, retries=2)
        PollyPutLexiconOperator(task_id="content", name="a", content=THOUSAND, retries=2)
        PollyPutLexiconOperator(task_id="content_path", name="a", content_path=THOUSAND, retries=2)
    run = run_dag(dag)

    assert {name: run.task(name) for name in dag.task_dict} == dict.fromkeys(dag.task_dict, ("failed", 1))
    assert emulator.counters.calls(START) == emulator.counters.calls(SPEAK) == 0
    for parameter in ("text", "output_s3_key_prefix", "output_s3_key", "output_path", "name", "content"):
        assert f"{parameter} must be a string, not tuple. With render_template_as" in run.output
    assert "content_path must be a string, not tuple" in run.output
    assert "voice_id must be a string, not float. With render_template_as" in run.output
    assert "text must be a string, not bool" in run.output
    assert "secret" not in run.output
    assert os.listdir(tmp_path) == []


def test_an_xcom_passed_without_a_template_stays_a_string(emulator: RunningEmulator, run_dag: RunDag) -> None:
    with native_dag() as dag:

        @task
        def before() -> str:
            return "1,000"

        text: Any = before()
        PollyStartSpeechSynthesisTaskOperator(**start_arguments(emulator, text=text, **NO_WAIT))
    run = run_dag(dag)
    assert run.task("start") == ("success", 1), run.output
    assert run.xcoms("start")["RequestCharacters"] == len("1,000")
