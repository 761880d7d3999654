"""Fixtures for the tests in a real browser, which ``make test-browser`` runs."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from scripts.browsers import running_chromium
from tests.browser.range_server import serving
from tests.chromium import WAIT_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page, Playwright

READ_ALONG = Path(__file__).resolve().parents[2] / "docs" / "_static" / "read_along.html"

if find_spec("playwright") is None:
    collect_ignore_glob = ["test_*.py"]


class Site:
    """A web site with the read-along page.

    :param folder: the folder with its files
    :param url: its URL
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def page_url(self, **parameters: str) -> str:
        """Return the URL of the read-along page with parameters."""
        return f"{self.url}/{READ_ALONG.name}?{urlencode(parameters)}"


def open_page(page: Page, url: str) -> None:
    """Open the read-along page, and wait for its files, except the captions.

    :param page: the browser's page
    :param url: the URL of the read-along page
    """
    page.goto(url)
    page.wait_for_selector("html[data-ready]")
    wait_until(page, "document.querySelector('audio').readyState >= 1")


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Start headless Chromium."""
    with running_chromium(playwright, "--autoplay-policy=no-user-gesture-required") as browser:
        yield browser


@pytest.fixture
def complaints() -> list[str]:
    """Return the list of errors and warnings in the browser's console."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """Open an empty page. Errors in the console of the test's page are added to ``complaints``."""
    with browser.new_context(viewport={"width": 1000, "height": 800}) as context:
        page = context.new_page()
        page.set_default_timeout(1000 * WAIT_SECONDS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None,
        )
        yield page


@pytest.fixture(scope="session")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Site]]:
    """Return a function that makes a web site with the read-along page. One server serves all of them."""
    root = tmp_path_factory.mktemp("sites")
    with serving(root) as url:

        def make() -> Site:
            folder = root / str(len(list(root.iterdir())))
            folder.mkdir()
            shutil.copy(READ_ALONG, folder)
            return Site(folder, f"{url}/{folder.name}")

        yield make


@pytest.fixture
def site(new_site: Callable[[], Site]) -> Site:
    """Return a web site that has only the read-along page."""
    return new_site()
