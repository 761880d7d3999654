"""Reads the ids of a batch's synthesis tasks from its manifest, without blocking the event loop.

Each connection has its own thread and client while one of its batches reads a manifest. If an S3 endpoint
does not respond, only the batches of its connection are delayed.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.batch.manifest_store import ManifestStore
from airflow_polly_provider.exceptions import PollyError, PollyInvalidRequestError
from airflow_polly_provider.wait.errors import (
    CHECK_ERRORS,
    CredentialsOutage,
    is_worth_a_new_look_up,
    wait_goes_on,
)
from airflow_polly_provider.wait.poller.blocking import BlockingCalls
from airflow_polly_provider.wait.poller.pending import UNEXPECTED_GRACE_SECONDS
from airflow_polly_provider.wait.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook
    from airflow_polly_provider.wait.poller.client import HookSettings

_CLIENT_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})


class _ConnectionReader:
    """The S3 client of one connection, and the thread in which it reads.

    :param settings: the settings of the connection
    """

    def __init__(self, settings: HookSettings) -> None:
        self.calls = BlockingCalls("polly-manifest")
        self.users = 0
        self._settings = settings

    def unfinished_ids(self, location: S3Location, etag: str) -> list[str]:
        """Return the TaskIds of the synthesis tasks that have not ended. Blocks.

        Only the ids are kept in memory: a triggerer may wait for many batches.
        """
        try:
            manifest = ManifestStore(lambda: self._client, location).load(etag=etag)
        except PollyError as error:
            if (hook := self.__dict__.get("_hook")) is not None:
                error.connection_missing_for = hook.connection_missing_for
            raise
        return [] if manifest is None else manifest.unfinished_ids()

    def renew(self) -> None:
        """Make the next request look up the connection and credentials again."""
        for name in ("_hook", "_client"):
            self.__dict__.pop(name, None)

    @cached_property
    def _hook(self) -> NamedConnectionS3Hook:
        # Imported here, because the import is slow and parsing a DAG file does not need it.
        from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook

        return NamedConnectionS3Hook(
            aws_conn_id=self._settings.aws_conn_id,
            region_name=self._settings.region_name,
            verify=self._settings.verify,
            config=self._settings.botocore_config,
            look_up_seconds=0.0,
        )

    @cached_property
    def _client(self) -> Any:
        hook = self._hook
        # The user's settings take precedence over these.
        config = _CLIENT_CONFIG.merge(hook.config) if hook.config is not None else _CLIENT_CONFIG
        return hook.get_client_type(region_name=hook.region_name, config=config)


_readers: dict[str, _ConnectionReader] = {}


@contextmanager
def _reader_for(settings: HookSettings) -> Iterator[_ConnectionReader]:
    """Yield the connection's reader. Its thread ends when no batch uses the reader."""
    key = settings.key
    if (reader := _readers.get(key)) is None:
        reader = _readers[key] = _ConnectionReader(settings)
    reader.users += 1
    try:
        yield reader
    finally:
        reader.users -= 1
        if not reader.users:
            reader.calls.close()
            if _readers.get(key) is reader:
                del _readers[key]


async def unfinished_ids(
    manifest_s3_uri: str, manifest_etag: str, settings: HookSettings, *, log: Any
) -> list[str]:
    """Return the TaskIds of a batch's synthesis tasks that had not ended when its manifest was written.

    While S3 throttles or does not respond, or credentials are rejected, the reading is repeated by the rules
    of a wait. The caller limits the time.

    :param manifest_s3_uri: the manifest as ``s3://bucket/key``
    :param manifest_etag: the ETag that the manifest must have
    :param settings: the settings of the connection, which is also used for S3
    :param log: the trigger's logger, to log that the manifest cannot be read yet
    :raises PollyError: the manifest cannot be read
    """
    try:
        location = parse_output_uri(manifest_s3_uri)
    except ValueError as error:
        raise PollyInvalidRequestError(
            f"manifest_s3_uri {manifest_s3_uri!r:.200} must have the form s3://bucket/key."
        ) from error
    began, outage, logged = time.monotonic(), CredentialsOutage(), False
    with _reader_for(settings) as reader:
        while True:
            try:
                return await reader.calls.run(reader.unfinished_ids, location, manifest_etag)
            except Exception as error:  # a trigger must not raise: Airflow would not resume the task
                waited = time.monotonic() - began
                outage.note(error)
                if is_worth_a_new_look_up(error):
                    reader.renew()
                if not _goes_on_after(error, waited, outage):
                    raise _as_polly_error(error, manifest_s3_uri) from error
                if not logged:
                    log.warning(
                        "Cannot read the batch's manifest %s now; trying again: %s", location.uri, error
                    )
                    logged = True
            await asyncio.sleep(outage.next_check_in(Schedule().next_check_in(waited)))


def _goes_on_after(error: Exception, waited: float, outage: CredentialsOutage) -> bool:
    if isinstance(error, CHECK_ERRORS):
        return wait_goes_on(error, waited, outage.seconds)
    return waited < UNEXPECTED_GRACE_SECONDS


def _as_polly_error(error: Exception, manifest_s3_uri: str) -> PollyError:
    if isinstance(error, PollyError):
        return error
    return PollyError(f"Cannot read the batch's manifest {manifest_s3_uri}: {type(error).__name__}: {error}")
