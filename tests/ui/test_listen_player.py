"""The player of the tab Listen, for a document with chapters, captions and a transcript."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chromium import wait_until
from tests.ui.airflow_ui import with_audio
from tests.ui.listening import AUDIOBOOK, CAPTIONS

if TYPE_CHECKING:
    from playwright.sync_api import Frame

    from tests.ui.airflow_ui import AirflowUI
    from tests.ui.listening import Listening

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

STEP_SECONDS = 5
MOST_TABS = 30


def time_of(frame: Frame) -> float:
    """Return the position of the audio in seconds."""
    time: float = frame.evaluate("audio.currentTime")
    return time


def current(frame: Frame, within: str) -> str:
    """Return the text of the current chapter or word."""
    text: str = frame.locator(f"#{within} [aria-current]").inner_text()
    return text


def press_tab_until(ui: AirflowUI, frame: Frame, element_id: str) -> None:
    for _ in range(MOST_TABS):
        ui.page.keyboard.press("Tab")
        if frame.evaluate("document.activeElement.id") == element_id:
            return
    pytest.fail(f"{element_id} is not reached with the Tab key")


def test_a_click_on_a_chapter_or_a_word_moves_playback_and_the_words_follow(
    ui: AirflowUI, airflow: Listening
) -> None:
    frame = with_audio(ui.listen(CAPTIONS, "article"))
    result = airflow.xcoms(CAPTIONS, "article")
    chapters = {chapter["Title"]: chapter["StartSeconds"] for chapter in result["Chapters"]}

    assert frame.evaluate("audio.duration") == pytest.approx(result["DurationSeconds"], abs=0.1)
    assert frame.locator("#chapter-list button span").all_inner_texts() == list(chapters)

    frame.locator("#chapter-list button", has_text="Speaking").click()
    assert time_of(frame) == pytest.approx(chapters["Speaking"], abs=0.1)
    assert "Speaking" in current(frame, "chapter-list")
    assert frame.evaluate("audio.paused"), "a jump does not start the audio"

    frame.locator("#play").click()
    wait_until(frame, f"audio.currentTime > {chapters['Speaking'] + 1.5}")
    wait_until(frame, "document.getElementById('caption').textContent.includes('melody')")
    first = current(frame, "text")
    wait_until(frame, f"document.querySelector('#text [aria-current]').textContent !== {first!r}")
    frame.locator("#play").click()
    assert frame.evaluate("audio.paused")

    frame.locator("#text [data-word]", has_text="Meanwhile").click()
    assert current(frame, "text") == "Meanwhile"
    assert "Showing" in current(frame, "chapter-list")
    assert chapters["Showing"] <= time_of(frame) < chapters["Showing"] + 2


def test_an_audiobook_is_played_with_the_keyboard(ui: AirflowUI, airflow: Listening) -> None:
    frame = with_audio(ui.listen(AUDIOBOOK, "book"))
    assert frame.evaluate("audio.duration") == pytest.approx(
        airflow.xcoms(AUDIOBOOK, "book")["DurationSeconds"], abs=0.1
    )
    # Airflow's own elements come before the frame.
    frame.locator("#track-name").click()
    frame.evaluate("getSelection().removeAllRanges()")

    press_tab_until(ui, frame, "play")
    ui.page.keyboard.press("Space")
    wait_until(frame, "!audio.paused && audio.currentTime > 0.3")
    ui.page.keyboard.press("Space")
    wait_until(frame, "audio.paused")

    press_tab_until(ui, frame, "timeline")
    before = time_of(frame)
    ui.page.keyboard.press("ArrowRight")
    ui.page.keyboard.press("ArrowRight")
    assert time_of(frame) == pytest.approx(before + 2 * STEP_SECONDS, abs=0.2)
    ui.page.keyboard.press("ArrowLeft")
    assert time_of(frame) == pytest.approx(before + STEP_SECONDS, abs=0.2)
    ui.page.keyboard.press("PageDown")
    chapters = airflow.xcoms(AUDIOBOOK, "book")["Chapters"]
    assert time_of(frame) in [pytest.approx(chapter["StartSeconds"], abs=0.2) for chapter in chapters]
    ui.page.keyboard.press("Space")
    wait_until(frame, "!audio.paused")
    ui.page.keyboard.press("Space")
    wait_until(frame, "audio.paused")
