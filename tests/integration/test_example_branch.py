"""The example that continues without audio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.example_dags import FOLDER, dags_in

if TYPE_CHECKING:
    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

NAME = "example_polly_branch"
ENDS = ("publish", "check_bucket", "check_text")

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def dag(speaking_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> DAG:
    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", speaking_emulator.bucket)
    return dags_in(FOLDER / f"{NAME}.py")[NAME]


def test_run_with_audio_skips_the_fallbacks(dag: DAG, run_dag: RunDag) -> None:
    run = run_dag(dag)

    assert run.state == "success", run.output
    assert [run.task(task_id)[0] for task_id in ("headline", "story", "play")] == ["success"] * 3
    assert run.task("play_jingle")[0] == "skipped"
    assert [run.task(task_id)[0] for task_id in ENDS] == ["success", "skipped", "skipped"]


@pytest.mark.parametrize(
    ("conf", "chosen"),
    [({"bucket": "there-is-none"}, "check_bucket"), ({"voice_id": "Nobody"}, "check_text")],
    ids=["the synthesis task fails", "Polly refuses the request"],
)
def test_run_without_audio_takes_the_fallbacks_and_succeeds(
    dag: DAG, run_dag: RunDag, conf: dict[str, str], chosen: str
) -> None:
    run = run_dag(dag, conf=conf)

    assert run.state == "success", run.output
    assert [run.task(task_id)[0] for task_id in ("headline", "story")] == ["failed"] * 2
    assert run.task("play")[0] == "upstream_failed"
    assert [run.task(task_id)[0] for task_id in ("play_jingle", "played")] == ["success"] * 2
    assert {task_id for task_id in ENDS if run.task(task_id)[0] == "success"} == {chosen}
    assert {run.task(task_id)[0] for task_id in ENDS} == {"success", "skipped"}
