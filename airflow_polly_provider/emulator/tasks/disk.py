"""The emulator's memory on disk, so that a killed and restarted one knows its tasks and their objects."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import sqlite3
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.tasks.store import COMPLETED, FAILED
from airflow_polly_provider.emulator.text.lexicons import Lexicon
from airflow_polly_provider.emulator.text.pronunciation import Lexeme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from airflow_polly_provider.emulator.text.lexicons import LexiconShelf

log = logging.getLogger(__name__)

_TABLES = """
CREATE TABLE IF NOT EXISTS tasks (
    task_id TEXT PRIMARY KEY, region TEXT, created REAL, details TEXT, request TEXT, lexemes TEXT, key TEXT,
    starts_at REAL, ends_at REAL, visible_at REAL, outcome TEXT, reason TEXT, ended INTEGER
);
CREATE TABLE IF NOT EXISTS lexicons (region TEXT, name TEXT, lexicon TEXT, PRIMARY KEY (region, name));
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, region TEXT);
"""


_NOTE_OUTCOME = "UPDATE tasks SET outcome = ?, reason = ? WHERE task_id = ?"
_UNFINISHED = ".part"


class StateInUseError(OSError):
    """Another emulator keeps its state in the same folder."""


@dataclass(frozen=True)
class KeptTask:
    """A synthesis task as it is kept.

    :param task_id: Polly's TaskId.
    :param region: where it was started.
    :param created: when, epoch seconds.
    :param details: the members of its SynthesisTask that never change.
    :param request: StartSpeechSynthesisTask's members.
    :param lexemes: what its lexicons said when it was started.
    :param key: of its object.
    :param starts_at: when it turns inProgress.
    :param ends_at: when it ends at the earliest.
    :param visible_at: from when on lists show it.
    :param outcome: ``completed`` or ``failed`` once its work is done.
    :param reason: why it failed.
    :param ended: 1 when its end has been told.
    """

    task_id: str
    region: str
    created: float
    details: dict[str, Any]
    request: dict[str, Any]
    lexemes: list[Lexeme]
    key: str
    starts_at: float
    ends_at: float
    visible_at: float
    outcome: str | None = None
    reason: str | None = None
    ended: int = 0


class DiskState:
    """Keeps tasks, their objects and lexicons in a folder.

    Writes go to the operating system and no further: they outlive the process, not a power cut.

    :param folder: made if it is not there.
    :raises StateInUseError: where another emulator keeps its own in this folder.
    """

    def __init__(self, folder: Path) -> None:
        self._objects = folder / "objects"
        self._objects.mkdir(parents=True, exist_ok=True)
        self._owed: list[tuple[str, tuple[str | None, ...]]] = []
        self._lock = _locked(folder)
        self.announce(None)
        for unfinished in self._objects.glob(f"*{_UNFINISHED}"):
            unfinished.unlink()
        try:
            self._database = _opened(folder / "state.sqlite")
        except sqlite3.Error as error:
            self._lock.close()
            raise OSError(f"The state folder {folder} cannot be used: {error}") from error

    def close(self) -> None:
        """Close the files, and leave the folder to others."""
        with contextlib.suppress(sqlite3.Error):
            self._settle()
        self._database.close()
        self._lock.close()

    def announce(self, endpoint_url: str | None) -> None:
        """Tell others who keeps its state here.

        :param endpoint_url: where this emulator listens; None while it does not.
        """
        place = f"at {endpoint_url} " if endpoint_url else ""
        # A full disk is no reason not to start.
        with contextlib.suppress(OSError):
            self._lock.seek(0)
            self._lock.truncate()
            self._lock.write(f"the emulator {place}(process {os.getpid()})")
            self._lock.flush()

    def keep(self, task: KeptTask, *, bucket: str | None = None) -> None:
        """Keep a task that was started.

        :param task: the task.
        :param bucket: its bucket, where that is to be kept too.
        """
        self._settle()
        with self._transaction():
            self._insert(task)
            if bucket is not None:
                self._database.execute("INSERT OR IGNORE INTO buckets VALUES (?, ?)", (bucket, task.region))

    def _write(self, statement: str, values: tuple[str | None, ...]) -> sqlite3.Error | None:
        """Write now or, where that fails, before the next write that succeeds; give the error."""
        self._owed.append((statement, values))
        try:
            self._settle()
        except sqlite3.Error as error:
            log.exception("The state folder cannot be written to")
            return error
        return None

    def _settle(self) -> None:
        """Write what could not be written before."""
        while self._owed:
            self._database.execute(*self._owed[0])
            del self._owed[0]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors, such as that of a full disk.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _insert(self, task: KeptTask) -> None:
        self._database.execute(
            "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, 0)",
            (
                task.task_id,
                task.region,
                task.created,
                json.dumps(task.details),
                json.dumps(task.request),
                json.dumps([asdict(lexeme) for lexeme in task.lexemes]),
                task.key,
                task.starts_at,
                task.ends_at,
                task.visible_at,
            ),
        )

    def buckets(self) -> list[tuple[str, str]]:
        """Give the kept buckets with their regions."""
        return self._database.execute("SELECT name, region FROM buckets").fetchall()

    def keep_object(self, task_id: str, content: bytes) -> None:
        """Keep the object that a task writes. For any thread.

        :param task_id: the task.
        :param content: its content.
        """
        unfinished = self._objects / f"{task_id}{_UNFINISHED}"
        try:
            unfinished.write_bytes(content)
            os.replace(unfinished, self._objects / task_id)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def note_outcome(self, task_id: str, outcome: str, reason: str | None) -> tuple[str, str | None]:
        """Keep how a task's work went.

        :param task_id: the task.
        :param outcome: ``completed`` or ``failed``.
        :param reason: why it failed.
        :return: outcome and reason as they are kept: a task whose outcome cannot be written has failed.
        """
        error = self._write(_NOTE_OUTCOME, (outcome, reason, task_id))
        if error is not None and outcome == COMPLETED:
            outcome, reason = FAILED, f"The emulator could not write to its state folder: {error}"
            self._owed[-1] = (_NOTE_OUTCOME, (outcome, reason, task_id))
        return outcome, reason

    def note_end(self, task_id: str) -> None:
        """Keep that a task's end has been told.

        :param task_id: the task.
        """
        self._write("UPDATE tasks SET ended = 1 WHERE task_id = ?", (task_id,))

    def forget(self, task_id: str) -> None:
        """Forget a task; its object stays, as it does in S3.

        :param task_id: the task.
        """
        self._write("DELETE FROM tasks WHERE task_id = ?", (task_id,))

    def tasks(self) -> Iterator[KeptTask]:
        """Give the kept tasks in the order of their creation."""
        for row in self._database.execute("SELECT * FROM tasks ORDER BY created, rowid").fetchall():
            task_id, region, created, details, request, lexemes, *others = row
            yield KeptTask(
                task_id,
                region,
                created,
                json.loads(details),
                json.loads(request),
                [Lexeme(**lexeme) for lexeme in json.loads(lexemes)],
                *others,
            )

    def object_of(self, task_id: str) -> Path | None:
        """Find the object that a task wrote.

        :param task_id: the task.
        """
        path = self._objects / task_id
        return path if path.exists() else None

    def keep_lexicons(self, region: str, shelf: LexiconShelf) -> None:
        """Keep a region's lexicons as they now are.

        :param region: the region.
        :param shelf: its lexicons.
        """
        rows = [(region, lexicon.name, json.dumps(asdict(lexicon))) for lexicon in shelf.lexicons.values()]
        with self._transaction():
            self._database.execute("DELETE FROM lexicons WHERE region = ?", (region,))
            self._database.executemany("INSERT INTO lexicons VALUES (?, ?, ?)", rows)

    def lexicons(self) -> Iterator[tuple[str, Lexicon]]:
        """Give the kept lexicons with their regions."""
        for region, text in self._database.execute("SELECT region, lexicon FROM lexicons").fetchall():
            document = json.loads(text)
            lexemes = [Lexeme(**lexeme) for lexeme in document.pop("lexemes")]
            yield region, Lexicon(lexemes=lexemes, **document)

    def clear(self) -> None:
        """Forget everything but the objects."""
        self._owed.clear()
        with self._transaction():
            self._database.execute("DELETE FROM tasks")
            self._database.execute("DELETE FROM lexicons")


def _opened(path: Path) -> sqlite3.Connection:
    # The pool's threads never touch it, but a server may be built on one thread and run on another.
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")
        database.executescript(_TABLES)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _locked(folder: Path) -> TextIO:
    """Open the folder's lock file and hold its lock, which the operating system ends with this process."""
    file = (folder / "emulator.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read() or "another emulator"
        file.close()
        raise StateInUseError(
            f"The state folder {folder} is in use by {holder}: stop that one, or give this one another folder"
        ) from error
    return file
