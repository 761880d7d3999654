"""The Airflow plugin (entry point ``airflow.plugins``): SSML functions in templates, and the tab *Listen*.

Airflow imports this module for every command. So it imports the other modules only when they are needed.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_polly_provider.text.ssml import FUNCTIONS


class PollyPlugin(AirflowPlugin):
    """Adds ``macros.polly`` to templates, and the tab *Listen* to the Airflow UI."""

    name = "polly"
    macros: list[Any] = list(FUNCTIONS)  # noqa: RUF012 # Airflow declares an instance attribute but reads the class attribute

    @cached_property
    def external_views(self) -> list[Any]:  # type: ignore[override]  # Airflow reads it from an instance
        """The tabs of task instances and DAG runs. Airflow has such tabs from 3.1."""
        from airflow_polly_provider.ui.views import external_views

        return external_views()

    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]  # Airflow reads it from an instance
        """The application behind the tabs, which the API server mounts."""
        if not self.external_views:
            return []
        from airflow_polly_provider.ui.lazy_app import ListenApp
        from airflow_polly_provider.ui.views import URL_PREFIX

        return [{"name": "Listen", "app": ListenApp(), "url_prefix": URL_PREFIX}]
