"""S3 clients for the API server, made from the Airflow connections that tasks have recorded."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.exceptions import AirflowNotFoundException as NotFoundInServer  # type: ignore[attr-defined]
from airflow.models.connection import Connection
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.aws.connection import NamedConnectionHook
from airflow_polly_provider.compat import AirflowNotFoundException
from airflow_polly_provider.exceptions import PollyConfigurationError, PollyError

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

_KEPT_SECONDS = 300
_MAX_CLIENTS = 32
_CONFIG = Config(
    max_pool_connections=50,
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "max_attempts": 2},
)


class AwsConnection(NamedTuple):
    """How a task reached AWS, as it recorded it in its XCom.

    :param aws_conn_id: id of the Airflow connection; None for boto3's own credential chain
    :param region_name: the region that the task sets in addition to the connection's; None if it sets none
    :param verify: whether to verify certificates, or the path of a file with certificate authorities; None
        for the connection's setting
    """

    aws_conn_id: str | None
    region_name: str | None = None
    verify: bool | str | None = None

    @classmethod
    def from_xcom(cls, value: Any) -> AwsConnection | None:
        """Return the connection in an XCom; None if the value has another form.

        :param value: the XCom ``AwsConnection``
        """
        if not isinstance(value, dict) or "AwsConnId" not in value:
            return None
        conn_id, region, verify = (value.get(name) for name in ("AwsConnId", "RegionName", "Verify"))
        if not (_is_text(conn_id) and _is_text(region) and isinstance(verify, bool | str | None)):
            return None
        return cls(conn_id, region, verify)


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


class _ServerS3Hook(NamedConnectionHook, S3Hook):
    """An S3Hook that looks up connections in the API server, which is not a task and has no supervisor."""

    @classmethod
    def get_connection(cls, conn_id: str) -> Any:
        """Return an Airflow connection from the secrets back-ends and the database.

        :param conn_id: the connection's id
        """
        try:
            return Connection.get_connection_from_secrets(conn_id)
        except NotFoundInServer as error:
            raise AirflowNotFoundException(str(error)) from error


class _Entry:
    """The client of one connection. Its lock lets other connections proceed while it is created."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.client: Any = None
        self.created = 0.0

    def is_fresh(self) -> bool:
        return self.client is not None and time.monotonic() - self.created < _KEPT_SECONDS


class S3Clients:
    """Keeps the S3 clients of the last minutes, because creating one takes much longer than a request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[AwsConnection, _Entry] = {}

    def client(self, connection: AwsConnection) -> Any:
        """Return boto3's S3 client for a connection.

        :param connection: the connection that a task has recorded
        :raises PollyConnectionNotFoundError: Airflow did not find the connection
        :raises PollyConfigurationError: the connection is not valid
        """
        with self._lock:
            entry = self._entries.pop(connection, None) or _Entry()
            while len(self._entries) >= _MAX_CLIENTS:
                del self._entries[next(iter(self._entries))]
            self._entries[connection] = entry
        with entry.lock:
            if not entry.is_fresh():
                entry.client = _new_client(connection)
                entry.created = time.monotonic()
            return entry.client

    def forget(self, connection: AwsConnection) -> None:
        """Discard the client of a connection, because AWS rejected its credentials.

        :param connection: the connection
        """
        with self._lock:
            self._entries.pop(connection, None)


def _new_client(connection: AwsConnection) -> Any:
    try:
        return _client_of_hook(connection)
    except (PollyError, ClientError, BotoCoreError):
        raise
    except Exception as error:  # the settings of a connection can be anything
        log.exception("Cannot create an S3 client with the connection %r", connection.aws_conn_id)
        raise PollyConfigurationError(
            f"The API server cannot use the connection {connection.aws_conn_id!r:.300} "
            f"({type(error).__name__}). Correct the connection. The log of the API server has details."
        ) from error


def _client_of_hook(connection: AwsConnection) -> Any:
    parameters: Mapping[str, Any] = connection._asdict()
    hook = _ServerS3Hook(**parameters, look_up_seconds=0)
    own: Any = hook.config
    config = own.merge(_CONFIG)
    if own.signature_version is None:
        # Otherwise, a presigned URL has the old signature SigV2 in us-east-1, which SSE-KMS refuses.
        config = config.merge(Config(signature_version="s3v4"))
    # The client that assumes a role has these time limits too.
    hook.conn_config.botocore_config = config
    client: Any = hook.get_client_type(region_name=hook.region_name, config=config)
    client.meta.events.register_last(
        "before-endpoint-resolution.s3", partial(_use_regional_endpoint, region=client.meta.region_name)
    )
    return client


def _use_regional_endpoint(builtins: dict[str, Any], region: str, **_: Any) -> None:
    """Make presigned URLs name the region.

    botocore's name no region. S3 redirects such a request for a new bucket, and then refuses the signature.
    """
    if builtins.get("AWS::S3::UseGlobalEndpoint") and builtins.get("AWS::Region") == "aws-global":
        builtins |= {"AWS::S3::UseGlobalEndpoint": False, "AWS::Region": region}
