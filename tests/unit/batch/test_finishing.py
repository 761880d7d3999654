"""Copies of completed objects and their durations, in threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.batch.finishing import THREADS, Finisher, is_ready_to_finish
from airflow_polly_provider.exceptions import PollyOutputObjectError
from tests.unit.batch.engine import S3_PARAMETERS, own_threads, s3_access
from tests.unit.batch.records import delivered, record, started, task_id
from tests.unit.support import synthesis_task

if TYPE_CHECKING:
    from tests.unit.support import Wire


class Placement:
    """Moves an object to another key, or fails."""

    def __init__(self, error: Exception | None = None, gate: threading.Event | None = None) -> None:
        self.error, self.gate = error, gate

    def put(self, task: dict[str, Any]) -> dict[str, Any]:
        if self.gate is not None:
            self.gate.wait(5)
        if self.error is not None:
            raise self.error
        return {**task, "OutputUri": "https://s3.eu-west-1.amazonaws.com/bucket/final.mp3"}


def finisher(placements: dict[str, Any]) -> Finisher:
    return Finisher(lambda record: placements.get(record.id), s3_access(), S3_PARAMETERS)


def drain(one: Finisher) -> None:
    while one.is_busy:
        one.collect(1.0)


def test_copies_and_reads_the_duration(wire: Wire) -> None:
    placed, plain = started(0, "completed"), started(1, "completed", reason="of an earlier try")
    with finisher({placed.id: Placement()}) as one:
        for each in (placed, plain):
            one.submit(each, synthesis_task(str(each.task_id)))
        drain(one)
    assert str(placed.output_uri).endswith("/final.mp3")
    assert str(plain.output_uri).endswith(f"{plain.task_id}.mp3")
    assert (placed.seconds, plain.seconds) == (3.0, 3.0)
    assert placed.finished
    assert plain.finished
    assert plain.reason is None
    assert own_threads() == []


def test_an_object_in_place_is_not_copied(wire: Wire) -> None:
    one_record = started(0, "completed")
    with finisher({one_record.id: Placement(AssertionError())}) as one:
        one.submit(one_record, synthesis_task(task_id(0)), is_in_place=True)
        drain(one)
    assert one_record.finished


def test_an_error_fails_only_its_item(wire: Wire) -> None:
    bad, good = started(0, "completed"), started(1, "completed")
    with finisher({bad.id: Placement(PollyOutputObjectError("x" * 600)), good.id: Placement()}) as one:
        one.submit(bad, synthesis_task(task_id(0)))
        one.submit(good, synthesis_task(task_id(1)))
        drain(one)
    assert (bad.finished, bad.status, bad.reason) == (False, "completed", "x" * 500)
    assert is_ready_to_finish(bad), "the next try finishes it"
    assert good.finished


def test_what_was_copied_before_an_error_is_recorded(wire: Wire) -> None:
    gate = threading.Event()
    records = [started(number, "completed") for number in range(THREADS + 4)]
    placements = {each.id: Placement(gate=gate) for each in records}

    def fail_meanwhile() -> None:
        with finisher(placements) as one:
            for each in records:
                one.submit(each, synthesis_task(str(each.task_id)))
            threading.Timer(0.1, gate.set).start()
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        fail_meanwhile()
    assert sum(each.finished for each in records) == THREADS
    assert own_threads() == []


def test_only_completed_items_without_their_object_are_ready() -> None:
    assert is_ready_to_finish(started(0, "completed"))
    assert not any(map(is_ready_to_finish, [delivered(0), started(0), started(0, "failed"), record(0)]))
