"""The status requests of one connection: at one rate, in one thread."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airflow_polly_provider.exceptions import PollyCredentialsError, PollyError
from airflow_polly_provider.hooks.errors import is_throttling
from airflow_polly_provider.settings import status_requests_per_second
from airflow_polly_provider.triggers import metrics
from airflow_polly_provider.triggers.blocking import BlockingCalls
from airflow_polly_provider.triggers.rate import AdaptiveRate
from airflow_polly_provider.waiting import CredentialsOutage

if TYPE_CHECKING:
    from airflow_polly_provider.hooks.polly import PollyHook
    from airflow_polly_provider.triggers.hook_settings import HookSettings

_THROTTLED_AT_MOST = 8


class StatusRequests:
    """Sends the hook's requests one after the other, each when its turn comes.

    :param settings: the connection to ask with
    """

    def __init__(self, settings: HookSettings) -> None:
        self._settings = settings
        self._rate = AdaptiveRate(status_requests_per_second())
        self._blocking = BlockingCalls("polly-status")
        self.outage = CredentialsOutage()
        """How long credentials have been refused."""

    async def send(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the hook, and again as long as Polly throttles for a while.

        After bad credentials the next call looks connection and credentials up anew.

        :param method: the name of a method of :class:`~airflow_polly_provider.hooks.polly.PollyHook`
        """
        throttled = 0
        while True:
            await self._rate.acquire()
            outcome = "failed"
            try:
                answer = await self._blocking.run(self._call_hook, method, *args, **kwargs)
                outcome = "ok"
            except PollyError as error:
                self.outage.note(error)
                if isinstance(error, PollyCredentialsError):
                    self._hook.renew()
                raise
            except ClientError as error:
                self.outage.note(error)
                if not is_throttling(error):
                    raise
                outcome = "throttled"
                self._rate.throttled()
                throttled += 1
                if throttled > _THROTTLED_AT_MOST:
                    raise
            else:
                self.outage.note(None)
                return answer
            finally:
                metrics.request(method.partition("_")[0], outcome, self._rate.current)

    def close(self) -> None:
        """End the thread, as when nobody waits any more."""
        self._blocking.close()

    @cached_property
    def _hook(self) -> PollyHook:
        return self._settings.make_hook()

    def _call_hook(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call the hook; boto3, the look-up of the connection and the renewal of credentials block."""
        return getattr(self._hook, method)(*args, **kwargs)
