"""boto3 clients of the emulator."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.config import Config

    from airflow_polly_provider.emulator.testing import RunningEmulator


def aws_client(service: str, *, config: Config | None, **settings: str) -> Any:
    """Return a client; the caller closes it.

    :param service: boto3's name of the service
    :param config: botocore's; None for its defaults
    :param settings: further arguments of ``boto3.client``
    """
    client: Any = boto3.client(service, config=config, **settings)  # type: ignore[call-overload]  # one overload for each literal name
    return client


@contextmanager
def client_of(emulator: RunningEmulator, service: str) -> Iterator[Any]:
    """A client of the emulator for as long as the block lasts.

    :param emulator: answers the requests
    :param service: boto3's name of the service
    """
    client = aws_client(service, config=None, **emulator.client_settings)
    try:
        yield client
    finally:
        client.close()
