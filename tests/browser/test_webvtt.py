"""Chromium reads the captions of texts in many scripts as ``webvtt-py`` reads them."""

from __future__ import annotations

import html
import random
from typing import TYPE_CHECKING, Any

import webvtt

from airflow_polly_provider.captions.cues import Cue
from airflow_polly_provider.captions.webvtt import write_webvtt

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Site

FILES = 100
# Some letters and marks of each script, and what has a meaning in WebVTT.
SCRIPTS = {
    "Latin": "abcdefghijklmnopqrstuvwxyzäßçñø’",  # noqa: RUF001  # the typographic apostrophe is meant
    "Greek": "αβγδεζηθικλμνξοπρστυφχψωάέ",  # Greek letters are meant
    "Cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюя",  # Cyrillic letters are meant
    "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي\u064e\u0651",
    "Hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
    "Devanagari": "कखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह\u093e\u093f\u094d",
    "Thai": "กขคงจฉชซญดตถทธนบปผฝพฟมยรลวสหอ\u0e31\u0e34\u0e48",
    "Chinese": "的一是不了人我在有他这中大来上国",
    "Japanese": "あいうえおかきくけこさしすせそアイウエオ日本語",
    "Korean": "가나다라마바사아자차카타파하한국어",
    "emoji": "😀👍🏽🎉👩\u200d👧",
}
SPECIAL = ("&", "<b>", "</c>", "-->", "&amp;", "1 < 2", "NOTE", "STYLE", "WEBVTT", "12", "<00:00:01.000>")

READ = """
(names) => Promise.all(names.map((name) => new Promise((done, failed) => {
  const track = document.createElement("track");
  track.src = name;
  track.addEventListener("load", () => done(Array.from(track.track.cues, (cue) => [
    Math.round(1000 * cue.startTime), Math.round(1000 * cue.endTime),
    cue.text, cue.getCueAsHTML().textContent,
  ])));
  track.addEventListener("error", () => failed(new Error(name)));
  document.querySelector("audio").append(track);
  track.track.mode = "hidden";
})))
"""


def random_cues(chosen: random.Random) -> list[Cue]:
    """Return cues with lines of one or two scripts, some with characters that have a meaning in WebVTT."""
    scripts = chosen.sample(list(SCRIPTS.values()), chosen.choice([1, 1, 2]))

    def word() -> str:
        if chosen.random() < 0.1:
            return chosen.choice(SPECIAL)
        return "".join(chosen.choices(chosen.choice(scripts), k=chosen.randint(1, 8)))

    cues, time = [], chosen.choice([0, 3_590_000, 35_999_000])
    for _ in range(chosen.randint(1, 12)):
        start = time + chosen.randint(0, 3000)
        time = start + chosen.randint(1, 7000)
        lines = tuple(
            " ".join(word() for _ in range(chosen.randint(1, 6))) for _ in range(chosen.randint(1, 2))
        )
        cues.append(Cue(start, time, lines))
    return cues


def as_webvtt_py_reads(text: str) -> list[tuple[Any, ...]]:
    """Return start and end in milliseconds, and the text with and without escapes."""

    def milliseconds(at: Any) -> int:
        return int(((at.hours * 60 + at.minutes) * 60 + at.seconds) * 1000 + at.milliseconds)

    return [
        (
            milliseconds(caption.start_time),
            milliseconds(caption.end_time),
            caption.raw_text,
            html.unescape(caption.raw_text),
        )
        for caption in webvtt.from_string(text).captions
    ]


def test_the_browser_reads_the_cues_that_webvtt_py_reads(page: Page, site: Site) -> None:
    chosen = random.Random(5)
    made = [random_cues(chosen) for _ in range(FILES)]
    texts = ["".join(write_webvtt(cues)) for cues in made]
    names = [f"{number}.vtt" for number in range(FILES)]
    for name, text in zip(names, texts, strict=True):
        (site.folder / name).write_text(text)
    page.goto(site.page_url())
    in_browser = page.evaluate(READ, names)
    for cues, text, found in zip(made, texts, in_browser, strict=True):
        assert [tuple(cue) for cue in found] == as_webvtt_py_reads(text)
        # Direction marks are for the player alone.
        shown = [
            (start, end, plain.replace("\u200e", "").replace("\u200f", "")) for start, end, _, plain in found
        ]
        assert shown == [(cue.start_ms, cue.end_ms, "\n".join(cue.lines)) for cue in cues]
