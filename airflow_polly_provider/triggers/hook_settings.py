"""What a trigger carries of a hook, so that the triggerer makes the same client as the worker."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from airflow_polly_provider.hooks.polly import PollyHook

STATUS_TIMEOUT_SECONDS = 10
"""Time-out of a status request, unless the settings or the connection set another.

It is the longest time that a request without an answer keeps the other waits of its connection from being
checked; botocore's own is 60 seconds.
"""


@dataclass(frozen=True, kw_only=True)
class HookSettings:
    """All that makes a hook's client: who has the same settings shares a poller.

    :param aws_conn_id: as in :class:`~airflow_polly_provider.hooks.polly.PollyHook`
    :param region_name: the same
    :param verify: the same
    :param botocore_config: botocore configuration as a mapping
    """

    aws_conn_id: str | None = "aws_default"
    region_name: str | None = None
    verify: bool | str | None = None
    botocore_config: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        """The settings as a string, equal for equal settings."""
        return json.dumps(vars(self), sort_keys=True, default=repr)

    def make_hook(self) -> PollyHook:
        """Return a new hook, which looks its connection up anew."""
        return PollyHook(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
            botocore_retries=False,
            default_timeout=STATUS_TIMEOUT_SECONDS,
        )
