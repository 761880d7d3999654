"""The basic example on a real Airflow of the installed version, and what the stack's runner promises."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from scripts.stack.component import Component
from scripts.stack.errors import ComponentDiedError
from tests.integration.stack_support import BUCKET, EXAMPLE_DAGS, polly_stack
from tests.integration.statsd_listener import listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.stack.metadata import TaskInstance
    from tests.integration.stack_support import PollyStack
    from tests.integration.statsd_listener import StatsdListener

DAG_ID = "example_polly_basic"
# As tasks have them; Airflow 3.3 itself can fail one that is resumed early: apache/airflow#72716.
RETRIES = {"AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "2", "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1"}
TEXT = (EXAMPLE_DAGS / "texts" / "alice.txt").read_text().removesuffix("\n")

stack_test = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def metrics() -> Iterator[StatsdListener]:
    with listening() as listener:
        yield listener


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, metrics: StatsdListener) -> Iterator[PollyStack]:
    with polly_stack(tmp_path_factory.mktemp("stack"), env=metrics.airflow_settings | RETRIES) as running:
        yield running


class TestBasicExample:
    pytestmark = stack_test

    def test_waits_in_the_triggerer_and_hands_the_result_to_a_later_task(self, stack: PollyStack) -> None:
        airflow = stack.airflow
        states: list[tuple[str, str | None]] = []

        def note(task: TaskInstance) -> None:
            states.append((task.task_id, task.state))

        run_id = airflow.trigger(DAG_ID)
        state = airflow.wait_for_run(DAG_ID, run_id, on_change=note)

        assert state == "success", airflow.task_log(DAG_ID, run_id, "start")
        assert ("start", "deferred") in states
        assert "fired" in airflow.trigger_log(DAG_ID, run_id, "start")
        pushed = airflow.xcoms(DAG_ID, run_id, "start")
        assert pushed["TaskStatus"] == "completed"
        assert pushed["RequestCharacters"] == len(TEXT)
        assert pushed["OutputS3Uri"].startswith(f"s3://{BUCKET}/audio/alice")
        assert pushed["TaskId"] in pushed["OutputUri"]
        assert pushed["OutputS3Uri"] in airflow.task_log(DAG_ID, run_id, "report")

    def test_tells_airflows_metrics_from_worker_and_triggerer(
        self, stack: PollyStack, metrics: StatsdListener
    ) -> None:
        airflow = stack.airflow
        metrics.heard.clear()
        run_id = airflow.trigger(DAG_ID)
        state = airflow.wait_for_run(DAG_ID, run_id)
        assert state == "success", airflow.task_log(DAG_ID, run_id, "start")

        # The worker that starts the synthesis task, and the triggerer that waits for it.
        assert metrics.of("polly.request_characters") == [
            f"airflow.polly.request_characters,engine=standard,voice_id=Amy:{len(TEXT)}|c"
        ]
        assert metrics.of("polly.status_requests")

    def test_outlives_the_death_of_the_triggerer(self, stack: PollyStack) -> None:
        airflow = stack.airflow
        run_id = airflow.trigger(DAG_ID)
        airflow.wait_for_task(DAG_ID, run_id, "start", "deferred")

        airflow.kill("triggerer", signal.SIGKILL)
        assert airflow.components["triggerer"].members() == []
        airflow.start("triggerer")

        assert airflow.wait_for_run(DAG_ID, run_id) == "success"
        assert airflow.xcoms(DAG_ID, run_id, "start")["TaskStatus"] == "completed"


class TestDecoratedExample:
    pytestmark = stack_test

    def test_calls_each_function_once_and_keeps_its_text_to_itself(self, stack: PollyStack) -> None:
        airflow, dag_id = stack.airflow, "example_polly_decorator"
        run_id = airflow.trigger(dag_id)
        state = airflow.wait_for_run(dag_id, run_id, timeout=240)

        assert state == "success", airflow.task_log(dag_id, run_id, "bulletin")
        for task_id, map_index in (
            ("bulletin", -1),
            ("announce", 0),
            ("announce", 1),
            ("announce_loudly", -1),
        ):
            log = airflow.task_log(dag_id, run_id, task_id, map_index)
            assert log.count("Request digest") == 1, "a resumed task must not call the function again"
            pushed = airflow.xcoms(dag_id, run_id, task_id, map_index)
            assert pushed["TaskStatus"] == "completed"
            told = log + str(pushed) + airflow.trigger_log(dag_id, run_id, task_id, map_index)
            assert "The news of" not in told
            assert "Platform " not in told
        assert "fired" in airflow.trigger_log(dag_id, run_id, "bulletin")
        spoken = airflow.xcoms(dag_id, run_id, "bulletin")["OutputS3Uri"]
        assert spoken in airflow.xcoms(dag_id, run_id, "report")["return_value"]


class TestSpeakingAtOnceAndSsml:
    pytestmark = stack_test

    def test_a_worker_finds_the_macros_in_a_template_file(self, stack: PollyStack) -> None:
        airflow, dag_id = stack.airflow, "example_polly_ssml"
        run_id = airflow.trigger(dag_id)
        state = airflow.wait_for_run(dag_id, run_id, timeout=240)

        assert state == "success", airflow.task_log(dag_id, run_id, "board")
        pushed = airflow.xcoms(dag_id, run_id, "board")
        assert pushed["return_value"]["TextType"] == "ssml"
        assert pushed["TaskStatus"] == "completed"
        assert airflow.xcoms(dag_id, run_id, "call")["RequestCharacters"] > 0

    def test_a_worker_speaks_at_once(self, stack: PollyStack) -> None:
        airflow, dag_id = stack.airflow, "example_polly_synthesize"
        run_id = airflow.trigger(dag_id)
        state = airflow.wait_for_run(dag_id, run_id, timeout=240)

        assert state == "success", airflow.task_log(dag_id, run_id, "announce")
        assert airflow.xcoms(dag_id, run_id, "announce")["ContentType"] == "audio/mpeg"


def component(tmp_path: Path, program: str) -> Component:
    return Component("program", [sys.executable, "-c", program], os.environ, tmp_path / "program.log")


def wait_for_line(path: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text()).endswith("\n"):
            return text.strip()
        time.sleep(0.05)
    raise TimeoutError(path)


class TestComponent:
    def test_killing_it_kills_a_grandchild_in_a_session_of_its_own(self, tmp_path: Path) -> None:
        program = (
            "import subprocess, sys, time\n"
            "sleep = [sys.executable, '-c', 'import time; time.sleep(300)']\n"
            "print(subprocess.Popen(sleep, start_new_session=True).pid, flush=True)\n"
            "time.sleep(300)\n"
        )
        running = component(tmp_path, program)
        running.start()
        grandchild = int(wait_for_line(running.log))

        running.kill()

        assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie"

    def test_one_that_ends_by_itself_is_reported_with_the_end_of_its_log(self, tmp_path: Path) -> None:
        running = component(tmp_path, "raise SystemExit('no database here')")
        running.start()
        assert running.wait(30) == 1

        with pytest.raises(ComponentDiedError, match=r"exit code 1(?s:.*)no database here"):
            running.check()

    def test_it_starts_again_after_being_killed(self, tmp_path: Path) -> None:
        running = component(tmp_path, "import time; print('up', flush=True); time.sleep(300)")
        running.start()
        wait_for_line(running.log)
        running.kill()
        running.check()

        running.start()
        try:
            assert len(running.members()) == 1
        finally:
            running.kill()


def test_sigterm_to_the_caller_takes_everything_down(tmp_path: Path) -> None:
    program = (
        "import contextlib, os, sys, time\n"
        "from pathlib import Path\n"
        "from scripts.stack.component import Component\n"
        "from scripts.stack.signals import terminable\n"
        "sleep = [sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True); time.sleep(300)']\n"
        f"child = Component('child', sleep, os.environ, Path({str(tmp_path)!r}) / 'child.log')\n"
        "with terminable(), contextlib.ExitStack() as cleanup:\n"
        "    cleanup.callback(child.kill)\n"
        "    child.start()\n"
        "    time.sleep(300)\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    child = int(wait_for_line(tmp_path / "child.log"))

    caller.terminate()

    assert caller.wait(30) != 0
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"
