"""Seeds: any number of synthesis tasks with any time and status, without audio. Quotas do not apply."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.base.clock import LONGEST_SECONDS
from airflow_polly_provider.emulator.tasks.output import output_key
from airflow_polly_provider.emulator.tasks.store import (
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    SCHEDULED,
    SynthesisTask,
)

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.base.clock import Clock
    from airflow_polly_provider.emulator.tasks.store import TaskStore


@dataclass(kw_only=True)
class Seed:
    """A group of synthesis tasks with the same properties.

    :param count: the number of synthesis tasks.
    :param status: their current status.
    :param age_seconds: the age of the newest task.
    :param spacing_seconds: the time between the creation of two consecutive tasks.
    :param starts_in_seconds: the time from now until the scheduled tasks become ``inProgress``; None to keep
        them ``scheduled`` until ``ends_in_seconds``.
    :param ends_in_seconds: the time from now until the unfinished tasks end; None if they never end.
    :param ends_as: the status in which they end: ``completed`` or ``failed``.
    :param reason: the TaskStatusReason of failed tasks.
    :param bucket: the bucket in their OutputUri.
    :param prefix: the key prefix in their OutputUri.
    :param members: other members of Polly's SynthesisTask, such as ``{"VoiceId": "Amy"}``.
    :raises ValueError: if a value is not valid.
    :raises TypeError: if ``members`` is not a dict.
    """

    count: int = 1
    status: str = COMPLETED
    age_seconds: float = 0.0
    spacing_seconds: float = 0.0
    starts_in_seconds: float | None = None
    ends_in_seconds: float | None = None
    ends_as: str = COMPLETED
    reason: str | None = None
    bucket: str = "seeded"
    prefix: str | None = None
    members: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status not in (SCHEDULED, IN_PROGRESS, COMPLETED, FAILED):
            raise ValueError(
                f"status must be scheduled, inProgress, completed or failed, not {self.status!r}"
            )
        if self.ends_as not in (COMPLETED, FAILED):
            raise ValueError(f"ends_as must be completed or failed, not {self.ends_as!r}")
        if type(self.count) is not int or self.count < 0:
            raise ValueError(f"count must be a whole number of at least 0, not {self.count!r}")
        for name in ("age_seconds", "spacing_seconds", "starts_in_seconds", "ends_in_seconds"):
            seconds = getattr(self, name)
            if seconds is not None and not 0 <= seconds <= LONGEST_SECONDS:
                raise ValueError(f"{name} must be a number of seconds from 0 to a century, not {seconds}")
        if not isinstance(self.members, dict):
            raise TypeError(f"members must be a dict of members of SynthesisTask, not {self.members!r}")


def plant(seed: Seed, store: TaskStore, clock: Clock, region: str) -> list[str]:
    """Add a seed's synthesis tasks to a store.

    :param seed: the seed.
    :param store: the task store of the region.
    :param clock: the source of timestamps.
    :param region: the region, for the OutputUri.
    :return: the TaskIds, oldest first.
    """
    now = clock.time()
    task_ids: list[str] = []
    for index in range(seed.count):
        task_id = str(uuid.uuid4())
        output_format = seed.members.get("OutputFormat", "mp3")
        key = output_key(seed.prefix, task_id, output_format)
        details = {
            "OutputFormat": output_format,
            "OutputUri": f"https://s3.{region}.amazonaws.com/{seed.bucket}/{key}",
            "RequestCharacters": 100,
            "TextType": "text",
            "VoiceId": "Joanna",
            **seed.members,
        }
        created = now - seed.age_seconds - (seed.count - 1 - index) * seed.spacing_seconds
        task = SynthesisTask(task_id, store.new_key(created), details)
        task.status = seed.status
        task.reason = seed.reason
        store.add(
            task,
            starts_at=None if seed.starts_in_seconds is None else now + seed.starts_in_seconds,
            ends_at=None if seed.ends_in_seconds is None else now + seed.ends_in_seconds,
        )
        store.report(task, seed.ends_as, seed.reason)
        task_ids.append(task_id)
    return task_ids
