"""Creation of Airflow's metadata database. With SQLite, later stacks get a copy of the first database."""

import atexit
import functools
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from scripts.stack.component import Component
from scripts.stack.errors import StackError

_URL = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_SQLITE = "sqlite:///"


def migrate(environment: Mapping[str, str], home: Path, timeout: float) -> None:
    """Create the tables of an empty database.

    With SQLite, the first stack of this process keeps a copy of its new database for later stacks. All
    stacks have the same tables, so later stacks need not run ``airflow db migrate``.

    :param environment: environment variables of Airflow's processes
    :param home: folder of the stack, for the log
    :param timeout: maximum duration in seconds
    :raises StackError: if ``airflow db migrate`` fails
    """
    url = environment[_URL]
    database = Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None
    if database is None or database.exists():
        _run(environment, home, timeout)
        return
    template = _template_folder() / "airflow.db"
    if template.exists():
        shutil.copy(template, database)
        return
    _run(environment, home, timeout)
    with closing(sqlite3.connect(database)) as migrated, closing(sqlite3.connect(template)) as copy:
        migrated.backup(copy)


@functools.cache
def _template_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="airflow-stack-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _run(environment: Mapping[str, str], home: Path, timeout: float) -> None:
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    migration = Component("migration", command, environment, home / "migrate.log")
    migration.start()
    try:
        if code := migration.wait(timeout):
            raise StackError(f"airflow db migrate ended with exit code {code}:\n{migration.tail()}")
    finally:
        migration.kill()
