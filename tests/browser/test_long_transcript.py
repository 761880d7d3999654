"""The read-along page stays usable with ten hours of speech."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import open_page
from tests.unit.audio.mp3_parts import frame

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Site

HOURS = 10
WORDS = 95_000
WORDS_OF_A_SEGMENT = 12
CHAPTERS = 200
# mp3 frames at 8,000 Hz have 576 samples.
FRAME_SECONDS = 576 / 8000

PLAY = """
async () => {
  const audio = document.querySelector("audio");
  const current = () => Number(document.querySelector("#text [aria-current]").dataset.word);
  const before = current();
  await audio.play();
  const gaps = [];
  let last = performance.now();
  const until = last + 3000;
  while (last < until) {
    await new Promise(requestAnimationFrame);
    gaps.push(performance.now() - last);
    last = performance.now();
  }
  audio.pause();
  return { longest: Math.max(...gaps), words: current() - before };
}
"""
SEEK = """
(time) => {
  const began = performance.now();
  document.querySelector("audio").currentTime = time;
  return new Promise((done) => document.querySelector("audio").addEventListener("seeking", () => {
    requestAnimationFrame(() => requestAnimationFrame(() => {
      const marked = document.querySelector("#text [aria-current]");
      const place = marked.getBoundingClientRect();
      const isVisible = place.top > 0 && place.bottom < innerHeight;
      done({ word: Number(marked.dataset.word), isVisible, milliseconds: performance.now() - began });
    }));
  }, { once: true }));
}
"""


def write_book(site: Site) -> dict[str, str]:
    """Write ten hours of silence, their transcript and their chapters."""
    step = HOURS * 3600 / WORDS
    segments = []
    for first in range(0, WORDS, WORDS_OF_A_SEGMENT):
        words: list[dict[str, Any]] = []
        body = ""
        for number in range(first, min(first + WORDS_OF_A_SEGMENT, WORDS)):
            start = len(body)
            body += f"word{number}"
            times = {"startTime": round(number * step, 3), "endTime": round((number + 0.9) * step, 3)}
            words.append({**times, "body": body[start:], "start": start, "end": len(body)})
            body += " "
        times = {"startTime": words[0]["startTime"], "endTime": words[-1]["endTime"]}
        segments.append({**times, "body": body.rstrip() + ".", "words": words})
    chapters = [
        {"startTime": number * HOURS * 3600 / CHAPTERS, "title": f"Part {number}"}
        for number in range(CHAPTERS)
    ]
    (site.folder / "long.mp3").write_bytes(frame(8000, 8) * round(HOURS * 3600 / FRAME_SECONDS))
    (site.folder / "long.json").write_text(json.dumps({"version": "1.0.0", "segments": segments}))
    (site.folder / "chapters.json").write_text(json.dumps({"version": "1.2.0", "chapters": chapters}))
    return {"audio": "long.mp3", "transcript": "long.json", "chapters": "chapters.json"}


def test_ten_hours_of_words_load_seek_and_play_without_delays(
    page: Page, site: Site, complaints: list[str]
) -> None:
    open_page(page, site.page_url(**write_book(site)))
    loaded = page.evaluate("performance.now()")
    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(HOURS * 3600, abs=1)
    chosen = random.Random(3)
    seeks = []
    for number in chosen.sample(range(WORDS), 20):
        found = page.evaluate(SEEK, (number + 0.5) * HOURS * 3600 / WORDS)
        assert found["word"] == number
        assert found["isVisible"]
        seeks.append(found["milliseconds"])
    played = page.evaluate(PLAY)
    elements = page.evaluate("document.querySelectorAll('*').length")
    megabytes = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    print(
        f"loaded after {loaded:.0f} ms; seeks take up to {max(seeks):.0f} ms; the longest frame takes "
        f"{played['longest']:.0f} ms; {elements:,} elements; {megabytes:.0f} MB of JavaScript objects"
    )
    assert loaded < 10_000
    assert max(seeks) < 1000
    assert 4 <= played["words"] <= 12
    assert played["longest"] < 500
    assert elements < WORDS / 2
    assert complaints == []
