"""The tabs that the plugin adds to the Airflow UI."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow_polly_provider.compat import conf
from airflow_polly_provider.settings import LISTEN_ROUTE, has_listen_tab, listen_enabled

URL_PREFIX = "/polly"
"""Where the API server mounts :class:`airflow_polly_provider.ui.lazy_app.ListenApp`."""

_RUN_ROUTE = "polly-listen-run"
# The UI replaces the names in braces. Airflow encodes the values for URLs only from 3.2.2.
_PAGE = URL_PREFIX + "/dags/{DAG_ID}/listen?run_id={RUN_ID}"


def external_views() -> list[dict[str, Any]]:
    """Return the tabs, in the form of the attribute ``external_views`` of Airflow's plugins.

    There are none before Airflow 3.1, or if ``[aws_polly] listen`` is False.

    Source: https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/plugins.html
    """
    if not (has_listen_tab() and listen_enabled()):
        return []
    page = _base_path() + _PAGE
    return [
        {
            "name": "Listen",
            "href": page + "&task_id={TASK_ID}&map_index={MAP_INDEX}",
            "destination": "task_instance",
            "url_route": LISTEN_ROUTE,
        },
        {"name": "Listen", "href": page, "destination": "dag_run", "url_route": _RUN_ROUTE},
    ]


def _base_path() -> str:
    """Return the path below which the API server is reachable; empty if it is the root of its host."""
    base_url: str = conf.get("api", "base_url", fallback="") or ""
    return urlsplit(base_url).path.rstrip("/")
