"""Each task has one synthesis task despite a fault: the fault table's main cases on a real Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.faults.catalogue import (
    BATCH,
    BATCH_IN_WORKER,
    BATCH_NAMED,
    BATCHES,
    DEFERRABLE,
    IN_WORKER,
    MAPPED,
    NAMED,
    NAMED_IN_WORKER,
    NOT_WAITING,
    SHARED_FAULTS,
    SINGLE_FAULTS,
)
from benchmarks.faults.table import running_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.faults.table import Table

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

FAULTS = {fault.name: fault for fault in (*SINGLE_FAULTS, *SHARED_FAULTS)}
MAPPED_OVER = 3
BATCH_OF = 12
SINGLE = [
    ("answer lost after the request was processed", MAPPED),
    ("SIGKILL of the worker after the call, before the id is saved", DEFERRABLE),
    ("SIGKILL of the worker while it waits", IN_WORKER),
    ("500 after the request was processed", NOT_WAITING),
    ("SIGKILL of the worker before the copy", NAMED_IN_WORKER),
    ("SIGKILL of the worker between the copy and the removal", NAMED),
    ("SIGKILL of the worker between the removal and the XComs", NAMED_IN_WORKER),
    ("answer lost, and List denied", IN_WORKER),
    ("running task cleared while it waits", IN_WORKER),
    ("SIGKILL of the worker after the call, task state store unavailable", NOT_WAITING),
    ("connection not found at the first look-up", DEFERRABLE),
    ("a proxy's page instead of the answer", MAPPED),
    ("SIGKILL of the worker after the call, before the id is saved", BATCH),
    ("SIGKILL of the worker after all starts, before the manifest is saved", BATCH_IN_WORKER),
    ("SIGKILL of the worker between the copy and the removal", BATCH_NAMED),
]
# Only one mode: Airflow 2.11 on SQLite runs one task at a time, and every task must be running when the
# scheduler is killed.
SHARED = ("SIGKILL of the scheduler and all workers after the call, before the id is saved", DEFERRABLE)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    folder = tmp_path_factory.mktemp("faults")
    with running_table(folder, lanes=3, parallelism=5, mapped_over=MAPPED_OVER, batch_of=BATCH_OF) as running:
        running.single([(FAULTS[name], mode) for name, mode in SINGLE])
        running.shared(FAULTS[SHARED[0]], [SHARED[1]])
        yield running


@pytest.mark.parametrize(("name", "mode"), [*SINGLE, SHARED])
def test_one_fault_leaves_one_synthesis_task_and_its_uri_downstream(
    table: Table, name: str, mode: str
) -> None:
    assert (name, mode) not in table.errors, repr(table.errors[name, mode])
    result = table.results[name, mode]

    tasks = MAPPED_OVER if mode == MAPPED else 1
    texts = BATCH_OF if mode in BATCHES else tasks
    assert (result.synthesis_tasks, result.most_for_one_task) == (texts, 1), result
    assert result.billed_characters > 0
    if FAULTS[name].fails:
        assert (result.state, result.tries) == ("failed", 1), result
    else:
        assert result.state == "success", result
        assert result.right_output_uris, result
