"""The tab Listen in Airflow's UI: that it is there, and what it shows for each kind of task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.stack_support import BUCKET
from tests.ui.airflow_ui import FRAME, RUN_ID, with_audio
from tests.ui.listening import BASIC, CASES, MAPPED, PATH

if TYPE_CHECKING:
    from playwright.sync_api import Frame

    from tests.ui.airflow_ui import AirflowUI
    from tests.ui.listening import Listening

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def facts(frame: Frame, of: str = "facts") -> dict[str, str]:
    """Return the facts that the page lists, by their label. In a narrow frame they are folded."""
    entries = frame.locator(f"#{of} > div")
    return {
        entry.locator("dt").text_content() or "": entry.locator("dd bdi").text_content() or ""
        for entry in entries.all()
    }


def names(frame: Frame) -> list[str]:
    """Return the names in the playlist."""
    shown: list[str] = frame.locator("#rows button.row").all_inner_texts()
    return shown


def test_a_task_instance_has_a_tab_that_shows_its_audio(ui: AirflowUI, airflow: Listening) -> None:
    ui.page.goto(ui.url(BASIC, "start"))
    ui.page.locator('a[href$="/plugin/polly-listen"]').first.click()

    frame = with_audio(ui.frame())

    pushed = airflow.xcoms(BASIC, "start")
    shown = facts(frame)
    assert frame.locator("#track-name").inner_text() == "start"
    assert frame.locator("#track-status").inner_text() == "Completed"
    assert (shown["Voice"], shown["TaskId"]) == ("Amy", pushed["TaskId"])
    assert shown["S3 URI"] == pushed["OutputS3Uri"]
    assert shown["Billed characters"] == f"{pushed['RequestCharacters']:,}"
    assert float(shown["Cost"]) == pytest.approx(pushed["RequestCharacters"] * 4e-6, abs=1e-6)
    assert frame.evaluate("audio.duration") == pytest.approx(pushed["DurationSeconds"], abs=0.1)


def test_a_run_has_a_tab_that_lists_the_audio_of_all_tasks(ui: AirflowUI, airflow: Listening) -> None:
    ui.page.goto(ui.url(CASES))
    ui.page.locator('a[href$="/plugin/polly-listen-run"]').first.click()

    frame = with_audio(ui.frame())

    assert sorted(names(frame)) == ["broken", "good-bye", "menu/2", "no_bucket", "welcome"]
    assert facts(frame, "totals") | {"Duration": "", "Cost": ""} == {
        "Tracks": "5",
        "Completed": "3",
        "Failed": "2",
        "Duration": "",
        "Billed characters": str(airflow.xcoms(CASES, "prompts")["RequestCharacters"]),
        "Cost": "",
    }
    assert frame.locator("#track-name").inner_text() == "welcome", "the first that can be played"


def test_the_frame_loads_only_what_is_below_the_sub_path(ui: AirflowUI) -> None:
    """Airflow 3.1 does not encode the plus sign in the run's id. All versions limit what the frame may do."""
    frame = ui.listen(BASIC, "start")
    requested = frame.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")

    assert requested
    assert all(f"{PATH}/polly/dags/{BASIC}/" in url for url in requested)
    assert any("run_id=manual__2026-01-01T00%3A00%3A00%2B00%3A00&" in url for url in requested)
    assert RUN_ID in frame.evaluate("decodeURIComponent(location.search)")
    allowed = (ui.page.locator(FRAME).get_attribute("sandbox") or "").split()
    assert {"allow-scripts", "allow-same-origin", "allow-forms"} <= set(allowed)
    assert frame.locator("#download").is_visible() == ("allow-downloads" in allowed)


def test_a_mapped_task_instance_shows_its_own_audio(ui: AirflowUI, airflow: Listening) -> None:
    frame = with_audio(ui.listen(MAPPED, "gate", 2))

    assert frame.locator("#track-name").inner_text() == "gate [2]"
    assert facts(frame)["TaskId"] == airflow.xcoms(MAPPED, "gate", 2)["TaskId"]


def test_the_run_of_a_mapped_task_lists_each_audio_once(ui: AirflowUI) -> None:
    """The sensor reports the audio of the mapped start task too."""
    frame = with_audio(ui.listen(MAPPED))

    assert [name[-3:] for name in names(frame)] == ["[0]", "[1]", "[2]"]
    assert facts(frame, "totals")["Tracks"] == "3"


def test_a_batch_is_a_playlist_with_the_ids_of_its_items(ui: AirflowUI) -> None:
    frame = with_audio(ui.listen(CASES, "prompts"))

    assert names(frame) == ["welcome", "broken", "menu/2", "good-bye"]
    assert facts(frame, "totals")["Completed"] == "3"

    frame.get_by_label("Search tracks").fill("MENU")
    assert names(frame) == ["menu/2"]
    frame.locator("#rows button.row").click()

    assert frame.locator("#track-name").inner_text() == "menu/2"
    assert facts(frame)["S3 URI"] == f"s3://{BUCKET}/menu/two.wav"
    with_audio(frame)


def test_a_failed_item_of_a_batch_says_why(ui: AirflowUI) -> None:
    frame = ui.listen(CASES, "prompts")
    row = frame.locator("#rows tr", has_text="broken")

    assert "upload file to S3" in row.locator(".reason").inner_text()
    row.locator("button.row").click()
    assert frame.locator("#track-status").inner_text() == "Failed"
    assert not frame.locator("#controls").is_visible()


def test_a_failed_task_says_why_and_what_to_do(ui: AirflowUI, airflow: Listening) -> None:
    frame = ui.listen(CASES, "no_bucket")
    reason = frame.locator("#reason").inner_text()

    assert frame.locator("#track-status").inner_text() == "Failed"
    assert reason == airflow.xcoms(CASES, "no_bucket")["ErrorMessage"]
    assert "upload file to S3" in reason
    assert "check that the output bucket exists" in reason


def test_a_task_of_another_package_shows_one_sentence(ui: AirflowUI) -> None:
    frame = ui.listen(CASES, "silent")

    assert frame.locator("#messages .message").count() == 1
    assert frame.locator("#messages").inner_text().startswith("This task has no")
    assert not frame.locator("#player").is_visible()


def test_the_link_listen_of_a_task_instance_opens_the_tab(ui: AirflowUI) -> None:
    ui.page.goto(ui.url(MAPPED, "start", 1, "details"))
    link = ui.page.locator('a[href^="http"][href*="/plugin/polly-listen"]')
    assert link.inner_text() == "Listen"
    # Airflow 3.3 opens links to its own pages in the same tab of the browser.
    link.evaluate("link => { link.target = '_self'; }")
    link.click()

    assert ui.frame().locator("#track-name").inner_text() == "start [1]"
