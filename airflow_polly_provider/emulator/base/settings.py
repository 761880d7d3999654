"""The settings of an emulator."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from airflow_polly_provider.emulator.base.bucket_names import is_bucket_name
from airflow_polly_provider.emulator.base.quotas import validate_quotas

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.emulator.base.quotas import Quotas

Audio = Literal["speech", "tone", "none"]
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?", re.ASCII)
_REGION = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_DURATIONS = ("scheduled_seconds", "in_progress_seconds", "list_delay_seconds")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """An emulator's settings.

    :param host: the address to bind. Other machines can use the emulator unless this is a loopback address.
    :param port: the port; 0 for any free port.
    :param buckets: S3 buckets to create when the emulator starts.
    :param region: the region of these buckets, and of synthesis tasks that are seeded without a region.
    :param scheduled_seconds: how long a synthesis task stays ``scheduled``.
    :param in_progress_seconds: the minimum time that it then stays ``inProgress``; it stays longer if its
        audio is not ready.
    :param list_delay_seconds: how long a new synthesis task is missing from lists.
    :param newest_first: whether lists begin with the newest synthesis task; Polly's documentation does not
        state the order.
    :param audio: ``speech``, ``tone``, or ``none`` to complete synthesis tasks without writing an object. The
        default None means ``speech`` if the ``speech`` extra is installed, else ``tone``.
    :param quotas: request quotas by name, as in :data:`~.quotas.AWS_QUOTAS`; no limits by default.
    :param state: a folder in which to store synthesis tasks, objects and lexicons; None to keep them in
        memory.
    :param cors_origins: origins, such as ``http://localhost:3000``, whose web pages may call the emulator;
        none by default.
    :raises ValueError: if a value is not valid; the message names the setting or the value.
    """

    host: str = "127.0.0.1"
    port: int = 0
    buckets: tuple[str, ...] = ()
    region: str = "us-east-1"
    scheduled_seconds: float = 0.5
    in_progress_seconds: float = 1.0
    list_delay_seconds: float = 0.0
    newest_first: bool = False
    audio: Audio | None = None
    quotas: Quotas = field(default_factory=dict)
    state: Path | None = None
    cors_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be from 0 (any free port) to 65535, not {self.port}")
        for name in _DURATIONS:
            seconds = getattr(self, name)
            if not (math.isfinite(seconds) and seconds >= 0):
                raise ValueError(f"{name} must be a number of seconds, at least 0, not {seconds}")
        for bucket in self.buckets:
            if not is_bucket_name(bucket):
                raise ValueError(
                    f"{bucket!r} is not a valid bucket name: S3 allows 3 to 63 lower-case letters, digits, "
                    "hyphens and dots, starting and ending with a letter or digit"
                )
        if not _REGION.fullmatch(self.region):
            raise ValueError(f"{self.region!r} is not a valid region name such as us-east-1")
        if self.audio not in (None, *get_args(Audio)):
            raise ValueError(f"audio must be one of {', '.join(get_args(Audio))}, not {self.audio!r}")
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is not an origin: give scheme, host and port without a path, "
                    "such as http://localhost:3000"
                )
        validate_quotas(self.quotas)
