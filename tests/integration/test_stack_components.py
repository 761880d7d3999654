"""The processes of a stack can be killed and restarted, and end with their caller."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from scripts.stack.component import Component
from scripts.stack.errors import ComponentDiedError

if TYPE_CHECKING:
    from pathlib import Path


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
    def test_kill_also_ends_a_grandchild_in_a_new_session(self, tmp_path: Path) -> None:
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

    def test_check_raises_an_error_with_the_log_of_a_process_that_ended_by_itself(
        self, tmp_path: Path
    ) -> None:
        running = component(tmp_path, "raise SystemExit('no database here')")
        running.start()
        assert running.wait(30) == 1

        with pytest.raises(ComponentDiedError, match=r"exit code 1(?s:.*)no database here"):
            running.check()

    def test_can_be_started_again_after_kill(self, tmp_path: Path) -> None:
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


def test_sigterm_to_the_caller_ends_all_components(tmp_path: Path) -> None:
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
