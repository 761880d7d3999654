"""One real Airflow for all tests of this folder, and a browser that is logged in."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from scripts.browsers import running_chromium
from tests.chromium import WAIT_SECONDS
from tests.ui.airflow_ui import AirflowUI, log_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Playwright

    from tests.ui.listening import Listening

# Airflow has tabs for plugins from 3.1.
if find_spec("playwright") is None or Version(version("apache-airflow")) < Version("3.1"):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    """Run all DAGs at the same time, and return the Airflow that ran them."""
    from tests.ui import listening

    with listening.listening_airflow(tmp_path_factory.mktemp("ui")) as airflow:
        yield airflow


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Start headless Chromium, in which audio plays only after a click or a key, as for users."""
    with running_chromium(playwright) as browser:
        yield browser


@pytest.fixture(scope="session")
def window(browser: Browser, airflow: Listening) -> Iterator[BrowserContext]:
    """Log in as an administrator. All tests share the window, because it keeps the files of Airflow's UI."""
    with log_in(browser, airflow.base_url) as context:
        context.set_default_timeout(1000 * WAIT_SECONDS)
        yield context


@pytest.fixture
def ui(window: BrowserContext, airflow: Listening) -> Iterator[AirflowUI]:
    """Open a page for Airflow's UI. At the end, the tab's frame must have caused no error or warning."""
    with window.new_page() as page:
        ui = AirflowUI(page, airflow.base_url)
        yield ui
        assert ui.complaints == []
