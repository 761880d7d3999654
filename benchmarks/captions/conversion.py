"""Measures the conversion of 10 hours of speech marks: ``python -m benchmarks.captions.conversion``.

The marks are those of a generated book: a mark for each sentence and each word, with the gaps of speech. Each
format is made in its own process, from a file to a file. The time is CPU time. Memory is how far the
process's peak is above what it had before the conversion, after all imports.

Then it compares the captions with the marks: each cue must start at the time of its first word.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_polly_provider.captions.convert import CAPTION_FORMATS, captions_from_marks
from benchmarks.documents.books import book

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

WORDS_PER_HOUR = 9_500
LETTER_MS = 60
LIMIT_SECONDS = 600
_SENTENCE = re.compile(r"[^\n.!?]+[.!?]?")
_WORD = re.compile(r"[^\W_]+")
_CUE = re.compile(r"(\d+):(\d\d):(\d\d)\.(\d{3}) --> .*\n((?:.+\n)+)")


def make_marks(path: Path, hours: float, seed: int) -> list[tuple[int, str]]:
    """Write speech marks to a file. Return the time and the text of each word.

    :param path: the file
    :param hours: the length of the speech in hours
    :param seed: seed of the random generator
    """
    chance = random.Random(seed)
    count = round(WORDS_PER_HOUR * hours)
    # What the letters do not fill is pauses between sentences.
    text = book(count * 8, seed)
    spoken: list[tuple[int, str]] = []
    time_ms = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for sentence in _SENTENCE.finditer(text):
            words = list(_WORD.finditer(sentence[0]))
            if not words or len(spoken) >= count:
                continue
            file.write(_line(time_ms, "sentence", sentence.start(), sentence[0].rstrip()))
            for word in words:
                file.write(_line(time_ms, "word", sentence.start() + word.start(), word[0]))
                spoken.append((time_ms, word[0]))
                time_ms += round(len(word[0]) * LETTER_MS * chance.uniform(0.8, 1.3)) + 40
            # The pause after a sentence, chosen so that the words fill the hours.
            ahead = round(len(spoken) * 3_600_000 / WORDS_PER_HOUR) - time_ms
            time_ms += max(chance.randint(150, 600), min(ahead, 2_000))
    return spoken


def _line(time_ms: int, kind: str, start: int, value: str) -> str:
    mark = {"time": time_ms, "type": kind, "start": start, "end": start + len(value.encode()), "value": value}
    return json.dumps(mark, separators=(",", ":")) + "\n"


def convert(marks: Path, target: Path, form: str) -> None:
    """Convert a file of marks to another file."""
    with target.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(captions_from_marks(marks, form))


def run(marks: Path, target: Path, form: str, result: Connection) -> None:
    """Convert in this process, and send the seconds and the growth of its memory in KiB."""
    resident, before = memory("VmRSS"), time.process_time()
    convert(marks, target, form)
    seconds = time.process_time() - before
    result.send((seconds, memory("VmHWM") - resident))


def memory(field: str) -> int:
    """Return a field of this process's status in KiB.

    The peak of getrusage() is no use here, because a new process inherits it.
    """
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def measure(marks: Path, target: Path, form: str) -> tuple[float, int]:
    """Convert in a new process. Return the seconds and the growth of its memory in KiB.

    :raises TimeoutError: it needs too much time
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=run, args=(marks, target, form, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(LIMIT_SECONDS):
            raise TimeoutError(f"{form} needs more than {LIMIT_SECONDS} s")
        seconds, grown = receiver.recv()
        return float(seconds), int(grown)
    finally:
        process.kill()
        process.join()


def differences(written: str, spoken: list[tuple[int, str]]) -> Iterator[int]:
    """Yield how many milliseconds after its first word each cue starts.

    :param written: a WebVTT file with all words
    :param spoken: the time and the text of each word
    :raises ValueError: the words of the file are not those that were spoken
    """
    at = 0
    for cue in _CUE.finditer(written):
        hours, minutes, seconds, milliseconds = map(int, cue.groups()[:4])
        yield ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds - spoken[at][0]
        for word in _WORD.findall(cue[5]):
            if word != spoken[at][1]:
                raise ValueError(f"word {at + 1} differs")
            at += 1
    if at != len(spoken):
        raise ValueError(f"{len(spoken) - at} words are missing")


def main() -> None:
    """Measure all formats, and print a table and the differences of times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        marks = Path(folder, "book.marks")
        spoken = make_marks(marks, arguments.hours, arguments.seed)
        hours, megabytes = spoken[-1][0] / 3_600_000, marks.stat().st_size / 1e6
        print(f"{hours:.1f} hours, {len(spoken):,} words, {megabytes:.1f} MB of marks\n")
        print("| format | CPU s | MiB more | MB |\n| --- | --- | --- | --- |")
        for form in CAPTION_FORMATS:
            target = Path(folder, f"book.{form}")
            seconds, grown = measure(marks, target, form)
            print(f"| {form} | {seconds:.2f} | {grown / 1024:.1f} | {target.stat().st_size / 1e6:.1f} |")
        found = list(differences(Path(folder, "book.vtt").read_text(encoding="utf-8"), spoken))
    print(
        f"\n{len(found):,} cues; largest difference to the mark of the first word: {max(map(abs, found))} ms"
    )
    print(f"difference of the last cue: {found[-1]} ms")


if __name__ == "__main__":
    main()
