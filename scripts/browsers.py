"""The Chromium of this machine, for screenshots and for the tests in a real browser. Playwright drives it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
"""The commands of Chromium and Chrome. Debian's package is ``chromium``."""


def find_browser() -> str | None:
    """Return the path of Chromium, or None if it is not installed."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


@contextmanager
def running_chromium(playwright: Playwright, *options: str) -> Iterator[Browser]:
    """Run headless Chromium until the end of the ``with`` block.

    :param playwright: the driver of Playwright
    :param options: additional options of the command line
    :raises FileNotFoundError: Chromium is not installed
    """
    if (path := find_browser()) is None:
        raise FileNotFoundError("No Chromium on the PATH. On Debian: apt-get install chromium")
    # Chromium does not start as root with its sandbox.
    arguments = ["--no-sandbox", "--mute-audio", *options]
    with playwright.chromium.launch(executable_path=path, args=arguments) as browser:
        yield browser
