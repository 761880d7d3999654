"""Settings of all tests: a temporary Airflow home, and no AWS settings of the machine."""

from __future__ import annotations

import atexit
import functools
import inspect
import os
import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import botocore.loaders
import botocore.session
import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Playwright
    from xdist.remote import Producer

# Airflow reads its configuration during its import, so this must run before any test module is imported.
_home = tempfile.mkdtemp(prefix="airflow-polly-tests-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ.update(
    AIRFLOW_HOME=_home,
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=os.path.join(_home, "dags"),
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_home}/airflow.db",
    AIRFLOW__METRICS__TIMER_UNIT_CONSISTENCY="True",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
)

if version("apache-airflow").startswith("2."):
    # Otherwise Airflow creates the manager with the first asset. At that time warnings are errors, and the
    # warnings of the oldest dependencies would leave the manager without hooks.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from airflow.providers_manager import ProvidersManager

        ProvidersManager()


class SharedStackScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Give each test to any free process, but all tests that share a real Airflow to the same process.

    Tests share a real Airflow if they are in the same folder ``…_stack`` or module ``test_stack_…``. They run
    first. (``--dist loadgroup`` would use marks, but has no effect with pytest 9.2: pytest-xdist issue 1386.)
    """

    def _split_scope(self, nodeid: str) -> str:
        module = PurePosixPath(nodeid.partition("::")[0])
        if module.parent.name.endswith("_stack"):
            return str(module.parent)
        return str(module) if module.name.startswith("test_stack_") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedStackScheduling:
    return SharedStackScheduling(config, log)


@pytest.fixture(autouse=True, scope="session")
def _botocore_reads_each_file_once() -> Iterator[None]:
    """Make all botocore sessions share one cache of service models and endpoints.

    Each task of a DAG run creates a session, and each session would read the files again. The clients of one
    session share such a cache anyway.
    """
    loader = botocore.loaders.Loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda data_path=None: loader)
        yield


@pytest.fixture(autouse=True, scope="session")
def _call_stacks_without_source_code() -> Iterator[None]:
    """Make ``inspect.stack()`` leave out the lines of source code.

    The amazon provider calls it for each client, to put the operator's class into the user agent. To find the
    source code, Python looks at all modules each time, and a test process has imported thousands.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspect, "stack", functools.partial(inspect.stack, 0))
        yield


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Run the driver of Playwright, for tests in a real browser. A process can run only one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver


@pytest.fixture(autouse=True)
def _isolated_aws_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the credentials, profiles, regions and connections of the machine from each test."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "AIRFLOW_CONN_")) and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/no-aws-config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/no-aws-credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
