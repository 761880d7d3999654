"""Dry runs in whole DAGs against the emulator, whose counters show that nothing was billed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import Asset, task
from airflow_polly_provider.operators.polly import (
    PollyStartSpeechSynthesisTaskOperator,
    PollySynthesizeSpeechOperator,
)
from tests.integration.asset_runs import activate, events_of
from tests.integration.aws_clients import client_of
from tests.integration.dag_builder import DEFERRED, START, TEXT, new_dag, output_of, start_arguments
from tests.integration.example_dags import FOLDER, dags_in

if TYPE_CHECKING:
    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun, RunDag

PRICES = "AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS"
SPEAK = "SynthesizeSpeech"
KEY = "site/alice.mp3"

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def polly(speaking_emulator: RunningEmulator) -> RunningEmulator:
    """Return the emulator with an empty bucket and without tasks of earlier tests."""
    speaking_emulator.reset()
    return speaking_emulator


def billed(polly: RunningEmulator) -> int:
    """Return the characters that the emulator has billed, and check that SynthesizeSpeech was not called."""
    with client_of(polly, "polly") as client:
        tasks = client.list_speech_synthesis_tasks()["SynthesisTasks"]
    assert polly.counters.calls(SPEAK) == 0
    return sum(each["RequestCharacters"] for each in tasks)


def keys(polly: RunningEmulator) -> list[str]:
    with client_of(polly, "s3") as s3:
        return [each["Key"] for each in s3.list_objects_v2(Bucket=polly.bucket).get("Contents", [])]


def kept_dag(polly: RunningEmulator, **changes: Any) -> DAG:
    """Return a DAG whose start operator has an ``output_s3_key``, and whose param decides about a dry run."""
    given = {"output_s3_key": KEY, "skip_if_unchanged": True, "dry_run": "{{ params.dry_run }}"} | DEFERRED
    with new_dag("keep", params={"dry_run": False}) as dag:
        PollyStartSpeechSynthesisTaskOperator(**start_arguments(polly, **given | changes))
    return dag


def report_of(run: FinishedRun, task_id: str = "start", map_index: int = -1) -> dict[str, Any]:
    assert run.task(task_id, map_index) == ("success", 1), run.output
    report: dict[str, Any] = run.xcoms(task_id, map_index)["return_value"]
    return report


class TestStartOperator:
    def test_bills_and_writes_nothing_and_causes_no_asset_event(
        self, polly: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(PRICES, '{"neural": 12.5}')
        dag = kept_dag(polly, engine="neural", dry_run=True, outlets=[Asset(uri="s3://audio/alice")])
        activate(dag)
        run = run_dag(dag)
        assert report_of(run) == {
            "DryRun": True,
            "Engine": "neural",
            "VoiceId": "Amy",
            "OutputFormat": "mp3",
            "RequestCharacters": len(TEXT),
            "SpokenCharacters": len(TEXT),
            "EstimatedCost": 0.000275,
            "Unchanged": False,
        }
        assert set(run.xcoms("start")) == {
            "return_value",
            "RequestCharacters",
            "SpokenCharacters",
            "EstimatedCost",
        }
        assert (billed(polly), keys(polly), polly.counters.calls(START)) == (0, [], 0)
        assert events_of(dag.dag_id) == []
        assert "Dry run: Polly would bill 22 characters" in run.output
        assert "estimated cost 0.000275" in run.output

    def test_real_run_after_a_dry_run_of_the_same_dag_bills_once_and_causes_an_asset_event(
        self, polly: RunningEmulator, run_dag: RunDag
    ) -> None:
        dag = kept_dag(polly, outlets=[Asset(uri="s3://audio/alice")])
        activate(dag)
        assert report_of(run_dag(dag, {"dry_run": True}))["DryRun"] is True
        assert "DryRun" not in report_of(run_dag(dag, {"dry_run": False}))
        assert (billed(polly), keys(polly)) == (len(TEXT), [KEY])
        assert len(events_of(dag.dag_id)) == 1

    def test_reports_an_unchanged_object_and_leaves_it_as_it_is(
        self, polly: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(PRICES, '{"standard": 4}')
        dag = kept_dag(polly)
        spoken = report_of(run_dag(dag))
        assert spoken["EstimatedCost"] == 0.000088
        report = report_of(run_dag(dag, {"dry_run": True}))
        assert report == {
            "DryRun": True,
            "Engine": "standard",
            "VoiceId": "Amy",
            "OutputFormat": "mp3",
            "RequestCharacters": 0,
            "SpokenCharacters": len(TEXT),
            "EstimatedCost": 0.0,
            "Unchanged": True,
            "OutputUri": spoken["OutputUri"],
            "OutputS3Uri": spoken["OutputS3Uri"],
        }
        assert (billed(polly), keys(polly)) == (len(TEXT), [KEY])

    def test_param_with_another_value_fails_before_any_request(
        self, polly: RunningEmulator, run_dag: RunDag
    ) -> None:
        run = run_dag(kept_dag(polly, retries=2), {"dry_run": "maybe"})
        assert run.task("start") == ("failed", 1), run.output
        assert "dry_run rendered to 'maybe'" in run.output
        assert polly.counters.calls(START) == 0

    @pytest.mark.parametrize("native", [True, False])
    def test_param_works_with_native_rendering_and_from_default_args(
        self, polly: RunningEmulator, run_dag: RunDag, native: bool
    ) -> None:
        with new_dag(
            "defaults",
            params={"dry_run": True},
            default_args={"dry_run": "{{ params.dry_run }}"},
            render_template_as_native_obj=native,
        ) as dag:
            PollyStartSpeechSynthesisTaskOperator(**start_arguments(polly))
        assert report_of(run_dag(dag))["DryRun"] is True
        assert billed(polly) == 0

    def test_decorated_function_is_called_and_its_text_is_not_spoken(
        self, polly: RunningEmulator, run_dag: RunDag
    ) -> None:
        with new_dag("decorated") as dag:
            given: Any = {"voice_id": "Amy", "output_s3_bucket_name": polly.bucket, "dry_run": True}

            @task.polly(**given)  # type: ignore[untyped-decorator]  # Airflow's stub declares no @task.polly
            def speak() -> str:
                return "Hello"

            speak()
        assert report_of(run_dag(dag), "speak")["RequestCharacters"] == 5
        assert billed(polly) == 0


class TestMapped:
    @pytest.mark.parametrize("dry_run", [True, "{{ params.dry_run }}"])
    def test_task_reports_each_text_and_a_later_task_adds_up(
        self, polly: RunningEmulator, run_dag: RunDag, dry_run: bool | str
    ) -> None:
        common = start_arguments(polly, dry_run=dry_run, outlets=[Asset(uri="s3://audio/mapped")])
        del common["text"]
        with new_dag("mapped", params={"dry_run": True}) as dag:

            @task
            def texts() -> list[str]:
                return ["One.", "Fifteen."]

            @task
            def total(reports: list[dict[str, Any]]) -> int:
                return sum(report["RequestCharacters"] for report in reports)

            start = PollyStartSpeechSynthesisTaskOperator.partial(**common).expand(text=texts())
            total(output_of(start))
        activate(dag)
        run = run_dag(dag)
        assert [report_of(run, map_index=index)["RequestCharacters"] for index in (0, 1)] == [4, 8]
        assert run.xcoms("total")["return_value"] == 12
        assert billed(polly) == 0
        assert events_of(dag.dag_id) == []

    def test_task_can_mix_dry_and_real_runs(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        common = start_arguments(polly)
        with new_dag("mixed") as dag:
            PollyStartSpeechSynthesisTaskOperator.partial(**common).expand(dry_run=[True, False])
        run = run_dag(dag)
        assert ["DryRun" in report_of(run, map_index=index) for index in (0, 1)] == [True, False]
        assert billed(polly) == len(TEXT)

    @pytest.mark.parametrize(("price", "spoken"), [("4", 65), ("400000", 0)])
    def test_example_speaks_only_within_the_budget(
        self,
        polly: RunningEmulator,
        run_dag: RunDag,
        monkeypatch: pytest.MonkeyPatch,
        price: str,
        spoken: int,
    ) -> None:
        monkeypatch.setenv(PRICES, f'{{"standard": {price}}}')
        monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", polly.bucket)
        path = FOLDER / "example_polly_estimate.py"
        run = run_dag(dags_in(path)[path.stem])
        assert run.state == "success", run.output
        assert billed(polly) == spoken, run.output


class TestSynthesizeOperator:
    @pytest.mark.parametrize("to_file", [True, False])
    def test_bills_and_writes_nothing(
        self, polly: RunningEmulator, run_dag: RunDag, tmp_path: Any, to_file: bool
    ) -> None:
        path = tmp_path / "folder" / "a.mp3"
        to_s3: dict[str, Any] = {"output_s3_bucket_name": polly.bucket, "output_s3_key": KEY}
        destination = {"output_path": f"file://{path}"} if to_file else to_s3
        with new_dag("speaking") as dag:
            PollySynthesizeSpeechOperator(
                task_id="start",
                text=TEXT,
                voice_id="Amy",
                dry_run=True,
                outlets=[Asset(uri="s3://audio/short")],
                **destination,
            )
        activate(dag)
        report = report_of(run_dag(dag))
        assert (report["DryRun"], report["RequestCharacters"]) == (True, len(TEXT))
        assert (billed(polly), keys(polly), path.parent.exists()) == (0, [], False)
        assert events_of(dag.dag_id) == []

    def test_has_the_cost_in_its_result_and_its_log(
        self, polly: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(PRICES, '{"neural": 12.5}')
        with new_dag("speaking") as dag:
            PollySynthesizeSpeechOperator(
                task_id="start",
                text=TEXT,
                voice_id="Amy",
                engine="neural",
                output_s3_bucket_name=polly.bucket,
                output_s3_key=KEY,
            )
        run = run_dag(dag)
        assert report_of(run)["EstimatedCost"] == run.xcoms("start")["EstimatedCost"] == 0.000275
        assert "s of audio, estimated cost 0.000275" in run.output


def test_serialized_dag_keeps_the_template(polly: RunningEmulator) -> None:
    """The scheduler and the UI read the serialized DAG."""
    module: Any = import_module("airflow.serialization.serialized_objects")
    serialized = getattr(module, "DagSerialization", None) or module.SerializedDAG  # before Airflow 3.2
    dag = serialized.from_dict(serialized.to_dict(kept_dag(polly)))
    assert dag.get_task("start").only_estimate == "{{ params.dry_run }}"
