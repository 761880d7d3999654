"""Airflow's UI in the browser: the addresses of its pages, and the frame of the tab Listen."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.chromium import wait_until
from tests.ui.users import ADMIN

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Frame, Page, Response

RUN_ID = "manual__2026-01-01T00:00:00+00:00"
"""The id of all runs. Airflow 3.1 puts it into the tab's address as it is, later versions encode it."""

# Chromium's warning about the permissions that Airflow gives to the frames of plugins.
_ABOUT_SANDBOX = "An iframe which has both allow-scripts and allow-same-origin"

FRAME = 'iframe[src*="/polly/"]'


def log_in(browser: Browser, base_url: str, user: str = ADMIN) -> BrowserContext:
    """Open a window of the browser, and log in with Airflow's form.

    :param browser: the browser
    :param base_url: URL of Airflow's UI
    :param user: name of the user, which is also the password
    """
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(base_url)
    page.locator("input[name=username]").fill(user)
    page.locator("input[name=password]").fill(user)
    page.locator("button[type=submit]").click()
    page.wait_for_url(f"{base_url}/**")
    page.get_by_role("link", name="Dags").first.wait_for()
    page.close()
    return context


class AirflowUI:
    """A page of the browser with Airflow's UI.

    :param page: the page
    :param base_url: URL of Airflow's UI
    """

    def __init__(self, page: Page, base_url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        """Errors and warnings of the tab's frame in the console, and its requests that failed. Those of
        Airflow's own UI are not included."""
        self._base_url = base_url
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self._note(str(error.stack), str(error.stack)))
        page.on("response", self._note_response)

    def url(self, dag_id: str, task_id: str | None = None, map_index: int = -1, tab: str = "") -> str:
        """Return the URL of the page of a DAG run or of a task instance.

        :param tab: the last part of the tab's address
        """
        url = f"{self._base_url}/dags/{quote(dag_id)}/runs/{quote(RUN_ID, safe='')}"
        if task_id is not None:
            url += f"/tasks/{quote(task_id)}"
        if map_index >= 0:
            url += f"/mapped/{map_index}"
        return f"{url}/{tab}" if tab else url

    def listen(self, dag_id: str, task_id: str | None = None, map_index: int = -1) -> Frame:
        """Open the tab Listen by its address, and return its frame when it shows its data."""
        tab = "plugin/polly-listen-run" if task_id is None else "plugin/polly-listen"
        self.page.goto(self.url(dag_id, task_id, map_index, tab))
        return self.frame()

    def frame(self) -> Frame:
        """Return the tab's frame when it shows its data."""
        return ready_frame(self.page)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(message.location["url"], message.text)

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self._note(response.url, f"{response.status} {response.url}")

    def _note(self, source: str, complaint: str) -> None:
        if "/polly/" in source and not complaint.startswith(_ABOUT_SANDBOX):
            self.complaints.append(complaint)


def ready_frame(page: Page) -> Frame:
    """Return the frame of the tab Listen when it shows its data."""
    frame = page.wait_for_selector(FRAME).content_frame()
    assert frame is not None
    frame.wait_for_selector("html[data-ready]")
    return frame


def with_audio(frame: Frame) -> Frame:
    """Return the frame of the tab Listen when it knows the duration of its audio."""
    wait_until(frame, "document.querySelector('audio').readyState >= 1")
    return frame
