"""What Airflow promises of every sensor, of ours in each of its modes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import task

from airflow_polly_provider import waiting
from airflow_polly_provider.emulator.testing import running_emulator
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor
from airflow_polly_provider.synthesis_task import OWN_XCOM_KEYS
from tests.integration.modes_support import GET, MODES, QUICK, REASON, TASK_ID, TEXT, be_impatient, new_dag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.providers.common.compat.sdk import DAG

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.modes_support import Runner

pytestmark = pytest.mark.timeout(300)
each_mode = pytest.mark.parametrize("mode", MODES["sensor"])
each_skip = pytest.mark.parametrize("skip", ["soft_fail", "never_fail"])


@pytest.fixture(scope="module")
def mute_emulator() -> Iterator[RunningEmulator]:
    with running_emulator(audio="none", scheduled_seconds=0.0, in_progress_seconds=0.2) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def polly(mute_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    """The emulator, fresh, as the connection ``aws_default``."""
    mute_emulator.reset()
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", mute_emulator.airflow_connection())
    be_impatient(monkeypatch)
    return mute_emulator


def sensor_dag(mode: str, synthesis_task_id: str, **arguments: Any) -> DAG:
    with new_dag("sensing") as dag:
        PollySpeechSynthesisTaskSensor(
            synthesis_task_id=synthesis_task_id, **{**QUICK, **MODES["sensor"][mode], **arguments}
        )
    return dag


def failed(polly: RunningEmulator) -> str:
    (synthesis_task_id,) = polly.seed(status="failed", reason=REASON)
    return synthesis_task_id


def endless(polly: RunningEmulator) -> str:
    (synthesis_task_id,) = polly.seed(status="inProgress")
    return synthesis_task_id


def completing(polly: RunningEmulator) -> str:
    (synthesis_task_id,) = polly.seed(status="inProgress", ends_in_seconds=0.5)
    return synthesis_task_id


def refuse_credentials(polly: RunningEmulator, times: int | None) -> None:
    polly.faults.add(GET, times=times, error="UnrecognizedClientException", status=403)


@each_skip
@each_mode
class TestSkipping:
    def test_a_failed_synthesis_task(
        self, polly: RunningEmulator, run_dag: Runner, mode: str, skip: str
    ) -> None:
        run = run_dag(sensor_dag(mode, failed(polly), **{skip: True}))
        assert run.task(TASK_ID) == ("skipped", 1), run.output
        assert run.xcoms(TASK_ID) == {}
        assert REASON in run.output

    def test_a_time_out(self, polly: RunningEmulator, run_dag: Runner, mode: str, skip: str) -> None:
        run = run_dag(sensor_dag(mode, endless(polly), timeout=0.5, **{skip: True}))
        assert run.task(TASK_ID) == ("skipped", 1), run.output

    def test_an_error_that_a_retry_might_mend(
        self, polly: RunningEmulator, run_dag: Runner, monkeypatch: pytest.MonkeyPatch, mode: str, skip: str
    ) -> None:
        monkeypatch.setattr(waiting, "CREDENTIALS_GRACE_SECONDS", 0.0)
        refuse_credentials(polly, times=None)
        run = run_dag(sensor_dag(mode, completing(polly), **{skip: True}))
        assert run.task(TASK_ID) == ("skipped", 1), run.output


@each_mode
class TestSilentFail:
    def test_goes_on_after_an_error_that_a_retry_may_mend(
        self, polly: RunningEmulator, run_dag: Runner, monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        monkeypatch.setattr(waiting, "CREDENTIALS_GRACE_SECONDS", 0.0)
        refuse_credentials(polly, times=4)
        run = run_dag(sensor_dag(mode, completing(polly), silent_fail=True))
        assert run.task(TASK_ID) == ("success", 1), run.output
        assert run.xcoms(TASK_ID)["TaskStatus"] == "completed"
        assert "AWS refused the credentials" in run.output

    def test_ends_at_the_timeout_all_the_same(
        self, polly: RunningEmulator, run_dag: Runner, monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        monkeypatch.setattr(waiting, "CREDENTIALS_GRACE_SECONDS", 0.0)
        refuse_credentials(polly, times=None)
        run = run_dag(sensor_dag(mode, completing(polly), silent_fail=True, timeout=0.5))
        assert run.task(TASK_ID) == ("failed", 1), run.output
        assert "AirflowSensorTimeout" in run.output

    def test_does_not_go_on_after_one_that_is_final(
        self, polly: RunningEmulator, run_dag: Runner, mode: str
    ) -> None:
        polly.faults.deny(GET)
        run = run_dag(sensor_dag(mode, completing(polly), silent_fail=True))
        assert run.task(TASK_ID) == ("failed", 1), run.output
        assert f"Allow polly:{GET}" in run.output


@each_mode
class TestRetries:
    def test_mend_what_they_can(
        self, polly: RunningEmulator, run_dag: Runner, monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        monkeypatch.setattr(waiting, "CREDENTIALS_GRACE_SECONDS", 0.0)
        refuse_credentials(polly, times=1 if mode == "deferred" else 2)
        run = run_dag(sensor_dag(mode, completing(polly)))
        assert run.task(TASK_ID) == ("success", 2), run.output
        assert run.xcoms(TASK_ID)["TaskStatus"] == "completed"

    def test_are_not_spent_on_a_synthesis_task_that_failed(
        self, polly: RunningEmulator, run_dag: Runner, mode: str
    ) -> None:
        run = run_dag(sensor_dag(mode, failed(polly), retries=3))
        assert run.task(TASK_ID) == ("failed", 1), run.output
        assert polly.counters.calls(GET) == 1


class TestDefaultDeferrable:
    @pytest.mark.parametrize("configured", ["True", "False"])
    def test_comes_from_the_configuration(
        self, polly: RunningEmulator, run_dag: Runner, monkeypatch: pytest.MonkeyPatch, configured: str
    ) -> None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", configured)
        run = run_dag(sensor_dag("poke", completing(polly)))
        assert run.task(TASK_ID) == ("success", 1), run.output
        assert ("Deferring until" in run.output) == (configured == "True")

    def test_gives_way_to_what_is_said(
        self, polly: RunningEmulator, run_dag: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
        run = run_dag(sensor_dag("poke", completing(polly), deferrable=False))
        assert run.task(TASK_ID) == ("success", 1), run.output
        assert "Deferring until" not in run.output


@each_mode
class TestMapped:
    def test_gates_every_synthesis_task_that_a_mapped_start_began(
        self, polly: RunningEmulator, run_dag: Runner, mode: str
    ) -> None:
        texts = [TEXT, f"{TEXT} Twice."]
        with new_dag("mapped") as dag:
            start = PollyStartSpeechSynthesisTaskOperator.partial(
                task_id="start",
                voice_id="Amy",
                output_s3_bucket_name=polly.bucket,
                wait_for_completion=False,
            ).expand(text=texts)
            PollySpeechSynthesisTaskSensor.partial(**QUICK, **MODES["sensor"][mode]).expand(
                synthesis_task_id=start.output
            )
        run = run_dag(dag)
        assert run.state == "success", run.output
        for index, text in enumerate(texts):
            pushed = run.xcoms(TASK_ID, index)
            assert set(pushed) == {*OWN_XCOM_KEYS, "return_value"}
            assert pushed["TaskStatus"] == "completed"
            assert pushed["TaskId"] == run.xcoms("start", index)["TaskId"]
            assert pushed["RequestCharacters"] == len(text)

    def test_takes_task_ids_and_fails_for_the_failed_one_alone(
        self, polly: RunningEmulator, run_dag: Runner, mode: str
    ) -> None:
        ids = [completing(polly), failed(polly)]
        with new_dag("mapped") as dag:

            @task
            def known() -> list[str]:
                return ids

            PollySpeechSynthesisTaskSensor.partial(**QUICK, **MODES["sensor"][mode]).expand(
                synthesis_task_id=known()
            )
        run = run_dag(dag)
        assert [run.task(TASK_ID, index) for index in range(2)] == [("success", 1), ("failed", 1)], run.output
        assert run.xcoms(TASK_ID, 0)["TaskId"] == ids[0]


@each_mode
def test_pushes_nothing_where_told(polly: RunningEmulator, run_dag: Runner, mode: str) -> None:
    run = run_dag(sensor_dag(mode, completing(polly), do_xcom_push=False))
    assert run.task(TASK_ID) == ("success", 1), run.output
    assert run.xcoms(TASK_ID) == {}
