"""The page of the *Listen* tab plays the speech of a task or of a DAG run, and shows its facts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from airflow_polly_provider.captions.convert import captions_from_marks
from airflow_polly_provider.emulator.testing import running_emulator
from tests.browser.books import joined_book, joined_marks, read_marks, spoken_pieces, tone_piece
from tests.browser.listen_server import SANDBOX, Speech, listen_site
from tests.browser.test_read_along import COLOURS, contrast
from tests.chromium import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import FrameLocator, Page

    from tests.browser.listen_server import ListenSite

TEXTS = (
    "Alice was beginning to get very tired of sitting by her sister on the bank. ",
    "So she was considering whether the pleasure of making a daisy-chain would be worth the trouble. ",
    "Suddenly a White Rabbit with pink eyes ran close by her 😀, and hurried on. ",
)
TITLES = ("Down the Rabbit-Hole", "The daisy-chain", None)
REASON = "Polly rejected the text: unclosed tag <speak>.\nCorrect the SSML, then clear the task."
MARKUP = "<img src=x onerror=alert(1)><b>\"bold\"</b> & 'more'"
CURRENT = "[aria-current]"
PLAYING = "!document.querySelector('#audio').paused"
LOADED = "document.querySelector('#audio').readyState >= 1"


@dataclass(frozen=True, kw_only=True)
class Book:
    """A document with captions, and what is known about it.

    :param speech: the track
    :param starts: the starts of the chapters in seconds
    :param words: the speech marks of its words
    """

    speech: Speech
    starts: list[float]
    words: list[dict[str, Any]]


@pytest.fixture(scope="module")
def book() -> Book:
    with running_emulator() as emulator:
        audio, marks = spoken_pieces(emulator, TEXTS, "Amy")
    joined = joined_book(audio)
    all_marks = joined_marks(marks, TEXTS, joined.starts)
    captions, transcript = (
        "".join(captions_from_marks(all_marks, kind, duration_seconds=joined.seconds))
        for kind in ("vtt", "json")
    )
    speech = Speech(
        track={"task_id": "speak_book", "seconds": joined.seconds},
        audio=joined.audio,
        captions=captions,
        transcript=json.loads(transcript),
        chapters=[
            {"title": title, "level": 1, "start": start}
            for title, start in zip(TITLES, joined.starts, strict=True)
        ],
    )
    words = [mark for mark in read_marks(all_marks) if mark["type"] == "word"]
    return Book(speech=speech, starts=joined.starts, words=words)


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return an mp3 file of one second."""
    return tone_piece(tmp_path_factory.mktemp("tone") / "tone.mp3", 440, 1)


@pytest.fixture
def listen() -> Iterator[ListenSite]:
    with listen_site() as site:
        yield site


def show(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("html[data-ready]")


def facts(page: Page, place: str = "#facts") -> dict[str, str]:
    """Return the labels and the values of a list of facts."""
    labels = page.locator(f"{place} dt").all_inner_texts()
    values = page.locator(f"{place} dd bdi").all_inner_texts()
    return dict(zip(labels, values, strict=True))


def messages(page: Page) -> list[str]:
    return [str(text) for text in page.locator("#messages .message > span").all_inner_texts()]


def current_time(page: Page) -> float:
    return float(page.evaluate("document.querySelector('#audio').currentTime"))


def word_at(book: Book, seconds: float) -> str:
    return str([word for word in book.words if word["time"] <= seconds * 1000 + 1][-1]["value"])


def refused(complaints: list[str]) -> list[str]:
    """Return the complaints that do not only tell the status of an answer."""
    return [text for text in complaints if "Failed to load resource" not in text]


def test_a_speech_is_shown_with_its_facts(
    page: Page, listen: ListenSite, tone: bytes, complaints: list[str]
) -> None:
    track = {"seconds": 1.0, "cost": 0.023024, "spoken_characters": 1402}
    listen.speeches = [Speech(track=track, audio=tone)]
    show(page, listen.page_url("speak"))
    wait_until(page, LOADED)
    assert facts(page) == {
        "Voice": "Amy",
        "Engine": "neural",
        "Language": "en-GB",
        "Format": "mp3, 24,000 Hz",
        "Duration": "1 s",
        "Billed characters": "1,439",
        "Spoken characters": "1,402",
        "Cost": "0.023024",
        "TaskId": "86f36890-d66b-4994-9d44-6f935ac824fc",
        "S3 URI": "s3://polly-demo/audio/speak.mp3",
    }
    assert page.locator("#track-name").inner_text() == "speak"
    assert page.locator("#track-status").inner_text() == "Completed"
    for place in ("#playlist", "#transcript", "#chapters", "#caption", "#reason"):
        assert page.locator(place).is_hidden(), place
    assert page.locator("#duration").inner_text() == "0:01"
    page.locator("#play").click()
    wait_until(page, "document.querySelector('#audio').ended")
    assert page.locator("#play").get_attribute("aria-label") == "Play"
    assert messages(page) == []
    assert complaints == []


def test_facts_that_are_not_known_are_not_shown(page: Page, listen: ListenSite, tone: bytes) -> None:
    unknown = dict.fromkeys(
        ("engine", "language", "sample_rate", "characters", "spoken_characters", "s3_uri")
    )
    listen.speeches = [Speech(track={**unknown, "unchanged": True}, audio=tone)]
    show(page, listen.page_url("speak"))
    assert list(facts(page)) == ["Voice", "Format", "Unchanged", "TaskId"]
    assert facts(page)["Unchanged"] == "Up to date, nothing was billed"
    assert page.locator("#track-status").inner_text() == "Up to date"


def test_a_document_has_chapters_captions_and_words_that_follow(
    page: Page, listen: ListenSite, book: Book, complaints: list[str]
) -> None:
    listen.speeches = [book.speech]
    show(page, listen.page_url("speak_book"))
    wait_until(page, LOADED)
    assert page.locator("#chapter-list span").all_inner_texts() == [*TITLES[:2], "Chapter 3"]
    assert page.locator("#marks .mark").count() == 2
    for number in (2, 0, 1):
        page.locator("#chapter-list button").nth(number).click()
        assert current_time(page) == pytest.approx(book.starts[number], abs=0.001)
        assert page.locator(f"#chapter-list {CURRENT} span").inner_text() == (TITLES[number] or "Chapter 3")
    page.evaluate("document.querySelector('#audio').currentTime += 0.8")
    expected = word_at(book, book.starts[1] + 0.8)
    wait_until(page, f"document.querySelector('#text {CURRENT}').textContent === {json.dumps(expected)}")
    wait_until(page, f"document.querySelector('#caption').textContent.includes({json.dumps(expected)})")
    page.locator("#text span", has_text="Rabbit").click()
    (rabbit,) = (word for word in book.words if word["value"] == "Rabbit")
    assert current_time(page) == pytest.approx(rabbit["time"] / 1000, abs=0.001)
    assert page.locator(f"#text {CURRENT}").inner_text() == "Rabbit"
    page.locator("#play").click()
    later = book.words.index(rabbit) + 2
    wait_until(page, f"document.querySelector('#text {CURRENT}').dataset.word >= {later}")
    assert complaints == []
    assert messages(page) == []


def test_a_click_near_a_mark_of_the_timeline_seeks_to_the_chapter(
    page: Page, listen: ListenSite, book: Book
) -> None:
    listen.speeches = [book.speech]
    show(page, listen.page_url("speak_book"))
    wait_until(page, LOADED)
    mark = page.locator("#marks .mark").nth(1).bounding_box()
    assert mark
    page.mouse.click(mark["x"] + 4, mark["y"] + 4)
    assert current_time(page) == pytest.approx(book.starts[2], abs=0.001)
    assert "Chapter 3" in page.locator("#bubble").inner_text()
    page.mouse.click(mark["x"] + 40, mark["y"] + 4)
    assert current_time(page) > book.starts[2] + 0.2


def test_the_keyboard_plays_and_seeks(page: Page, listen: ListenSite, book: Book) -> None:
    listen.speeches = [book.speech]
    show(page, listen.page_url("speak_book"))
    wait_until(page, LOADED)
    page.keyboard.press("Space")
    wait_until(page, PLAYING)
    page.keyboard.press("Space")
    assert not page.evaluate(PLAYING)
    page.locator("#timeline").focus()
    page.keyboard.press("Home")
    for key, seconds in [
        ("ArrowRight", 5.0),
        ("ArrowLeft", 0.0),
        ("ArrowLeft", 0.0),
        ("PageDown", book.starts[1]),
        ("PageDown", book.starts[2]),
        ("PageUp", book.starts[1]),
    ]:
        page.keyboard.press(key)
        assert current_time(page) == pytest.approx(seconds, abs=0.001), key
    label = page.locator("#timeline").get_attribute("aria-valuetext")
    assert label
    assert label.endswith(", The daisy-chain")
    page.keyboard.press("Space")
    wait_until(page, PLAYING)
    # In a control, the space key belongs to the control.
    page.locator("#mute").focus()
    page.keyboard.press("Space")
    page.wait_for_selector("#mute[aria-pressed=true]")
    assert page.evaluate(PLAYING)


def test_arrow_keys_and_enter_lead_to_a_word(page: Page, listen: ListenSite, book: Book) -> None:
    listen.speeches = [book.speech]
    show(page, listen.page_url("speak_book"))
    wait_until(page, LOADED)
    page.locator("#follow").focus()
    page.keyboard.press("Tab")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.locator(f"#text {CURRENT}").inner_text() == book.words[4]["value"]
    assert current_time(page) == pytest.approx(book.words[4]["time"] / 1000, abs=0.001)


def test_all_controls_are_reached_with_tab_and_show_the_focus(
    page: Page, listen: ListenSite, book: Book, tone: bytes
) -> None:
    listen.speeches = [book.speech, Speech(audio=tone), Speech(track={"status": "failed"})]
    page.set_viewport_size({"width": 1280, "height": 720})
    show(page, listen.page_url())
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        element, outline = page.evaluate(
            "(({ id, className, tagName, parentNode }) => ["
            "id || className || parentNode.parentNode.id || tagName,"
            "getComputedStyle(document.activeElement).outlineStyle])(document.activeElement)"
        )
        if element == "BODY":
            break
        assert outline != "none", element
        reached.append(element)
    ids = [id for id in dict.fromkeys(reached) if id]
    assert {"play", "next", "timeline", "mute", "volume", "speed", "search", "failed", "row"} <= set(ids)
    assert {"chapter-list", "follow", "download"} <= set(ids)


def three_tracks(tone: bytes) -> list[Speech]:
    return [
        Speech(track={"task_id": "one", "seconds": 1.0, "cost": 0.01}, audio=tone),
        Speech(
            track={
                "task_id": "two",
                "map_index": 3,
                "status": "failed",
                "reason": REASON,
                "characters": None,
                "s3_uri": None,
            }
        ),
        Speech(
            track={"task_id": "three", "item": "intro", "unchanged": True, "seconds": 1.0, "characters": 0},
            audio=tone,
        ),
    ]


def test_a_run_is_a_playlist_that_plays_one_after_the_other(
    page: Page, listen: ListenSite, tone: bytes, complaints: list[str]
) -> None:
    listen.speeches = three_tracks(tone)
    show(page, listen.page_url())
    assert page.locator("#title").inner_text() == "Audio of this DAG run"
    assert facts(page, "#totals") == {
        "Tracks": "3",
        "Completed": "2",
        "Failed": "1",
        "Up to date": "1",
        "Duration": "0:02",
        "Billed characters": "1,439",
        "Cost": "0.01",
    }
    rows = page.locator("#rows tr")
    assert rows.locator("button").all_inner_texts() == ["one", "two [3]", "intro"]
    assert rows.locator(".task").all_inner_texts() == ["three"]
    assert rows.locator(".status").all_inner_texts() == ["Completed", "Failed", "Up to date"]
    assert rows.nth(1).locator(".reason").inner_text() == REASON
    assert page.locator(f"#rows {CURRENT} button").inner_text() == "one"
    assert not page.evaluate(PLAYING)
    page.locator("#play").click()
    wait_until(page, f"document.querySelector('#rows {CURRENT} button').textContent === 'intro'")
    wait_until(page, PLAYING)
    assert page.locator("#track-name").inner_text() == "intro"
    assert page.locator("#track-task").inner_text() == "three"
    wait_until(page, "document.querySelector('#audio').ended")
    assert page.locator("#next").is_disabled()
    assert complaints == []
    page.locator("#previous").click()
    assert page.locator("#track-name").inner_text() == "one"


def test_a_failed_track_tells_its_reason_in_lines(
    page: Page, listen: ListenSite, tone: bytes, complaints: list[str]
) -> None:
    listen.speeches = three_tracks(tone)
    show(page, listen.page_url())
    page.locator("#rows button", has_text="two").click()
    assert page.locator("#reason").inner_text() == REASON
    assert page.locator("#controls").is_hidden()
    assert page.locator("#track-status").inner_text() == "Failed"
    show(page, listen.page_url("two", 3))
    assert page.locator("#reason").inner_text() == REASON
    assert page.locator("#download").is_hidden()
    assert complaints == []


def test_a_selected_row_plays_and_a_second_click_pauses(page: Page, listen: ListenSite, book: Book) -> None:
    listen.speeches = [Speech(track={"status": "failed"}), book.speech]
    show(page, listen.page_url())
    assert page.locator(f"#rows {CURRENT} button").inner_text() == "speak_book"
    page.locator("#rows button").first.click()
    assert page.locator("#reason").inner_text() == "The task failed. Its log says why."
    page.locator("#rows button").nth(1).click()
    wait_until(page, PLAYING)
    page.locator("#rows button").nth(1).click()
    assert not page.evaluate(PLAYING)


def test_what_the_browser_cannot_play_has_facts_and_a_reason(page: Page, listen: ListenSite) -> None:
    listen.speeches = [Speech(track={"format": "pcm", "reason": "The browser cannot play PCM audio."})]
    show(page, listen.page_url("speak"))
    assert page.locator("#reason").inner_text() == "The browser cannot play PCM audio."
    assert facts(page)["Format"] == "pcm, 24,000 Hz"
    assert page.locator("#controls").is_hidden()
    assert not any("audio" in path for path in listen.requested)


def test_the_items_of_a_batch_are_requested_by_id(page: Page, listen: ListenSite, book: Book) -> None:
    for item in ("a/b+c d", "é"):
        track = {**book.speech.track, "item": item}
        listen.speeches.append(
            Speech(track=track, audio=book.speech.audio, transcript=book.speech.transcript)
        )
    show(page, listen.page_url("speak_book"))
    assert page.locator("#title").inner_text() == "Audio of this task"
    # In a narrow window, the details are closed so that the list is near.
    assert page.locator("#facts").is_hidden()
    page.locator("#details-title").click()
    page.locator("#rows button").nth(1).click()
    wait_until(page, PLAYING)
    page.wait_for_selector("#text p")
    audio = [path for path in listen.requested if "/audio?" in path]
    assert audio[0].endswith("&map_index=-1&item=a%2Fb%2Bc%20d")
    assert audio[-1].endswith("&item=%C3%A9")


def test_another_track_has_its_own_text_and_starts_at_its_beginning(
    page: Page, listen: ListenSite, book: Book, complaints: list[str]
) -> None:
    for number in (1, 2):
        body = f"Word{number} next{number}"
        words = [
            {"startTime": 0.0, "body": f"Word{number}", "start": 0, "end": 5},
            {"startTime": 1.0, "body": f"next{number}", "start": 6, "end": 11},
        ]
        transcript = {"segments": [{"startTime": 0.0, "endTime": 2.0, "body": body, "words": words}]}
        listen.speeches.append(
            Speech(track={"item": f"item {number}"}, audio=book.speech.audio, transcript=transcript)
        )
    show(page, listen.page_url("speak"))
    page.locator("#details-title").click()
    page.locator("#text span", has_text="next1").click()
    wait_until(page, "document.querySelector('#text [aria-current]')?.textContent === 'next1'")
    page.locator("#rows button").nth(1).click()
    page.wait_for_selector("#text span:has-text('Word2')")
    assert page.locator("#text").inner_text() == "Word2 next2"
    wait_until(page, "document.querySelector('#text [aria-current]')?.textContent === 'next2'")
    page.locator("#play").click()
    assert complaints == []


def test_audio_that_was_missing_can_be_played_when_it_is_there(
    page: Page, listen: ListenSite, tone: bytes
) -> None:
    listen.speeches.append(Speech(audio=tone))
    listen.errors["audio"] = (404, {"detail": "The object does not exist."})
    page.goto(listen.page_url("speak"))
    page.wait_for_selector(".message.bad")
    page.locator("#play").click()
    page.wait_for_selector(".message.bad")
    wait_until(page, "document.querySelector('#play').getAttribute('aria-label') === 'Play'")
    del listen.errors["audio"]
    page.locator("#play").click()
    wait_until(page, PLAYING)
    assert messages(page) == []


def test_ten_thousand_tracks_stay_usable(
    page: Page, listen: ListenSite, tone: bytes, complaints: list[str]
) -> None:
    for number in range(10_000):
        is_failed = number % 100 == 7
        track: dict[str, Any] = {"item": f"line-{number:05}", "seconds": 1.0}
        if is_failed:
            track |= {"status": "failed", "reason": REASON, "seconds": None}
        listen.speeches.append(Speech(track=track, audio=None if is_failed else tone))
    show(page, listen.page_url("speak"))
    loaded = page.evaluate("performance.now()")
    rows = page.locator("#rows tr")
    assert rows.count() == 200
    assert page.locator("#count").inner_text() == "Showing 200 of 10,000."
    page.locator("#more").click()
    assert rows.count() == 400
    assert page.evaluate("document.activeElement.textContent") == "line-00200"
    page.locator("#failed").check()
    assert rows.count() == 100
    assert page.locator("#count").inner_text() == "100 of 10,000 tracks found."
    page.locator("#failed").uncheck()
    began = page.evaluate("performance.now()")
    page.locator("#search").fill("LINE-0999")
    assert rows.count() == 10
    filtered = page.evaluate("performance.now()") - began
    page.locator("#rows button", has_text="line-09998").click()
    wait_until(page, "document.querySelector('#track-name').textContent === 'line-09999'")
    page.locator("#search").fill("no such line")
    assert page.locator("#count").inner_text() == "No track found."
    print(f"loaded after {loaded:.0f} ms; the search took {filtered:.0f} ms")
    assert loaded < 10_000
    assert filtered < 2000
    assert complaints == []


def test_the_next_track_is_found_beyond_the_rows_that_are_shown(
    page: Page, listen: ListenSite, tone: bytes
) -> None:
    listen.speeches = [Speech(track={"map_index": number}) for number in range(500)]
    for number in (0, 450):
        listen.speeches[number].audio = tone
    show(page, listen.page_url())
    page.locator("#next").click()
    assert page.locator(f"#rows {CURRENT} button").inner_text() == "speak [450]"


def test_markup_in_data_is_shown_as_text(
    page: Page, listen: ListenSite, tone: bytes, complaints: list[str]
) -> None:
    names = ("task_id", "item", "status", "reason", "voice", "engine", "language", "format", "sample_rate")
    track = dict.fromkeys((*names, "synthesis_task_id", "s3_uri"), MARKUP)
    escaped = MARKUP.replace("&", "&amp;").replace("<", "&lt;")
    words = [{"startTime": 0, "start": 0, "end": 39}]
    speech = Speech(
        track=track,
        audio=tone,
        captions=f"WEBVTT\n\n00:00.000 --> 00:09.000\n{escaped}\n",
        transcript={"segments": [{"startTime": 0, "body": MARKUP, "words": words}]},
        chapters=[{"title": MARKUP, "level": 1, "start": 0}],
    )
    listen.speeches = [speech, speech]
    listen.messages = [MARKUP]
    page.on("dialog", lambda dialog: pytest.fail("a dialog opened"))
    page.set_viewport_size({"width": 1280, "height": 720})
    show(page, listen.page_url())
    wait_until(page, LOADED)
    page.evaluate("document.querySelector('#audio').currentTime = 0.5")
    wait_until(page, "document.querySelector('#caption').textContent !== ''")
    for place in ("#track-name", "#track-task", "#track-status", "#reason", "#caption", "#text p"):
        assert page.locator(place).text_content() == MARKUP, place
    for place in ("#chapter-list span", "#messages span", "#rows button", "#rows .task", "#rows .reason"):
        assert page.locator(place).first.text_content() == MARKUP, place
    assert facts(page)["S3 URI"] == MARKUP
    assert page.locator("img, b").count() == 0
    assert complaints == []


@pytest.mark.parametrize("task_id", ["a+b:c%20d/é", "100%", "\"quotes\" & 'more'", "x=y", "<b>#?</b>"])
def test_encoded_ids_are_requested_unchanged(
    page: Page, listen: ListenSite, tone: bytes, task_id: str, complaints: list[str]
) -> None:
    """Airflow 3.2 and later encode the ids in the address."""
    listen.dag_id = "books é+%"
    listen.run_id = task_id
    listen.speeches = [Speech(track={"task_id": task_id, "map_index": 2}, audio=tone)]
    show(page, listen.page_url(task_id, 2))
    wait_until(page, LOADED)
    assert page.locator("#track-name").inner_text() == f"{task_id} [2]"
    assert complaints == []


@pytest.mark.parametrize("task_id", ["a+b:c/é", "100%", "plain.group-1"])
def test_ids_that_are_not_encoded_are_requested_unchanged(
    page: Page, listen: ListenSite, tone: bytes, task_id: str, complaints: list[str]
) -> None:
    """Airflow 3.1 inserts the ids into the address as they are."""
    listen.speeches = [Speech(track={"task_id": task_id}, audio=tone)]
    show(page, listen.raw_url(f"run_id={listen.run_id}&task_id={task_id}&map_index={{MAP_INDEX}}"))
    wait_until(page, LOADED)
    assert page.locator("#track-name").inner_text() == task_id
    assert complaints == []


@pytest.mark.parametrize("map_index", ["{MAP_INDEX}", "%7BMAP_INDEX%7D", "", "None", "-1", "1.5"])
def test_a_map_index_that_is_no_integer_means_a_task_that_is_not_mapped(
    page: Page, listen: ListenSite, tone: bytes, map_index: str
) -> None:
    listen.speeches = [Speech(audio=tone)]
    show(page, listen.raw_url(f"run_id={quote(listen.run_id)}&task_id=speak&map_index={map_index}"))
    assert page.locator("#track-name").inner_text() == "speak"


def test_without_a_task_the_page_shows_the_run(page: Page, listen: ListenSite, tone: bytes) -> None:
    listen.speeches = three_tracks(tone)
    show(page, listen.raw_url(f"run_id={listen.run_id}&task_id={{TASK_ID}}&map_index={{MAP_INDEX}}"))
    assert page.locator("#title").inner_text() == "Audio of this DAG run"


def in_frame(page: Page, url: str) -> FrameLocator:
    page.goto(url)
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for()
    return frame


def test_the_page_follows_the_theme_of_airflow(
    page: Page, listen: ListenSite, tone: bytes, complaints: list[str]
) -> None:
    listen.speeches = [Speech(audio=tone)]
    page.emulate_media(color_scheme="light")
    frame = in_frame(page, listen.frame_url(listen.page_url("speak"), theme="dark"))
    for theme in ("dark", "light", "dark"):
        page.evaluate("(theme) => { document.documentElement.className = theme; }", theme)
        frame.locator(f"html[data-theme={theme}]").wait_for()
    background = frame.locator("body").evaluate("(body) => getComputedStyle(body).backgroundColor")
    assert background == "rgb(21, 29, 44)"
    # Chromium always warns about the sandbox that Airflow's UI chooses.
    assert [text for text in complaints if "sandbox attribute" not in text] == []


@pytest.mark.parametrize(
    ("stored", "system", "theme"),
    [
        ("dark", "light", "dark"),
        ("light", "dark", "light"),
        ("system", "dark", "dark"),
        (None, "dark", "dark"),
    ],
)
def test_outside_of_airflow_the_stored_theme_or_that_of_the_system_is_used(
    page: Page, listen: ListenSite, stored: str | None, system: Any, theme: str
) -> None:
    page.emulate_media(color_scheme=system)
    show(page, listen.page_url())
    if stored:
        page.evaluate("(stored) => localStorage.setItem('theme', stored)", stored)
        page.reload()
    assert page.locator("html").get_attribute("data-theme") == theme


def test_the_contrast_is_sufficient_in_both_themes(
    page: Page, listen: ListenSite, book: Book, tone: bytes
) -> None:
    listen.speeches = [book.speech, *three_tracks(tone), Speech(track={"status": "inProgress"})]
    places = (
        *("h1", "#totals dt", "#track-name", "#hint", "#text [aria-current]", "#rows .reason.bad", ".task"),
        *("#facts dt", ".status.good", ".status.bad", ".status.busy", "#play", "#duration"),
    )
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        show(page, listen.page_url())
        wait_until(page, LOADED)
        page.evaluate("document.querySelector('#audio').currentTime = 1")
        wait_until(page, f"document.querySelector('#text {CURRENT}') !== null")
        found = {place: contrast(*page.evaluate(COLOURS, place)) for place in places}
        assert min(found.values()) >= 4.5, (theme, found)


@pytest.mark.parametrize(
    ("sandbox", "is_shown"), [(None, True), (SANDBOX, False), (f"{SANDBOX} allow-downloads", True)]
)
def test_the_download_link_is_shown_where_the_frame_allows_it(
    page: Page, listen: ListenSite, tone: bytes, sandbox: str | None, is_shown: bool
) -> None:
    listen.speeches = [Speech(audio=tone)]
    url = listen.page_url("speak")
    if sandbox is None:
        show(page, url)
        link = page.locator("#download")
    else:
        link = in_frame(page, listen.frame_url(url, sandbox=sandbox)).locator("#download")
    assert link.is_visible() == is_shown
    if is_shown:
        with page.expect_download() as download:
            link.click()
        assert download.value.suggested_filename == "speak.mp3"
        assert download.value.path().read_bytes() == tone


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_the_s3_uri_can_be_copied(
    page: Page, listen: ListenSite, tone: bytes, has_clipboard: bool, complaints: list[str]
) -> None:
    listen.speeches = [Speech(audio=tone)]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    show(page, listen.page_url("speak"))
    if not has_clipboard:
        page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    button = page.locator("#facts .copy").nth(1)
    assert button.get_attribute("aria-label") == "Copy: S3 URI"
    button.click()
    page.wait_for_selector(".copy:text-is('Copied')")
    # Another page of the same site reads the clipboard.
    with page.context.new_page() as other:
        other.goto(listen.page_url("speak"))
        assert other.evaluate("navigator.clipboard.readText()") == "s3://polly-demo/audio/speak.mp3"
    assert complaints == []


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, {"detail": "Log in to Airflow."}, "Log in to Airflow."),
        (
            403,
            {"detail": "You may not read the XComs of this DAG."},
            "You may not read the XComs of this DAG.",
        ),
        (404, {"detail": MARKUP}, MARKUP),
        (422, {"detail": [{"loc": ["query"]}]}, "The server answered with status 422."),
        (502, None, "The server answered with status 502."),
    ],
)
def test_an_error_is_told_with_the_servers_sentence(
    page: Page, listen: ListenSite, status: int, body: Any, message: str, complaints: list[str]
) -> None:
    listen.errors["task"] = (status, body)
    show(page, listen.page_url("speak"))
    assert messages(page) == [message]
    assert page.locator("#player").is_hidden()
    assert page.locator("#columns").is_hidden()
    assert refused(complaints) == []
    listen.errors.clear()
    listen.speeches = [Speech()]
    page.locator(".reload").click()
    page.locator("#track-name", has_text="speak").wait_for()


def test_a_network_failure_is_told(page: Page, listen: ListenSite, complaints: list[str]) -> None:
    page.route("**/run?*", lambda route: route.abort())
    show(page, listen.page_url())
    assert messages(page) == ["The server could not be reached. Check the network, then reload this page."]
    assert refused(complaints) == []


def test_an_address_without_a_run_is_told(page: Page, listen: ListenSite) -> None:
    show(page, listen.raw_url("run_id={RUN_ID}"))
    assert messages(page) == [
        "The address has no run. Open the Listen tab of a task or of a DAG run in Airflow."
    ]


@pytest.mark.parametrize("sentence", ["This task has no speech of Amazon Polly.", None])
def test_a_task_without_speech_has_a_sentence(
    page: Page, listen: ListenSite, sentence: str | None, complaints: list[str]
) -> None:
    listen.messages = [sentence] if sentence else []
    show(page, listen.page_url("other"))
    assert messages(page) == [sentence or "This task has no audio to play."]
    assert complaints == []


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ("audio", "The audio could not be loaded. Gone."),
        ("captions", "The captions could not be loaded, or they are not a WebVTT file."),
        ("transcript", "The transcript could not be loaded. Gone."),
        ("chapters", "The chapters could not be loaded. Gone."),
    ],
)
def test_a_file_that_cannot_be_loaded_is_told(
    page: Page, listen: ListenSite, book: Book, route: str, message: str, complaints: list[str]
) -> None:
    listen.speeches = [book.speech]
    listen.errors[route] = (404, {"detail": "Gone."})
    show(page, listen.page_url("speak_book"))
    page.locator(".message").wait_for()
    assert messages(page) == [message]
    assert page.locator("#text p").count() == (0 if route == "transcript" else len(TEXTS))
    assert page.locator("#chapter-list button").count() == (0 if route == "chapters" else len(TEXTS))
    assert refused(complaints) == []


def test_the_message_about_a_track_goes_when_another_is_selected(
    page: Page, listen: ListenSite, tone: bytes
) -> None:
    broken = Speech(track={"task_id": "broken"}, audio=b"no audio")
    listen.speeches = [broken, Speech(audio=tone)]
    show(page, listen.page_url())
    page.locator(".message").wait_for()
    assert messages(page) == [
        "The browser cannot play this audio: it is damaged, or the browser does not know its format."
    ]
    page.locator("#rows button").nth(1).click()
    assert messages(page) == []


def test_unfinished_tracks_are_told_with_a_button_to_reload(
    page: Page, listen: ListenSite, tone: bytes
) -> None:
    listen.speeches = [Speech(track={"status": "inProgress", "s3_uri": None})]
    show(page, listen.page_url("speak"))
    assert messages(page) == [
        "This audio was not finished when the task last reported it. Reload to read the newest report."
    ]
    assert (
        page.locator("#reason").inner_text()
        == "Amazon Polly had not finished this audio when the task last reported it."
    )
    listen.speeches = [Speech(audio=tone)]
    page.locator(".reload").click()
    page.locator("#track-status", has_text="Completed").wait_for()
    assert messages(page) == []


@pytest.mark.parametrize("width", [360, 640, 760, 1100, 1300, 1600])
def test_the_layout_fits_the_width(
    page: Page, listen: ListenSite, book: Book, tone: bytes, width: int
) -> None:
    long = Speech(track={"task_id": "a" * 200, "item": "b" * 200, "s3_uri": f"s3://{'c' * 300}"}, audio=tone)
    page.set_viewport_size({"width": width, "height": 450})
    listen.speeches = [long, book.speech, *three_tracks(tone)]
    for url in (listen.page_url(), listen.page_url("speak_book")):
        show(page, url)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        timeline = page.locator("#timeline").bounding_box()
        assert timeline
        assert timeline["width"] >= 200


def test_only_the_server_of_the_page_is_asked(page: Page, listen: ListenSite, book: Book) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    listen.speeches = [book.speech]
    show(page, listen.page_url("speak_book"))
    wait_until(page, LOADED)
    folder = listen.page_url().partition("listen?")[0]
    assert [url for url in requested if not url.startswith((folder, "data:"))] == []
