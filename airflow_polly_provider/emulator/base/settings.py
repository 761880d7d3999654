"""What can be chosen about an emulator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.emulator.base.quotas import Quotas


@dataclass(frozen=True, kw_only=True)
class Settings:
    """An emulator's settings.

    :param host: the address to bind; leave it on loopback unless you mean to let others in.
    :param port: the port; 0 for any free one.
    :param buckets: S3 buckets to create at the start.
    :param region: where those buckets are, and the region of requests that name none.
    :param scheduled_seconds: how long a synthesis task stays ``scheduled``.
    :param in_progress_seconds: how long it then stays ``inProgress`` at least; it also waits for its audio.
    :param list_delay_seconds: how much later than its start a synthesis task shows in lists.
    :param newest_first: the direction of lists, which Polly's documentation leaves open.
    :param audio: ``speech``, ``tone`` or ``none`` (tasks complete, but no object is written); None for speech
        where the ``speech`` extra is installed, and a tone where not.
    :param quotas: request quotas by name, as in :data:`~.quotas.AWS_QUOTAS`; none by default.
    :param state: a folder to keep tasks, objects and lexicons in; None for memory alone.
    """

    host: str = "127.0.0.1"
    port: int = 0
    buckets: tuple[str, ...] = ()
    region: str = "us-east-1"
    scheduled_seconds: float = 0.5
    in_progress_seconds: float = 1.0
    list_delay_seconds: float = 0.0
    newest_first: bool = False
    audio: Literal["speech", "tone", "none"] | None = None
    quotas: Quotas = field(default_factory=dict)
    state: Path | None = None
