"""The state folder. It stores synthesis tasks, objects and lexicons, so that a restart can restore them."""

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
    """Another emulator uses the same state folder."""


@dataclass(frozen=True)
class KeptTask:
    """A stored synthesis task. All times are epoch seconds.

    :param task_id: Polly's TaskId.
    :param region: the region in which the task was started.
    :param created: the creation time.
    :param details: the members of its SynthesisTask that never change.
    :param request: the members of its StartSpeechSynthesisTask request.
    :param lexemes: the lexemes that its lexicons contained when it was started.
    :param key: the key of its S3 object.
    :param starts_at: the time at which the task becomes ``inProgress``.
    :param ends_at: the earliest time at which the task ends.
    :param visible_at: the time from which lists show the task.
    :param outcome: ``completed`` or ``failed``; None until its work is done.
    :param reason: the reason for a failure.
    :param ended: 1 if it has ended, else 0. After a restart, an ended task sends no second SNS notification.
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
    """Stores synthesis tasks, their objects, and lexicons in a folder.

    Writes are not flushed to the disk. They survive the end of the process, but not a power failure.

    :param folder: the state folder; created if it does not exist.
    :raises StateInUseError: if another emulator uses this folder.
    :raises OSError: if the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._objects = folder / "objects"
        self._objects.mkdir(parents=True, exist_ok=True)
        # Statements that could not be written yet, in their original order.
        self._pending: list[tuple[str, tuple[str | None, ...]]] = []
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
        """Close the files, and release the folder for other emulators."""
        with contextlib.suppress(sqlite3.Error):
            self._write_pending()
        self._database.close()
        self._lock.close()

    def announce(self, endpoint_url: str | None) -> None:
        """Write this emulator's URL and process id to the lock file. A second emulator shows them.

        :param endpoint_url: this emulator's URL; None while it is not listening.
        """
        place = f"at {endpoint_url} " if endpoint_url else ""
        # Ignore errors, so that the emulator can start even when the disk is full.
        with contextlib.suppress(OSError):
            self._lock.seek(0)
            self._lock.truncate()
            self._lock.write(f"the emulator {place}(process {os.getpid()})")
            self._lock.flush()

    def keep(self, task: KeptTask, *, bucket: str | None = None) -> None:
        """Store a started synthesis task.

        :param task: the synthesis task.
        :param bucket: the name of its bucket, if the bucket must be stored too; None if the bucket is already
            stored or does not exist.
        """
        self._write_pending()
        with self._transaction():
            self._insert(task)
            if bucket is not None:
                self._database.execute("INSERT OR IGNORE INTO buckets VALUES (?, ?)", (bucket, task.region))

    def _write(self, statement: str, values: tuple[str | None, ...]) -> sqlite3.Error | None:
        """Run a statement. If the statement fails, keep it for the next write, and return the error."""
        self._pending.append((statement, values))
        try:
            self._write_pending()
        except sqlite3.Error as error:
            log.exception(
                "Writing to the state folder failed; the emulator will try again with the next write"
            )
            return error
        return None

    def _write_pending(self) -> None:
        """Run the statements that have not been written yet."""
        while self._pending:
            self._database.execute(*self._pending[0])
            del self._pending[0]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            # After some errors, such as a full disk, SQLite has already rolled back the transaction.
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
        """Return the stored buckets with their regions."""
        return self._database.execute("SELECT name, region FROM buckets").fetchall()

    def keep_object(self, task_id: str, content: bytes) -> None:
        """Store the object that a synthesis task writes. Safe to call from any thread.

        :param task_id: Polly's TaskId.
        :param content: the object's content.
        """
        unfinished = self._objects / f"{task_id}{_UNFINISHED}"
        try:
            unfinished.write_bytes(content)
            os.replace(unfinished, self._objects / task_id)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def note_outcome(self, task_id: str, outcome: str, reason: str | None) -> tuple[str, str | None]:
        """Store the outcome of a synthesis task's work.

        :param task_id: Polly's TaskId.
        :param outcome: ``completed`` or ``failed``.
        :param reason: the reason for a failure.
        :return: the stored outcome and reason. If the outcome cannot be stored, the outcome is ``failed``.
        """
        error = self._write(_NOTE_OUTCOME, (outcome, reason, task_id))
        if error is not None and outcome == COMPLETED:
            outcome, reason = FAILED, f"The emulator could not write to its state folder: {error}"
            self._pending[-1] = (_NOTE_OUTCOME, (outcome, reason, task_id))
        return outcome, reason

    def note_end(self, task_id: str) -> None:
        """Store that a synthesis task has ended.

        :param task_id: Polly's TaskId.
        """
        self._write("UPDATE tasks SET ended = 1 WHERE task_id = ?", (task_id,))

    def forget(self, task_id: str) -> None:
        """Delete a synthesis task. The task's object remains, as in S3.

        :param task_id: Polly's TaskId.
        """
        self._write("DELETE FROM tasks WHERE task_id = ?", (task_id,))

    def tasks(self) -> Iterator[KeptTask]:
        """Yield the stored synthesis tasks in the order of creation."""
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
        """Return the path of the object that a synthesis task wrote; None if there is no object.

        :param task_id: Polly's TaskId.
        """
        path = self._objects / task_id
        return path if path.exists() else None

    def keep_lexicons(self, region: str, shelf: LexiconShelf) -> None:
        """Store the current lexicons of a region.

        :param region: the region.
        :param shelf: the region's lexicons.
        """
        rows = [(region, lexicon.name, json.dumps(asdict(lexicon))) for lexicon in shelf.lexicons.values()]
        with self._transaction():
            self._database.execute("DELETE FROM lexicons WHERE region = ?", (region,))
            self._database.executemany("INSERT INTO lexicons VALUES (?, ?, ?)", rows)

    def lexicons(self) -> Iterator[tuple[str, Lexicon]]:
        """Yield the stored lexicons with their regions."""
        for region, text in self._database.execute("SELECT region, lexicon FROM lexicons").fetchall():
            document = json.loads(text)
            lexemes = [Lexeme(**lexeme) for lexeme in document.pop("lexemes")]
            yield region, Lexicon(lexemes=lexemes, **document)

    def clear(self) -> None:
        """Delete all stored synthesis tasks and lexicons. Objects and buckets remain."""
        self._pending.clear()
        with self._transaction():
            self._database.execute("DELETE FROM tasks")
            self._database.execute("DELETE FROM lexicons")


def _opened(path: Path) -> sqlite3.Connection:
    # The pools' threads never use the database. But one thread may create a server, and another may run it.
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
    """Open and lock the folder's lock file. The operating system releases the lock when this process ends."""
    file = (folder / "emulator.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read() or "another emulator"
        file.close()
        raise StateInUseError(
            f"The state folder {folder} is in use by {holder}: stop that emulator, or use another folder"
        ) from error
    return file
