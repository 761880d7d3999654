"""An Airflow process in a new session, with all its descendants."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from scripts.stack.errors import ComponentDiedError, StackError, StackTimeoutError


class Component:
    """A command that can be started, killed with its descendants, and started again.

    :param name: name of the component in messages
    :param command: program and its arguments
    :param environment: all environment variables of the process
    :param log: file that the output is appended to
    :param folder: working directory of the process; None for the caller's working directory
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self.started_at = datetime.now(UTC)
        self._folder = folder
        self._log_began = 0
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False

    def start(self) -> None:
        """Start the process; it must not be running."""
        if self.members():
            raise StackError(f"The {self.name} is already running.")
        self.started_at = datetime.now(UTC)
        with self.log.open("ab") as output:
            self._log_began = output.tell()
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wanted = True

    def wait(self, timeout: float) -> int:
        """Wait until the process ends by itself, and return its exit code.

        :raises StackTimeoutError: after ``timeout`` seconds
        """
        if self._process is None:
            raise StackError(f"The {self.name} was never started.")
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise StackTimeoutError(
                f"The {self.name} did not end within {timeout:g} s. The end of {self.log}:\n{self.tail()}"
            ) from None

    def check(self) -> None:
        """Raise ComponentDiedError if the process has ended although ``kill`` was not called."""
        if self._wanted and self._process is not None and self._process.poll() is not None:
            raise ComponentDiedError(
                f"The {self.name} ended with exit code {self._process.returncode}. The end of {self.log}:\n"
                f"{self.tail()}"
            )

    def process(self) -> psutil.Process:
        """Return the main process that the last start created."""
        if self._process is None:
            raise StackError(f"The {self.name} was never started.")
        return psutil.Process(self._process.pid)

    def members(self) -> list[psutil.Process]:
        """Return the running processes of the component: its session, and descendants in other sessions."""
        if self._process is None:
            return []
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == self._process.pid:
                    found[process.pid] = process
                    found.update((child.pid, child) for child in process.children(recursive=True))
            except (ProcessLookupError, PermissionError, psutil.Error):
                continue
        return [process for process in found.values() if _is_alive(process)]

    def kill(self, signal_number: int = signal.SIGKILL, *, whole: bool = True, timeout: float = 30) -> None:
        """Send a signal and wait until all processes of the component have ended.

        :param signal_number: signal to send
        :param whole: whether to send the signal to all processes of the component, as if its machine failed,
            or only to the main process
        :param timeout: seconds after which the remaining processes receive SIGKILL
        """
        self._wanted = False
        if self._process is None:
            return
        deadline = time.monotonic() + timeout
        # The parent of a process in another session may end first. After that, only this list contains it.
        remaining = self.members()
        _send([p for p in remaining if whole or p.pid == self._process.pid], signal_number)
        while remaining:
            if (signal_number == signal.SIGKILL and whole) or time.monotonic() > deadline:
                _send(remaining, signal.SIGKILL)
            time.sleep(0.02)
            self._process.poll()
            remaining = [p for p in {*remaining, *self.members()} if _is_alive(p)]
        self._process.wait()

    def output(self) -> str:
        """Return the output of the process since its last start."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(self._log_began)
            return file.read().decode(errors="replace")

    def tail(self, lines: int = 40) -> str:
        """Return the last lines of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _send(processes: Sequence[psutil.Process], signal_number: int) -> None:
    for process in processes:
        try:
            process.send_signal(signal_number)
        except psutil.NoSuchProcess:
            continue
