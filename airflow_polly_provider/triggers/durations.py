"""Reads the duration and the endpoint of audio for tasks that end in the triggerer.

Nothing blocks the event loop.

Each connection has its own thread and client. If an S3 endpoint does not respond, only the tasks of its
connection are delayed, and only until the first request has failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.output.object_duration import DurationReader, has_readable_duration
from airflow_polly_provider.wait.poller.blocking import BlockingCalls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.wait.poller.client import HookSettings


class _ConnectionReader:
    """The reader of one connection, and the thread in which it runs.

    :param settings: the settings of the connection
    """

    def __init__(self, settings: HookSettings) -> None:
        self.calls = BlockingCalls("polly-duration")
        self._settings = settings
        self.reader = DurationReader(
            {
                "aws_conn_id": settings.aws_conn_id,
                "region_name": settings.region_name,
                "verify": settings.verify,
                "config": settings.botocore_config,
            }
        )

    def has_custom_endpoint(self) -> bool:
        """Return whether requests to Polly or S3 go to an endpoint that does not belong to AWS."""
        return self._settings.make_hook().has_custom_endpoint


_readers: dict[str, _ConnectionReader] = {}


async def with_duration(synthesis_task: Mapping[str, Any], settings: HookSettings) -> Mapping[str, Any]:
    """Return a SynthesisTask, and add ``DurationSeconds`` if the duration of its audio can be read.

    :param synthesis_task: the SynthesisTask
    :param settings: the settings of the connection, which is also used for S3
    """
    if not has_readable_duration(synthesis_task):
        return synthesis_task
    connection = _reader_of(settings)
    return await connection.calls.run(connection.reader.with_duration, synthesis_task)


async def has_custom_endpoint(settings: HookSettings) -> bool:
    """Return whether requests to Polly or S3 go to an endpoint that does not belong to AWS. Raises no error.

    :param settings: the settings of the connection
    """
    connection = _reader_of(settings)
    return await connection.calls.run(connection.has_custom_endpoint)


def _reader_of(settings: HookSettings) -> _ConnectionReader:
    if (connection := _readers.get(settings.key)) is None:
        connection = _readers[settings.key] = _ConnectionReader(settings)
    return connection
