"""The Airflow plugin (entry point ``airflow.plugins``) that adds the SSML functions to templates."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_polly_provider.text.ssml import FUNCTIONS


class PollyPlugin(AirflowPlugin):
    """Adds ``macros.polly`` to templates."""

    name = "polly"
    macros: list[Any] = list(FUNCTIONS)  # noqa: RUF012 # Airflow declares an instance attribute but reads the class attribute
