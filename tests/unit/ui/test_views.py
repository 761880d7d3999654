from __future__ import annotations

import pytest

from airflow_polly_provider.settings import has_listen_tab
from airflow_polly_provider.ui import views
from airflow_polly_provider.ui.views import external_views

needs_tabs = pytest.mark.skipif(not has_listen_tab(), reason="Airflow has tabs for plugins from 3.1")


@needs_tabs
def test_a_task_and_a_run_have_a_tab() -> None:
    assert external_views() == [
        {
            "name": "Listen",
            "href": "/polly/dags/{DAG_ID}/listen?run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}",
            "destination": "task_instance",
            "url_route": "polly-listen",
        },
        {
            "name": "Listen",
            "href": "/polly/dags/{DAG_ID}/listen?run_id={RUN_ID}",
            "destination": "dag_run",
            "url_route": "polly-listen-run",
        },
    ]


@needs_tabs
@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("", ""),
        ("/", ""),
        ("http://host:8080", ""),
        ("https://host/airflow/", "/airflow"),
        ("https://host/a/b", "/a/b"),
        ("/airflow", "/airflow"),
    ],
)
def test_the_address_begins_with_the_path_of_the_api_server(
    monkeypatch: pytest.MonkeyPatch, base_url: str, path: str
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    assert {view["href"].partition("/polly/")[0] for view in external_views()} == {path}


def test_a_setting_removes_the_tabs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__LISTEN", "False")
    assert external_views() == []


def test_there_are_no_tabs_before_airflow_3_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "has_listen_tab", lambda: False)
    assert external_views() == []
