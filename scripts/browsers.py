"""Finds the Chromium of this machine, for screenshots and for the tests in ``tests/browser``."""

from __future__ import annotations

import shutil

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
"""The commands of Chromium and Chrome. Debian's package is ``chromium``."""


def find_browser() -> str | None:
    """Return the path of Chromium, or None if it is not installed."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)
