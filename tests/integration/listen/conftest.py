"""Runs these tests only if the installed Airflow has tabs for plugins."""

from __future__ import annotations

from importlib.util import find_spec

from airflow_polly_provider.settings import has_listen_tab

collect_ignore_glob = [] if has_listen_tab() else ["*.py"]
if has_listen_tab() and find_spec("airflow.serialization.definitions") is None:
    # On Airflow 3.1, the tests cannot run a DAG in their own process.
    collect_ignore_glob.append("test_listen_xcoms.py")
