"""Measures the joining of 1 GB of mp3 files: ``.venv/bin/python -m benchmarks.documents.joining``.

The pieces have Polly's form: the emulator's encoder makes one of five minutes, which is joined several
hundred times. Each way runs in its own process, and reads chunks of 1 MiB from a file:

- *copy twice*: copies each chunk twice in memory
- *join*: joins the chunks
- *frame by frame*: reads the frames with ``Mp3Reader``; only a tenth of the bytes, and the result is
  multiplied by ten

The results go to /dev/null, because disks differ more than the ways do. The time is CPU time of the process,
including the reads: the median of the rounds. Memory is how much the process's peak grows from the end of the
first piece to the end of the last one.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

PIECE_SECONDS = 300
CHUNK = 1 << 20
LIMIT_SECONDS = 600
REDUCTION = 10
"""How many times as many bytes the other ways process as the way that reads frame by frame."""

COPY, JOIN, FRAMES = "copy twice", "join", "frame by frame"


def make_piece(path: Path, rate: int) -> None:
    """Write an mp3 file in Polly's form, with a tone whose pitch changes."""
    import numpy as np

    from airflow_polly_provider.emulator.speech.encoding import open_encoder

    encoder = open_encoder(path, "mp3", rate)
    moments = np.arange(rate) / rate
    for second in range(PIECE_SECONDS):
        encoder.write((8000 * np.sin(2 * np.pi * (150 + second % 50 * 4) * moments)).astype(np.int16))
    encoder.close()


def chunks_of(path: Path) -> Iterator[bytes]:
    """Return the chunks of a file."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def copy(piece: Path, target: Path, count: int) -> float:
    """Copy a file several times, and each chunk twice."""
    with target.open("wb") as file:
        for _ in range(count):
            for chunk in chunks_of(piece):
                file.write(bytes(bytearray(chunk)))
    return 0.0


def join(piece: Path, target: Path, count: int) -> float:
    """Join a file several times with itself. Return the playing time in seconds."""
    from airflow_polly_provider.audio.joining import joiner_of

    joiner = joiner_of("mp3")
    samples = 0
    with target.open("wb") as file:
        for number in range(count):
            joiner.begin_piece(f"piece {number + 1}")
            for chunk in chunks_of(piece):
                file.write(joiner.feed(chunk))
            samples += joiner.end_piece().samples
    return samples / (joiner.sample_rate or 1)


def read_frames(piece: Path, target: Path, count: int) -> float:
    """Join a file several times with itself, in a loop over all frames."""
    from airflow_polly_provider.audio.mp3 import Mp3Reader

    seconds = 0.0
    with target.open("wb") as file:
        for _ in range(count):
            reader = Mp3Reader()
            for chunk in chunks_of(piece):
                for header, data in reader.feed(chunk):
                    file.write(data)
                    seconds += header.samples / header.sample_rate
    return seconds


WAYS: dict[str, Callable[[Path, Path, int], float]] = {COPY: copy, JOIN: join, FRAMES: read_frames}


def peak_kibibytes() -> int:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run(way: str, piece: Path, target: Path, count: int, result: Connection) -> None:
    """Run a way in this process, and send its seconds, its growth in memory and the playing time."""
    # The first run imports the modules.
    WAYS[way](piece, target, 1)
    peak, before = peak_kibibytes(), time.process_time()
    played = WAYS[way](piece, target, count)
    result.send((time.process_time() - before, peak_kibibytes() - peak, played))


def measure(way: str, piece: Path, target: Path, count: int) -> tuple[float, int, float]:
    """Run a way in a new process.

    :raises TimeoutError: it needs too much time
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=run, args=(way, piece, target, count, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(LIMIT_SECONDS):
            raise TimeoutError(f"{way} needs more than {LIMIT_SECONDS} s")
        seconds, grown, played = receiver.recv()
        return float(seconds), int(grown), float(played)
    finally:
        process.kill()
        process.join()


def main() -> None:
    """Measure all ways, and print a table and the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=1000, help="the size of the joined file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=22050, help="the sample rate in Hz")
    arguments = parser.parse_args()
    found: dict[str, list[tuple[float, int, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        piece, target = Path(folder, "piece.mp3"), Path(os.devnull)
        make_piece(piece, arguments.rate)
        count = max(REDUCTION, arguments.megabytes * 1_000_000 // piece.stat().st_size)
        megabytes = count * piece.stat().st_size / 1e6
        for _ in range(arguments.rounds):
            for way in WAYS:
                times = count // REDUCTION if way == FRAMES else count
                seconds, grown, played = measure(way, piece, target, times)
                scale = count / times
                found[way].append((seconds * scale, grown, played * scale))
    print(f"{count} pieces, {megabytes:,.0f} MB, {found[JOIN][0][2] / 3600:.1f} hours\n")
    print("| way | CPU s | MiB more |\n| --- | --- | --- |")
    for way, results in found.items():
        seconds = statistics.median(each[0] for each in results)
        print(f"| {way} | {seconds:.2f} | {max(each[1] for each in results) / 1024:.1f} |")
    print(f"\n{json.dumps(found)}")


if __name__ == "__main__":
    main()
