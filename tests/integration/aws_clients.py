"""boto3 clients for the emulator."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.config import Config

    from airflow_polly_provider.emulator.testing import RunningEmulator


def aws_client(service: str, *, config: Config | None, **settings: str) -> Any:
    """Return a client, which the caller must close.

    :param service: boto3's name of the service
    :param config: botocore configuration; None for its defaults
    :param settings: additional arguments of ``boto3.client``
    """
    client: Any = boto3.client(service, config=config, **settings)  # type: ignore[call-overload]  # one overload per literal name
    return client


@contextmanager
def client_of(emulator: RunningEmulator, service: str) -> Iterator[Any]:
    """Yield a client of the emulator, and close it at the end of the block.

    :param emulator: emulator that answers the requests
    :param service: boto3's name of the service
    """
    client = aws_client(service, config=None, **emulator.client_settings)
    try:
        yield client
    finally:
        client.close()
