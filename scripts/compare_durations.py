"""Compare the playing times that the package and ffprobe compute for generated files.

Run it as ``python -m scripts.compare_durations``. It needs ffprobe (``apt-get install ffmpeg``).
It generates files of all formats and sample rates that Polly offers, and prints the largest differences
for each format and rate. It fails if a difference is larger than 0.05 seconds.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from airflow_polly_provider.audio.duration import (
    START_BYTES,
    audio_duration,
    can_measure_object,
    seconds_of_object,
)
from airflow_polly_provider.emulator.speech.encoding import open_encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LARGEST_DIFFERENCE = 0.05
"""The largest difference that is accepted, in seconds."""

FORMS = (
    *(("mp3", rate) for rate in (8000, 16000, 22050, 24000, 44100, 48000)),
    *(("ogg_vorbis", rate) for rate in (8000, 16000, 22050, 24000, 44100, 48000)),
    ("ogg_opus", 48000),
    ("pcm", 8000),
    ("pcm", 16000),
    ("mulaw", 8000),
    ("alaw", 8000),
)
"""Each OutputFormat with each of its sample rates in Hz."""

_DEMUXERS = {"pcm": "s16le", "mulaw": "mulaw", "alaw": "alaw"}


class AudioFile(NamedTuple):
    """A generated file.

    :param output_format: Polly's OutputFormat
    :param rate: the sample rate in Hz
    """

    path: Path
    output_format: str
    rate: int


class Measured(NamedTuple):
    """The differences between a file's computed playing times and the reference, in seconds.

    :param streamed: computed from all bytes
    :param of_object: computed from the size and the first bytes; None if the format does not allow it
    """

    file: AudioFile
    streamed: float
    of_object: float | None


def generate(folder: Path, count: int, seed: int, longest: float) -> Iterator[AudioFile]:
    """Generate audio files of all formats and rates in turn. They have the same form as Polly's files.

    :param folder: the folder for the files
    :param count: the number of files
    :param seed: a number for the random generator; the same number gives the same files
    :param longest: the longest playing time of a file without its silence, in seconds
    """
    chance = random.Random(seed)
    noise = np.random.default_rng(seed)
    for number in range(count):
        output_format, rate = FORMS[number % len(FORMS)]
        # Most texts are short.
        seconds = longest * chance.random() ** 3
        moments = np.arange(int(seconds * rate)) / rate
        tone = 6000 * np.sin(2 * np.pi * chance.uniform(80, 800) * moments)
        samples = tone * (np.sin(2 * np.pi * 2 * moments) > chance.uniform(-1, 1))
        samples += noise.uniform(-1, 1, len(samples)) * chance.choice((0, 10, 3000))
        path = folder / f"{number}-{output_format}-{rate}"
        encoder = open_encoder(path, output_format, rate)
        encoder.write(samples.astype(np.int16))
        encoder.close()
        yield AudioFile(path, output_format, rate)


def compare(file: AudioFile, reference: float) -> Measured:
    """Return the differences between the package's playing times and another reader's.

    :param file: a file
    :param reference: the other reader's playing time in seconds
    """
    data = file.path.read_bytes()
    duration = audio_duration(file.output_format, str(file.rate))
    for at in range(0, len(data), 4096):
        duration.feed(data[at : at + 4096])
    of_object = seconds_of_object(file.output_format, str(file.rate), len(data), data[:START_BYTES])
    if (of_object is None) == can_measure_object(file.output_format):
        raise ValueError(f"{file.path.name}: the playing time of the object is {of_object}")
    return Measured(
        file,
        abs(duration.seconds - reference),
        None if of_object is None else abs(of_object - reference),
    )


def input_options(file: AudioFile) -> list[str]:
    """Return the FFmpeg options for reading a file, which are necessary if its format has no headers.

    :param file: a file
    """
    if file.output_format not in _DEMUXERS:
        return []
    return ["-f", _DEMUXERS[file.output_format], "-sample_rate", str(file.rate)]


def by_ffprobe(file: AudioFile) -> float:
    """Return the playing time in seconds that ffprobe reports.

    :param file: a file
    """
    command = ["ffprobe", "-v", "error", *input_options(file), "-show_entries", "format=duration"]
    done = subprocess.run(
        [*command, "-of", "csv=p=0", str(file.path)], check=True, capture_output=True, text=True, timeout=60
    )
    return float(done.stdout)


def largest_differences(
    files: Iterator[AudioFile], reference: Callable[[AudioFile], float]
) -> dict[tuple[str, int], tuple[int, float, float | None]]:
    """Return the number of files and the largest differences for each format and rate.

    The first difference is for the streamed file, the second one for the object.

    :param files: the files. Each file is deleted after its comparison
    :param reference: a function that returns another reader's playing time of a file
    """
    measured = defaultdict(list)
    for file in files:
        measured[file.output_format, file.rate].append(compare(file, reference(file)))
        file.path.unlink()
    return {
        form: (
            len(found),
            max(each.streamed for each in found),
            max((each.of_object for each in found if each.of_object is not None), default=None),
        )
        for form, found in measured.items()
    }


def main() -> int:
    """Print the differences, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.compare_durations", description=__doc__)
    parser.add_argument("--count", type=int, default=340, help="number of files; default 340")
    parser.add_argument("--seed", type=int, default=1, help="number for the random generator; default 1")
    parser.add_argument(
        "--longest", type=float, default=60, help="longest playing time in seconds; default 60"
    )
    arguments = parser.parse_args()
    if shutil.which("ffprobe") is None:
        print(
            "ffprobe was not found. Install FFmpeg, for example with: apt-get install ffmpeg", file=sys.stderr
        )
        return 2
    with tempfile.TemporaryDirectory(prefix="polly-durations-") as folder:
        files = generate(Path(folder), arguments.count, arguments.seed, arguments.longest)
        found = largest_differences(files, by_ffprobe)
    print("format      rate   files  streamed s  object s")
    worst = 0.0
    for (output_format, rate), (count, streamed, of_object) in found.items():
        print(
            f"{output_format:10} {rate:6} {count:6} {streamed:11.6f}  "
            f"{'-' if of_object is None else f'{of_object:.6f}'}"
        )
        worst = max(worst, streamed, of_object or 0.0)
    print(f"The largest difference of {sum(each[0] for each in found.values())} files is {worst:.6f} s.")
    return int(worst > LARGEST_DIFFERENCE)


if __name__ == "__main__":
    sys.exit(main())
