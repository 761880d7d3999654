"""The Airflow plugin (entry point ``airflow.plugins``) by which templates find the SSML functions."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_polly_provider.text.ssml import FUNCTIONS


class PollyPlugin(AirflowPlugin):
    """Gives templates ``macros.polly``."""

    name = "polly"
    macros: list[Any] = list(FUNCTIONS)  # noqa: RUF012 # an instance's by its declaration, the class's in fact
