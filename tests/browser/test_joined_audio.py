"""Chromium plays a joined mp3 file, and seeks in it: after a seek, the tone of that chapter sounds."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from tests.browser.books import RATE, joined_book, tone_piece
from tests.browser.conftest import open_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.books import JoinedBook
    from tests.browser.conftest import Site

CHAPTERS = 44
SEEKS = 10
TRIES = 3
HERTZ = [400.0 + 40 * number for number in range(CHAPTERS)]

# Listen to the audio element: its position at which a tone begins to sound, and the frequency of this tone.
LISTEN = """
async () => {
  const audio = document.querySelector("audio");
  if (!window.listener) {
    const context = new AudioContext();
    const source = context.createMediaElementSource(audio);
    const make = (fftSize) => {
      const analyser = new AnalyserNode(context, { fftSize, smoothingTimeConstant: 0 });
      source.connect(analyser).connect(context.destination);
      return analyser;
    };
    window.listener = { context, loudness: make(256), spectrum: make(16384) };
  }
  const { context, loudness, spectrum } = window.listener;
  await context.resume();
  const samples = new Float32Array(loudness.fftSize);
  const isLoud = () => {
    loudness.getFloatTimeDomainData(samples);
    return samples.some((sample) => Math.abs(sample) > 0.05);
  };
  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const from = audio.currentTime;
  await audio.play();
  const deadline = performance.now() + 10000;
  while (!isLoud() && performance.now() < deadline) await pause(2);
  const began = audio.currentTime;
  await pause(600);
  const levels = new Float32Array(spectrum.frequencyBinCount);
  spectrum.getFloatFrequencyData(levels);
  const hertz = levels.indexOf(Math.max(...levels)) * context.sampleRate / spectrum.fftSize;
  audio.pause();
  while (isLoud() && performance.now() < deadline) await pause(2);
  return { from, began, hertz };
}
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> JoinedBook:
    """Return a joined file with a tone for each chapter, all of different frequencies and lengths."""
    path = tmp_path_factory.mktemp("pieces") / "piece.mp3"
    chosen = random.Random(7)
    return joined_book(tone_piece(path, hertz, chosen.uniform(3, 8)) for hertz in HERTZ)


def tone_starts(book: JoinedBook) -> list[float]:
    """Return the times at which the tones begin, from the whole file as libsndfile decodes it."""
    samples, rate = soundfile.read(io.BytesIO(book.audio), dtype="float32")
    assert rate == RATE
    assert len(samples) / rate == pytest.approx(book.seconds, abs=0.05)
    found = []
    for start in book.starts:
        first = round(start * rate)
        found.append(start + int(np.argmax(np.abs(samples[first : first + rate]) > 0.05)) / rate)
    return found


def test_a_chapter_button_leads_to_the_sound_of_that_chapter(
    page: Page, site: Site, book: JoinedBook, complaints: list[str]
) -> None:
    open_page(page, site.page_url(**book.write(site.folder)))
    expected = tone_starts(book)
    offsets = {}
    for chapter in random.Random(11).sample(range(CHAPTERS), SEEKS):
        # A busy machine can delay a measurement. A seek to a wrong place is wrong each time.
        for _ in range(TRIES):
            page.locator("nav button").nth(chapter).click()
            heard = page.evaluate(LISTEN)
            offsets[chapter + 1] = heard["began"] - expected[chapter]
            if abs(offsets[chapter + 1]) < 0.2 and abs(heard["hertz"] - HERTZ[chapter]) < 15:
                break
        assert heard["from"] == pytest.approx(book.starts[chapter], abs=0.001)
        assert heard["hertz"] == pytest.approx(HERTZ[chapter], abs=15), f"chapter {chapter + 1}"
    print({chapter: f"{1000 * offset:.0f} ms" for chapter, offset in offsets.items()})
    assert max(abs(offset) for offset in offsets.values()) < 0.2, offsets
    assert complaints == []


def test_the_browser_reports_the_duration_of_the_pieces_and_pauses(
    page: Page, site: Site, book: JoinedBook
) -> None:
    assert book.seconds > 180
    open_page(page, site.page_url(**book.write(site.folder)))
    duration = page.evaluate("document.querySelector('audio').duration")
    print(f"{duration} s, and the pieces and pauses have {book.seconds} s")
    assert duration == pytest.approx(book.seconds, abs=0.05)
