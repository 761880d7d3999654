"""Faults of components that all runs share: triggerer, scheduler, metadata database and emulator."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import sqlalchemy

from scripts.stack.errors import ComponentDiedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.faults.catalogue import Fault
    from benchmarks.faults.lane import Lane
    from scripts.stack.airflow import AirflowStack

_DROPS = 3
_BETWEEN_DROPS_SECONDS = 3.0


def strike(fault: Fault, stack: AirflowStack, lanes: Sequence[Lane]) -> None:
    """Cause a fault's event, and restart the killed component.

    :param fault: fault with an event
    :param stack: Airflow stack
    :param lanes: lanes in which a run is in progress
    """
    if fault.event in ("triggerer", "scheduler"):
        stack.kill(fault.event)
        for lane in lanes:
            lane.hide_connection(fault.look_ups_fail)
        stack.start(fault.event)
    elif fault.event == "emulator":
        for lane in lanes:
            lane.gate.shut()
            lane.restart()
            lane.gate.open()
    elif fault.event == "database":
        _drop_connections(stack.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])


def _drop_connections(database_url: str) -> None:
    engine = sqlalchemy.create_engine(database_url, poolclass=sqlalchemy.pool.NullPool)
    statement = sqlalchemy.text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for _ in range(_DROPS):
        with engine.connect() as connection:
            print(f"dropped {connection.execute(statement).scalar()} database connections", flush=True)
        time.sleep(_BETWEEN_DROPS_SECONDS)
    engine.dispose()


def start_what_died(stack: AirflowStack) -> None:
    """Restart components that ended because of an event, as a service manager does."""
    for name, component in stack.components.items():
        try:
            component.check()
        except ComponentDiedError:
            print(f"the {name} ended; restarting it", flush=True)
            stack.kill(name)
            stack.start(name)
