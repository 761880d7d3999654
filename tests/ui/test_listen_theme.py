"""The tab Listen follows the theme of Airflow's UI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.chromium import wait_until
from tests.ui.listening import CAPTIONS

if TYPE_CHECKING:
    from playwright.sync_api import Frame

    from tests.ui.airflow_ui import AirflowUI

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def brightness(frame: Frame, of: str) -> float:
    """Return the brightness of a colour of the page's body, from 0 (black) to 1 (white)."""
    colour = frame.evaluate(f"getComputedStyle(document.body).{of}")
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / (3 * 255)


def test_the_frame_follows_the_theme_at_once_and_after_a_reload(ui: AirflowUI) -> None:
    frame = ui.listen(CAPTIONS, "article")
    was_light = frame.evaluate("document.documentElement.dataset.theme") == "light"
    assert was_light == (brightness(frame, "color") < 0.5)

    for theme in ("dark", "light"):
        # What the switch of Airflow's UI does.
        ui.page.evaluate(
            "(theme) => { const root = document.documentElement; root.classList.remove('light', 'dark');"
            "root.classList.add(theme); localStorage.setItem('theme', theme); }",
            theme,
        )
        wait_until(frame, f"document.documentElement.dataset.theme === '{theme}'")
        ui.page.reload()
        frame = ui.frame()
        assert frame.evaluate("document.documentElement.dataset.theme") == theme
        is_dark = theme == "dark"
        assert (brightness(frame, "color") > 0.5) is is_dark
