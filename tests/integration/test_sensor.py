"""The provider's sensor behaves in each mode as Airflow documents for every sensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import task
from airflow_polly_provider.emulator.testing import running_emulator
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor
from airflow_polly_provider.wait import errors
from tests.integration.dag_builder import GET, TEXT, new_dag, output_of
from tests.integration.dag_runs import assert_pushes_synthesis_task
from tests.integration.modes_support import COMMON_ARGUMENTS, MODES, REASON, TASK_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("short_waits")]
each_mode = pytest.mark.parametrize("mode", MODES["sensor"])
each_skip = pytest.mark.parametrize("skip", ["soft_fail", "never_fail"])


@pytest.fixture(scope="module")
def silent_emulator() -> Iterator[RunningEmulator]:
    with running_emulator(audio="none", scheduled_seconds=0.0, in_progress_seconds=0.2) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def polly(silent_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    """Return the emulator after a reset, as the connection ``aws_default``."""
    silent_emulator.reset()
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", silent_emulator.airflow_connection())
    return silent_emulator


def sensor_dag(mode: str, synthesis_task_id: str, **arguments: Any) -> DAG:
    with new_dag("sensing") as dag:
        PollySpeechSynthesisTaskSensor(
            synthesis_task_id=synthesis_task_id, **{**COMMON_ARGUMENTS, **MODES["sensor"][mode], **arguments}
        )
    return dag


def seed_failed(polly: RunningEmulator) -> str:
    (synthesis_task_id,) = polly.seed(status="failed", reason=REASON)
    return synthesis_task_id


def seed_endless(polly: RunningEmulator) -> str:
    (synthesis_task_id,) = polly.seed(status="inProgress")
    return synthesis_task_id


def seed_completing(polly: RunningEmulator) -> str:
    (synthesis_task_id,) = polly.seed(status="inProgress", ends_in_seconds=0.5)
    return synthesis_task_id


def reject_credentials(polly: RunningEmulator, times: int | None) -> None:
    polly.faults.add(GET, times=times, error="UnrecognizedClientException", status=403)


@each_skip
@each_mode
class TestSoftFailAndNeverFail:
    def test_skip_the_task_if_the_synthesis_task_failed(
        self, polly: RunningEmulator, run_dag: RunDag, mode: str, skip: str
    ) -> None:
        failed = seed_failed(polly)
        run = run_dag(sensor_dag(mode, failed, **{skip: True}))
        assert run.task(TASK_ID) == ("skipped", 1), run.output
        expected = {"TaskId": failed, "TaskStatus": "failed", "TaskStatusReason": REASON}
        assert run.xcoms(TASK_ID) == expected
        assert REASON in run.output

    def test_skip_the_task_at_the_timeout(
        self, polly: RunningEmulator, run_dag: RunDag, mode: str, skip: str
    ) -> None:
        run = run_dag(sensor_dag(mode, seed_endless(polly), timeout=0.5, **{skip: True}))
        assert run.task(TASK_ID) == ("skipped", 1), run.output

    def test_skip_the_task_after_an_error_that_a_retry_could_fix(
        self, polly: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, mode: str, skip: str
    ) -> None:
        monkeypatch.setattr(errors, "CREDENTIALS_GRACE_SECONDS", 0.0)
        reject_credentials(polly, times=None)
        run = run_dag(sensor_dag(mode, seed_completing(polly), **{skip: True}))
        assert run.task(TASK_ID) == ("skipped", 1), run.output


@each_mode
class TestSilentFail:
    def test_continues_after_an_error_that_a_retry_could_fix(
        self, polly: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        monkeypatch.setattr(errors, "CREDENTIALS_GRACE_SECONDS", 0.0)
        reject_credentials(polly, times=4)
        run = run_dag(sensor_dag(mode, seed_completing(polly), silent_fail=True))
        assert run.task(TASK_ID) == ("success", 1), run.output
        assert run.xcoms(TASK_ID)["TaskStatus"] == "completed"
        assert "AWS rejected the credentials" in run.output

    def test_still_ends_at_the_timeout(
        self, polly: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        monkeypatch.setattr(errors, "CREDENTIALS_GRACE_SECONDS", 0.0)
        reject_credentials(polly, times=None)
        run = run_dag(sensor_dag(mode, seed_completing(polly), silent_fail=True, timeout=0.5))
        assert run.task(TASK_ID) == ("failed", 1), run.output
        assert "AirflowSensorTimeout" in run.output

    def test_does_not_continue_after_a_denied_request(
        self, polly: RunningEmulator, run_dag: RunDag, mode: str
    ) -> None:
        polly.faults.deny(GET)
        run = run_dag(sensor_dag(mode, seed_completing(polly), silent_fail=True))
        assert run.task(TASK_ID) == ("failed", 1), run.output
        assert f"Allow polly:{GET}" in run.output


@each_mode
class TestRetries:
    def test_succeed_after_rejected_credentials(
        self, polly: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        monkeypatch.setattr(errors, "CREDENTIALS_GRACE_SECONDS", 0.0)
        reject_credentials(polly, times=1 if mode == "deferred" else 2)
        run = run_dag(sensor_dag(mode, seed_completing(polly)))
        assert run.task(TASK_ID) == ("success", 2), run.output
        assert run.xcoms(TASK_ID)["TaskStatus"] == "completed"

    def test_are_not_made_after_the_synthesis_task_failed(
        self, polly: RunningEmulator, run_dag: RunDag, mode: str
    ) -> None:
        run = run_dag(sensor_dag(mode, seed_failed(polly), retries=3))
        assert run.task(TASK_ID) == ("failed", 1), run.output
        assert polly.counters.calls(GET) == 1


class TestDefaultDeferrable:
    @pytest.mark.parametrize("configured", ["True", "False"])
    def test_comes_from_the_configuration(
        self, polly: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, configured: str
    ) -> None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", configured)
        run = run_dag(sensor_dag("poke", seed_completing(polly)))
        assert run.task(TASK_ID) == ("success", 1), run.output
        assert ("Deferring until" in run.output) == (configured == "True")

    def test_is_overridden_by_the_argument(
        self, polly: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
        run = run_dag(sensor_dag("poke", seed_completing(polly), deferrable=False))
        assert run.task(TASK_ID) == ("success", 1), run.output
        assert "Deferring until" not in run.output


@each_mode
class TestMappedSensor:
    def test_waits_for_each_synthesis_task_of_a_mapped_start(
        self, polly: RunningEmulator, run_dag: RunDag, mode: str
    ) -> None:
        texts = [TEXT, f"{TEXT} Twice."]
        with new_dag("mapped") as dag:
            start = PollyStartSpeechSynthesisTaskOperator.partial(
                task_id="start",
                voice_id="Amy",
                output_s3_bucket_name=polly.bucket,
                wait_for_completion=False,
            ).expand(text=texts)
            PollySpeechSynthesisTaskSensor.partial(**COMMON_ARGUMENTS, **MODES["sensor"][mode]).expand(
                synthesis_task_id=output_of(start)
            )
        run = run_dag(dag)
        assert run.state == "success", run.output
        for index, text in enumerate(texts):
            pushed = run.xcoms(TASK_ID, index)
            assert_pushes_synthesis_task(pushed, status="completed")
            assert pushed["TaskId"] == run.xcoms("start", index)["TaskId"]
            assert pushed["RequestCharacters"] == len(text)

    def test_fails_only_the_task_whose_synthesis_task_failed(
        self, polly: RunningEmulator, run_dag: RunDag, mode: str
    ) -> None:
        ids = [seed_completing(polly), seed_failed(polly)]
        with new_dag("mapped") as dag:

            @task
            def known() -> list[str]:
                return ids

            PollySpeechSynthesisTaskSensor.partial(**COMMON_ARGUMENTS, **MODES["sensor"][mode]).expand(
                synthesis_task_id=known()
            )
        run = run_dag(dag)
        assert [run.task(TASK_ID, index) for index in range(2)] == [("success", 1), ("failed", 1)], run.output
        assert run.xcoms(TASK_ID, 0)["TaskId"] == ids[0]


@each_mode
def test_pushes_no_xcoms_with_do_xcom_push_false(polly: RunningEmulator, run_dag: RunDag, mode: str) -> None:
    run = run_dag(sensor_dag(mode, seed_completing(polly), do_xcom_push=False))
    assert run.task(TASK_ID) == ("success", 1), run.output
    assert run.xcoms(TASK_ID) == {}
