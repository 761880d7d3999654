"""The read-along page shows the word that is being spoken, and leads to the word that the reader chooses."""

from __future__ import annotations

import base64
import hashlib
import random
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.captions.convert import captions_from_marks
from airflow_polly_provider.emulator.testing import running_emulator
from tests.browser.books import joined_book, joined_marks, read_marks, spoken_pieces, tone_piece
from tests.browser.conftest import READ_ALONG, open_page
from tests.chromium import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from tests.browser.books import JoinedBook
    from tests.browser.conftest import Site

ENGLISH = (
    "Alice was beginning to get very tired of sitting by her sister on the bank. She had peeped into the "
    "book once or twice, but it had no pictures or conversations in it. ",
    "So she was considering, as well as she could, whether the pleasure of making a daisy-chain would be "
    "worth the trouble of getting up & picking the daisies. ",
    "Suddenly a White Rabbit with pink eyes ran close by her. There was nothing so very remarkable in that! ",
    "It took a watch <out of> its waistcoat pocket, and looked at it 😀, and then hurried on. ",
)
ARABIC = ("كانت أليس تجلس بجانب أختها على ضفة النهر. ", "ثم رأت أرنبا أبيض يركض بالقرب منها. ")
MOMENTS = 10

SEEK = """
(time) => new Promise((done) => {
  const audio = document.querySelector("audio");
  audio.addEventListener("seeked", () => setTimeout(() => {
    const marked = document.querySelector("#text [aria-current]");
    const { activeCues } = audio.textTracks[0];
    done({
      cues: Array.from(activeCues, (cue) => cue.getCueAsHTML().textContent),
      shown: document.querySelector("#caption").textContent,
      word: marked?.textContent,
      paragraph: marked?.closest("p").textContent,
      isVisible: marked ? marked.getBoundingClientRect().top > 0 : null,
    });
  }, 100), { once: true });
  audio.currentTime = time;
})
"""


@dataclass(frozen=True, kw_only=True)
class SpokenBook:
    """A joined file with its speech marks."""

    book: JoinedBook
    marks: bytes

    @property
    def words(self) -> list[dict[str, Any]]:
        """The marks of the words."""
        return [mark for mark in read_marks(self.marks) if mark["type"] == "word"]

    def write(self, site: Site) -> dict[str, str]:
        """Write all files of the page, and return its parameters."""
        parameters = self.book.write(site.folder)
        for kind in ("vtt", "json"):
            parts = captions_from_marks(self.marks, kind, duration_seconds=self.book.seconds)
            (site.folder / f"book.{kind}").write_text("".join(parts))
        return {**parameters, "captions": "book.vtt", "transcript": "book.json"}


def spoken_book(texts: tuple[str, ...], voice_id: str) -> SpokenBook:
    with running_emulator() as emulator:
        audio, marks = spoken_pieces(emulator, texts, voice_id)
    book = joined_book(audio)
    return SpokenBook(book=book, marks=joined_marks(marks, texts, book.starts))


@pytest.fixture(scope="module")
def english() -> SpokenBook:
    return spoken_book(ENGLISH, "Amy")


@pytest.fixture(scope="module")
def arabic() -> SpokenBook:
    return spoken_book(ARABIC, "Hala")


def tone(site: Site) -> str:
    """Write two seconds of a tone, and return the file's name."""
    tone_piece(site.folder / "tone.mp3", 440, 2)
    return "tone.mp3"


def messages(page: Page) -> list[str]:
    return [str(text) for text in page.locator("#messages p").all_inner_texts()]


def current_time(page: Page) -> float:
    return float(page.evaluate("document.querySelector('audio').currentTime"))


@pytest.mark.parametrize("element", ["style", "script"])
def test_the_content_security_policy_allows_only_the_pages_own_style_and_script(element: str) -> None:
    page = READ_ALONG.read_text()
    content = page.partition(f"<{element}>")[2].partition(f"</{element}>")[0]
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    assert f"{element}-src 'sha256-{digest}';" in page


@pytest.mark.parametrize("language", ["english", "arabic"])
def test_the_cue_and_the_highlighted_word_are_those_of_the_speech_marks(
    page: Page, site: Site, language: str, request: pytest.FixtureRequest, complaints: list[str]
) -> None:
    spoken: SpokenBook = request.getfixturevalue(language)
    words = spoken.words
    times = [word["time"] for word in words]
    open_page(page, site.page_url(**spoken.write(site)))
    wait_until(page, "document.querySelector('track').readyState === 2")
    chosen = random.Random(language)
    for _ in range(MOMENTS):
        number = chosen.randrange(len(words))
        # The cue of a word may end soon after the word.
        milliseconds = times[number] + chosen.randrange(1, 100)
        expected = words[bisect_right(times, milliseconds) - 1]["value"]
        found = page.evaluate(SEEK, milliseconds / 1000)
        assert expected in " ".join(found["cues"]), milliseconds
        assert found["shown"] == "\n".join(found["cues"])
        assert found["word"] == expected, milliseconds
        assert found["isVisible"]
    assert complaints == []
    assert messages(page) == []


def test_the_highlight_follows_the_speech_while_it_plays(page: Page, site: Site, english: SpokenBook) -> None:
    open_page(page, site.page_url(**english.write(site)))
    seen = page.evaluate(
        """
        async () => {
          const audio = document.querySelector("audio");
          const seen = [];
          await audio.play();
          while (audio.currentTime < 3) {
            const marked = document.querySelector("#text [aria-current]");
            seen.push([audio.currentTime, marked?.textContent ?? ""]);
            await new Promise(requestAnimationFrame);
          }
          audio.pause();
          return seen;
        }
        """
    )
    words = english.words
    first_seen = {word: time for time, word in reversed(seen) if word}
    spoken = [word for word in words if word["time"] < 2900]
    assert list(dict.fromkeys(word for _, word in seen if word))[: len(spoken)] == [
        word["value"] for word in spoken
    ]
    late = [first_seen[word["value"]] - word["time"] / 1000 for word in spoken]
    print(f"a word is marked {1000 * min(late):.0f} to {1000 * max(late):.0f} ms after its time")
    assert max(late) < 0.3


def test_a_click_on_a_word_seeks_to_it(page: Page, site: Site, english: SpokenBook) -> None:
    open_page(page, site.page_url(**english.write(site)))
    for value in ("sister", "considering", "Rabbit", "hurried"):
        (word,) = (word for word in english.words if word["value"] == value)
        page.locator("#text span", has_text=value).click()
        assert current_time(page) == pytest.approx(word["time"] / 1000, abs=0.001)
        assert page.locator("#text [aria-current]").inner_text() == value


@pytest.mark.parametrize(("language", "forward"), [("english", "ArrowRight"), ("arabic", "ArrowLeft")])
def test_arrow_keys_and_enter_lead_to_a_word(
    page: Page, site: Site, language: str, forward: str, request: pytest.FixtureRequest
) -> None:
    spoken: SpokenBook = request.getfixturevalue(language)
    open_page(page, site.page_url(**spoken.write(site)))
    page.locator("#follow").focus()
    page.keyboard.press("Tab")
    for _ in range(12):
        page.keyboard.press(forward)
    page.keyboard.press("Enter")
    word = spoken.words[12]
    assert page.locator("#text [aria-current]").inner_text() == word["value"]
    assert current_time(page) == pytest.approx(word["time"] / 1000, abs=0.001)


def test_the_text_of_a_right_to_left_language_begins_on_the_right(
    page: Page, site: Site, arabic: SpokenBook
) -> None:
    open_page(page, site.page_url(**arabic.write(site), lang="ar"))
    first, second = (page.locator("#text span").nth(number).bounding_box() for number in (0, 1))
    assert first
    assert second
    assert first["x"] > second["x"]
    assert page.locator("#text").get_attribute("lang") == "ar"


def test_the_current_chapter_is_marked(page: Page, site: Site, english: SpokenBook) -> None:
    open_page(page, site.page_url(**english.write(site)))
    page.locator("nav button").nth(2).focus()
    page.keyboard.press("Enter")
    assert current_time(page) == pytest.approx(english.book.starts[2], abs=0.001)
    assert page.locator("nav [aria-current]").inner_text().split("\n")[-1] == "Chapter 3"
    assert page.title() == "The book"


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/book.mp3",
        "//example.com/book.mp3",
        "javascript:alert(1)",
        "data:audio/mpeg;base64,AAAA",
        "blob:{origin}/5c9d1b1e-0b5e-4b46-9b0c-4fd7d3d3c3ab",
        "file:///etc/passwd",
        "http://127.0.0.1:1/book.mp3",
        "http://[",
    ],
)
def test_a_file_of_another_site_is_refused_and_never_requested(
    page: Page, site: Site, address: str, complaints: list[str]
) -> None:
    address = address.replace("{origin}", site.url.rpartition("/")[0])
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(site.page_url(audio=address, captions=address, transcript=address, chapters=address))
    page.wait_for_selector("html[data-ready]")
    assert messages(page) == [
        f"The address for “{name}” was not opened, because it does not lead to the site of this page: "
        f"{address}"
        for name in ("audio", "captions", "transcript", "chapters")
    ]
    assert [url for url in requested if "read_along" not in url] == []
    assert complaints == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("audio", None, "The audio could not be played: file is missing, or it is not an audio file."),
        ("audio", "no audio", "The audio could not be played: file is missing, or it is not an audio file."),
        ("captions", None, "The captions could not be loaded: file is missing, or it is not a WebVTT file."),
        ("captions", "1\n", "The captions could not be loaded: file is missing, or it is not a WebVTT file."),
        ("captions", "WEBVTT\n", "The captions file contains no captions: file."),
        ("transcript", None, "The transcript could not be loaded: the server answered 404 for file."),
        ("transcript", "{", "The transcript could not be read: file is not a JSON file."),
        ("transcript", "null", "The transcript could not be read: file is not a transcript with segments."),
        (
            "transcript",
            '{"segments": [{"startTime": "1", "body": "a"}]}',
            "The transcript could not be read: file is not a transcript with segments.",
        ),
        ("chapters", None, "The chapters could not be loaded: the server answered 404 for file."),
        ("chapters", "", "The chapters could not be read: file is not a JSON file."),
        ("chapters", "[]", "The chapters could not be read: file is not a file with podcast chapters."),
        (
            "chapters",
            '{"chapters": [{"startTime": -1}]}',
            "The chapters could not be read: file is not a file with podcast chapters.",
        ),
    ],
)
def test_a_missing_or_broken_file_is_told_in_a_sentence(
    page: Page, site: Site, english: SpokenBook, name: str, content: str | None, message: str
) -> None:
    parameters = english.write(site) | {name: "file"}
    if content is not None:
        (site.folder / "file").write_text(content)
    page.goto(site.page_url(**parameters))
    page.locator("#messages p").wait_for()
    assert messages(page) == [message]
    # The other files are shown all the same.
    page.wait_for_selector("html[data-ready]")
    assert page.locator("#text p").count() == (0 if name == "transcript" else 6)
    assert page.locator("nav button").count() == (0 if name == "chapters" else len(ENGLISH))


def test_a_server_without_range_requests_is_told_at_the_first_seek(
    page: Page, site: Site, english: SpokenBook
) -> None:
    def without_range(route: Route) -> None:
        route.fulfill(body=english.book.audio, content_type="audio/mpeg", headers={"Accept-Ranges": "none"})

    page.route("**/book.mp3", without_range)
    open_page(page, site.page_url(**english.write(site)))
    for _ in range(2):
        page.locator("nav button").nth(3).click()
    assert messages(page) == [
        "The browser cannot jump within this audio file, because the web server does not answer Range "
        "requests."
    ]


def test_without_parameters_the_page_says_what_it_needs(page: Page, site: Site) -> None:
    page.goto(site.page_url())
    page.locator("#messages p").wait_for()
    assert messages(page) == [
        "No audio file is given. Add one to the address of this page, for example "
        "read_along.html?audio=book.mp3"
    ]


def test_markup_in_a_file_is_shown_as_text(page: Page, site: Site, complaints: list[str]) -> None:
    markup = "<img src=x onerror=alert(1)><b>bold</b>"
    escaped = markup.replace("&", "&amp;").replace("<", "&lt;")
    (site.folder / "a.vtt").write_text(f"WEBVTT\n\n00:00.000 --> 00:09.000\n{escaped}\n")
    words = '"words": [{"startTime": 0, "endTime": 9, "body": "", "start": 0, "end": 39}]'
    (site.folder / "a.json").write_text(
        f'{{"segments": [{{"startTime": 0, "endTime": 9, "body": "{markup}", {words}}}]}}'
    )
    (site.folder / "c.json").write_text(
        f'{{"title": "{markup}", "chapters": [{{"startTime": 0, "title": "{markup}"}}]}}'
    )
    page.on("dialog", lambda dialog: pytest.fail("a dialog opened"))
    open_page(page, site.page_url(audio=tone(site), captions="a.vtt", transcript="a.json", chapters="c.json"))
    wait_until(page, "document.querySelector('track').readyState === 2")
    page.evaluate(SEEK, 1)
    for place in ("#title", "#caption", "#text span", "nav button span"):
        assert page.locator(place).text_content() == markup
    assert page.locator("img, b").count() == 0
    assert complaints == []


def test_words_in_wrong_places_are_not_used(page: Page, site: Site) -> None:
    """Overlapping places, and places outside of the text, would show characters twice or not at all."""
    words = (
        '{"startTime": 0.1, "start": 0, "end": 4}, {"startTime": 0.2, "start": 2, "end": 6},'
        '{"startTime": 0.3, "start": 5, "end": 99}, {"startTime": null, "start": 5, "end": 8},'
        '{"startTime": 0.4, "start": 9, "end": 13}'
    )
    (site.folder / "a.json").write_text(
        f'{{"segments": [{{"startTime": 0, "body": "Mary had some lamb", "words": [{words}]}},'
        '{"startTime": 1, "body": "No words."}]}'
    )
    open_page(page, site.page_url(audio=tone(site), transcript="a.json"))
    assert page.locator("#text p").all_inner_texts() == ["Mary had some lamb", "No words."]
    assert page.locator("#text span").all_inner_texts() == ["Mary", "some", "No words."]


def test_the_colours_follow_the_light_or_dark_setting(page: Page, site: Site, english: SpokenBook) -> None:
    open_page(page, site.page_url(**english.write(site)))
    contrasts = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.evaluate(SEEK, 2)
        contrasts[scheme] = {
            place: contrast(*page.evaluate(COLOURS, place))
            for place in ("h1", "#hint", "#text [aria-current]")
        }
    print(contrasts)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
    assert min(min(found.values()) for found in contrasts.values()) >= 4.5


COLOURS = """
(place) => {
  const element = document.querySelector(place);
  const own = getComputedStyle(element).backgroundColor;
  const page = getComputedStyle(document.body).backgroundColor;
  return [getComputedStyle(element).color, own === "rgba(0, 0, 0, 0)" ? page : own];
}
"""


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)
