"""Reads the XComs that the tasks of this package have pushed, with the configured XCom back-end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.models.xcom import XComModel
from airflow.sdk.bases.xcom import BaseXCom
from airflow.utils.session import create_session
from sqlalchemy.orm import lazyload

from airflow_polly_provider.compat import XCom
from airflow_polly_provider.results.aws_connection import AWS_CONNECTION_KEY
from airflow_polly_provider.results.delivery import ERROR_MESSAGE_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

log = logging.getLogger(__name__)

RETURN_VALUE = "return_value"
MAX_TASKS = 5_000
"""Maximum number of task instances of a run whose results are read."""

_OWN_KEYS = (
    AWS_CONNECTION_KEY,
    ERROR_MESSAGE_KEY,
    "Items",
    "ManifestS3Uri",
    "OutputS3Uri",
    "TaskId",
    "TaskStatus",
    "TaskStatusReason",
)
# One of these shows that a task is of this package. Tasks of other packages may push the other keys.
_MARKING_KEYS = frozenset({AWS_CONNECTION_KEY, ERROR_MESSAGE_KEY, "TaskStatus"})


class TaskInstanceId(NamedTuple):
    """A task instance of a run.

    :param map_index: -1 if the task is not mapped
    """

    task_id: str
    map_index: int


class TaskXComs(NamedTuple):
    """The XComs of a task instance.

    :param values: value by key, including ``return_value`` if the task has succeeded
    :param first_pushed: when the first of them was pushed
    :param is_unreadable: whether the XCom back-end could not read all of them
    """

    values: dict[str, Any]
    first_pushed: datetime
    is_unreadable: bool = False


def read_xcoms(
    dag_id: str, run_id: str, only: TaskInstanceId | None = None
) -> tuple[dict[TaskInstanceId, TaskXComs], bool]:
    """Return the XComs of the tasks of this package in a run, and whether the run has more than were read.

    Only the table of XComs is read.

    :param dag_id: id of the DAG
    :param run_id: id of the run
    :param only: the task instance to read; None for all of the run
    """
    found: dict[TaskInstanceId, list[XComModel]] = {}
    for row in _rows(dag_id, run_id, only, _OWN_KEYS):
        found.setdefault(TaskInstanceId(row.task_id, row.map_index), []).append(row)
    began = {
        instance: min(row.timestamp for row in rows)
        for instance, rows in found.items()
        if not _MARKING_KEYS.isdisjoint(row.key for row in rows)
    }
    read = sorted(began, key=lambda instance: (began[instance], instance))[:MAX_TASKS]
    # Values of other packages' tasks are not read. The back-end may fetch each of them from elsewhere.
    results: dict[TaskInstanceId, XComModel] = {}
    if read:
        for row in _rows(dag_id, run_id, only, (RETURN_VALUE,), sorted({each.task_id for each in read})):
            results[TaskInstanceId(row.task_id, row.map_index)] = row
    reader = _Reader()
    return {
        instance: reader.xcoms(
            [*found[instance], *([results[instance]] if instance in results else [])], began[instance]
        )
        for instance in read
    }, len(began) > MAX_TASKS


def _rows(
    dag_id: str,
    run_id: str,
    only: TaskInstanceId | None,
    keys: Sequence[str],
    task_ids: Sequence[str] | None = None,
) -> list[XComModel]:
    query = (
        XComModel.get_many(
            run_id=run_id,
            dag_ids=dag_id,
            task_ids=task_ids if only is None else only.task_id,
            map_indexes=None if only is None else only.map_index,
        )
        .where(XComModel.key.in_(keys))
        # Otherwise each row has a copy of the whole DAG run, with its conf.
        .options(lazyload(XComModel.dag_run))
    )
    with create_session(scoped=False) as session:
        rows: list[Any] = list(session.scalars(query))
        session.expunge_all()
    return rows


class _Reader:
    """Reads values with the XCom back-end. It logs only the first error: each page could have thousands."""

    def __init__(self) -> None:
        self._has_failed = False

    def xcoms(self, rows: Sequence[XComModel], first_pushed: datetime) -> TaskXComs:
        """Return the values of a task instance.

        :param rows: its rows
        :param first_pushed: when the first of them was pushed
        """
        values, is_unreadable = {}, False
        for row in rows:
            try:
                values[row.key] = _value(row)
            except Exception:  # a deployment's own XCom back-end can raise any error
                is_unreadable = True
                if not self._has_failed:
                    log.exception("Cannot read the XCom %s of %s and perhaps others", row.key, row.task_id)
                self._has_failed = True
        return TaskXComs(values, first_pushed, is_unreadable)


def _value(row: XComModel) -> Any:
    if XCom.deserialize_value is BaseXCom.deserialize_value:
        # The values are plain JSON. Airflow's back-end would also import the classes that a forged one names.
        return row.value
    return XCom.deserialize_value(row)
