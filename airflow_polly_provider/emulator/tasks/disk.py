"""The emulator's memory on disk, so that a killed and restarted one knows its tasks and their objects."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.text.lexicons import Lexicon
from airflow_polly_provider.emulator.text.pronunciation import Lexeme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_polly_provider.emulator.text.lexicons import LexiconShelf

_TABLES = """
CREATE TABLE IF NOT EXISTS tasks (
    task_id TEXT PRIMARY KEY, region TEXT, created REAL, details TEXT, request TEXT, lexemes TEXT, key TEXT,
    starts_at REAL, ends_at REAL, visible_at REAL, outcome TEXT, reason TEXT, ended INTEGER
);
CREATE TABLE IF NOT EXISTS lexicons (region TEXT, name TEXT, lexicon TEXT, PRIMARY KEY (region, name));
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, region TEXT);
"""


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
    """

    def __init__(self, folder: Path) -> None:
        self._objects = folder / "objects"
        self._objects.mkdir(parents=True, exist_ok=True)
        # The pool's threads never touch it, but a server may be built on one thread and run on another.
        self._database = sqlite3.connect(
            folder / "state.sqlite", isolation_level=None, check_same_thread=False
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_TABLES)

    def close(self) -> None:
        """Close the files."""
        self._database.close()

    def keep(self, task: KeptTask) -> None:
        """Keep a task that was started.

        :param task: the task.
        """
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

    def keep_bucket(self, name: str, region: str) -> None:
        """Keep that a bucket is there.

        :param name: its name.
        :param region: of the caller.
        """
        self._database.execute("INSERT OR IGNORE INTO buckets VALUES (?, ?)", (name, region))

    def buckets(self) -> list[tuple[str, str]]:
        """Give the kept buckets with their regions."""
        return self._database.execute("SELECT name, region FROM buckets").fetchall()

    def keep_object(self, task_id: str, path: Path) -> None:
        """Keep the object that a task wrote. For any thread.

        :param task_id: the task.
        :param path: its content.
        """
        unfinished = self._objects / f"{task_id}.part"
        shutil.copyfile(path, unfinished)
        os.replace(unfinished, self._objects / task_id)

    def note_outcome(self, task_id: str, outcome: str, reason: str | None) -> None:
        """Keep how a task's work went.

        :param task_id: the task.
        :param outcome: ``completed`` or ``failed``.
        :param reason: why it failed.
        """
        self._database.execute(
            "UPDATE tasks SET outcome = ?, reason = ? WHERE task_id = ?", (outcome, reason, task_id)
        )

    def note_end(self, task_id: str) -> None:
        """Keep that a task's end has been told.

        :param task_id: the task.
        """
        self._database.execute("UPDATE tasks SET ended = 1 WHERE task_id = ?", (task_id,))

    def forget(self, task_id: str) -> None:
        """Forget a task; its object stays, as it does in S3.

        :param task_id: the task.
        """
        self._database.execute("DELETE FROM tasks WHERE task_id = ?", (task_id,))

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
        self._database.execute("BEGIN")
        self._database.execute("DELETE FROM lexicons WHERE region = ?", (region,))
        self._database.executemany("INSERT INTO lexicons VALUES (?, ?, ?)", rows)
        self._database.execute("COMMIT")

    def lexicons(self) -> Iterator[tuple[str, Lexicon]]:
        """Give the kept lexicons with their regions."""
        for region, text in self._database.execute("SELECT region, lexicon FROM lexicons").fetchall():
            document = json.loads(text)
            lexemes = [Lexeme(**lexeme) for lexeme in document.pop("lexemes")]
            yield region, Lexicon(lexemes=lexemes, **document)

    def clear(self) -> None:
        """Forget everything but the objects."""
        self._database.execute("DELETE FROM tasks")
        self._database.execute("DELETE FROM lexicons")
