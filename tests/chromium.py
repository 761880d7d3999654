"""Waiting in the tests that Playwright runs in a real browser."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page

WAIT_SECONDS = 30


def wait_until(page: Page | Frame, expression: str) -> None:
    """Wait until an expression is true. (Playwright's ``wait_for_function`` needs ``unsafe-eval``.)

    :param page: the page, or a frame of it
    :param expression: an expression of JavaScript
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"after {WAIT_SECONDS} s, this is not true: {expression}"
        page.wait_for_timeout(20)
