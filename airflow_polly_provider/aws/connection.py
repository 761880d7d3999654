"""Looks up the AWS connection whose id is ``aws_conn_id``.

If Airflow's database or secrets back-end does not respond, Airflow reports that the connection does not
exist. The amazon provider's hooks then use the machine's own credentials, which may belong to another
account. AWS would then bill the wrong account, and Polly would not find the synthesis tasks there.
"""

from __future__ import annotations

import logging
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from airflow_polly_provider.aws.endpoints import environment_endpoint, is_of_aws
from airflow_polly_provider.compat import AirflowNotFoundException
from airflow_polly_provider.exceptions import PollyConnectionNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper

log = logging.getLogger(__name__)

LOOK_UP_GRACE_SECONDS = 30.0
"""How long to repeat the look-up of a connection that Airflow does not find: the look-up may have failed."""

_LOOK_UP_AGAIN_SECONDS = 2.0


class _LookUpError(Exception):
    """Airflow raised an error when it looked up a connection."""


class NamedConnectionHook(AwsBaseHook):
    """A hook that fails if the connection named by ``aws_conn_id`` cannot be found.

    Without ``aws_conn_id``, or if the default connection does not exist, it uses boto3's own credential
    chain, like every hook of the amazon provider.

    :param look_up_seconds: how long to repeat the look-up of a missing connection, in seconds; default 30.
        The call blocks during this time
    """

    def __init__(self, *args: Any, look_up_seconds: float | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.look_up_seconds = LOOK_UP_GRACE_SECONDS if look_up_seconds is None else look_up_seconds
        self._missing_since: float | None = None
        self._last_missed_at = 0.0

    @classmethod
    def get_connection(cls, conn_id: str) -> Any:
        """Return an Airflow connection.

        :param conn_id: the connection's id
        """
        try:
            return super().get_connection(conn_id)
        except (AirflowNotFoundException, ImportError):
            # The amazon provider's hook handles these.
            raise
        except Exception as error:
            raise _LookUpError(error) from error

    @cached_property
    def conn_config(self) -> AwsConnectionWrapper:
        """The connection's settings.

        :raises PollyConnectionNotFoundError: Airflow did not find the connection, or could not look it up
        """
        until = time.monotonic() + self.look_up_seconds
        warned = False
        while True:
            error: Exception | None = None
            try:
                found = super().conn_config
            except _LookUpError as failed:
                error = failed
            else:
                self._note(is_missing=bool(self.aws_conn_id) and not isinstance(found.conn_id, str))
                if self._missing_since is None or not self._is_named:
                    return found
                # The base class also caches the settings of a connection that was not found.
                self.__dict__.pop("conn_config", None)
            if time.monotonic() >= until:
                raise PollyConnectionNotFoundError(self._not_found(error)) from error
            if not warned:
                log.warning(
                    "Airflow did not find the connection %r; looking it up again for up to %d s",
                    self.aws_conn_id,
                    self.look_up_seconds,
                )
                warned = True
            time.sleep(_LOOK_UP_AGAIN_SECONDS)

    @property
    def has_custom_endpoint(self) -> bool:
        """Whether requests to Polly or S3 go to an endpoint that does not belong to AWS, such as an emulator.

        The connection, the environment or AWS's configuration file can set the endpoint. False if this cannot
        be found out. Raises no error, creates no client, and sends no request to AWS.
        """
        try:
            return not all(map(is_of_aws, self._given_endpoints()))
        except Exception as error:  # noqa: BLE001 - no error may fail a task whose synthesis task is paid for
            log.info("Cannot find out the endpoints of the connection %r: %s", self.aws_conn_id, error)
            return False

    def _given_endpoints(self) -> Iterator[str]:
        """Yield the endpoints of Polly and S3 that are not chosen by boto3."""
        was_known = "conn_config" in self.__dict__
        # The base class looks up the connection only once.
        connection = self.conn_config if was_known else super().conn_config
        if not was_known and self._is_named and not isinstance(connection.conn_id, str):
            self.__dict__.pop("conn_config", None)
        ignores = getattr(connection.botocore_config, "ignore_configured_endpoint_urls", None)
        for service in ("polly", "s3"):
            endpoint = connection.get_service_endpoint_url(service)
            if endpoint is None and not ignores:
                endpoint = environment_endpoint(service, connection.profile_name)
            if endpoint is not None:
                yield endpoint

    def _note(self, *, is_missing: bool) -> None:
        if not is_missing:
            self._missing_since = None
            return
        self._last_missed_at = time.monotonic()
        if self._missing_since is None:
            self._missing_since = self._last_missed_at

    def _not_found(self, error: Exception | None) -> str:
        reason = "was not found" if error is None else f"could not be looked up ({error})"
        return (
            f"The connection {self.aws_conn_id!r} {reason}. No request was sent with other credentials. "
            "Correct aws_conn_id or create the connection, or set aws_conn_id=None to use the machine's own "
            "credentials. If the connection exists, Airflow's database or secrets back-end did not respond."
        )

    @property
    def _is_named(self) -> bool:
        return bool(self.aws_conn_id) and self.aws_conn_id != self.default_conn_name

    @property
    def connection_missing_for(self) -> float | None:
        """Seconds from the first to the last look-up that did not find the connection.

        None if the connection was found, or ``aws_conn_id`` is empty.
        """
        return None if self._missing_since is None else self._last_missed_at - self._missing_since

    @property
    def may_lack_its_connection(self) -> bool:
        """Whether the connection may exist: look-ups have failed for less than 30 seconds so far."""
        missing_for = self.connection_missing_for
        return missing_for is not None and missing_for < LOOK_UP_GRACE_SECONDS

    def describe_connection(self) -> str:
        """Return text for error messages: which connection was used, and whether Airflow found it."""
        if not self.aws_conn_id:
            return "aws_conn_id is empty, so boto3's own credential chain was used"
        if isinstance(self.conn_config.conn_id, str):
            return f"the connection {self.aws_conn_id!r} was found"
        return f"the connection {self.aws_conn_id!r} was not found, so boto3's own credential chain was used"
