"""The client that sends the status requests of all waits on one connection, at one rate and in one thread."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from airflow_polly_provider.aws.errors import is_throttling
from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.settings import status_requests_per_second
from airflow_polly_provider.wait.errors import CredentialsOutage, is_worth_a_new_look_up
from airflow_polly_provider.wait.poller import metrics
from airflow_polly_provider.wait.poller.blocking import BlockingCalls
from airflow_polly_provider.wait.poller.rate_limit import AdaptiveRate

_MAX_THROTTLED = 8

STATUS_TIMEOUT_SECONDS = 10
"""Time-out of a status request, unless the settings or the connection set another value.

Until a response arrives, no other wait on the connection can be checked. botocore's default is 60 seconds.
"""


@dataclass(frozen=True, kw_only=True)
class HookSettings:
    """The settings of a hook's client. Waits with equal settings share a poller.

    :param aws_conn_id: as in :class:`~airflow_polly_provider.hooks.polly.PollyHook`
    :param region_name: as in :class:`~airflow_polly_provider.hooks.polly.PollyHook`
    :param verify: as in :class:`~airflow_polly_provider.hooks.polly.PollyHook`
    :param botocore_config: botocore configuration as a mapping
    """

    aws_conn_id: str | None = "aws_default"
    region_name: str | None = None
    verify: bool | str | None = None
    botocore_config: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        """The settings as a string. Equal settings have equal strings."""
        return json.dumps(vars(self), sort_keys=True, default=repr)

    def make_hook(self) -> PollyHook:
        """Return a new hook, which looks up its connection again."""
        return PollyHook(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
            botocore_retries=False,
            default_timeout=STATUS_TIMEOUT_SECONDS,
            # The hook does not repeat the look-up. The waits repeat it, so that one look-up does not occupy
            # the thread for long.
            look_up_seconds=0.0,
        )


class StatusClient:
    """Sends the hook's requests one after the other, at a limited rate.

    :param settings: the settings of the connection
    """

    def __init__(self, settings: HookSettings) -> None:
        self._settings = settings
        self._rate = AdaptiveRate(status_requests_per_second())
        self._blocking = BlockingCalls("polly-status")
        self._is_suspect = False
        self.outage = CredentialsOutage()
        """How long credentials have been rejected."""

    async def send(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the hook. Repeat the call up to 8 times if Polly throttles it.

        After an error about credentials, the next call looks up the connection and credentials again.

        :param method: the name of a method of :class:`~airflow_polly_provider.hooks.polly.PollyHook`
        """
        throttled = 0
        while True:
            await self._rate.acquire()
            outcome = "failed"
            self._is_suspect = True
            try:
                answer = await self._blocking.run(self._call_hook, method, *args, **kwargs)
                outcome = "ok"
            except PollyError as error:
                self.outage.note(error)
                if is_worth_a_new_look_up(error):
                    self._hook.renew()
                raise
            except ClientError as error:
                self.outage.note(error)
                if not is_throttling(error):
                    raise
                outcome = "throttled"
                self._rate.throttled()
                throttled += 1
                if throttled > _MAX_THROTTLED:
                    raise
            else:
                self.outage.note(None)
                self._is_suspect = False
                return answer
            finally:
                metrics.request(method.partition("_")[0], outcome, self._rate.current)

    def rest(self) -> None:
        """End the thread. The next request starts a new thread.

        If the last request failed, or is still running in the thread, the next request uses a new client.
        """
        self._blocking.close()
        self.outage = CredentialsOutage()
        if self._is_suspect:
            self.__dict__.pop("_hook", None)

    @cached_property
    def _hook(self) -> PollyHook:
        return self._settings.make_hook()

    def _call_hook(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call the hook. It blocks during requests, connection look-ups and credential renewals."""
        return getattr(self._hook, method)(*args, **kwargs)
