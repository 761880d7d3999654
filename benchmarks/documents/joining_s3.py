"""Measures the joining of 1 GB in S3: ``.venv/bin/python -m benchmarks.documents.joining_s3``.

The emulator stores pieces of five minutes of mp3. Each way runs in a process of its own and writes one object
from all pieces:

- *copy*: reads each piece with ranged requests, and writes the bytes with a multipart upload of parts of 16
  MiB
- *join*: the same with the package's ``FileJoiner``, which also finds each piece's size, checks and cuts its
  frames, and writes the chapters

The ways alternate. The ratio is that of the medians. The time includes the emulator, which runs in another
process. If other processes use the machine, compare the CPU time of both processes instead. Memory is how
much the process's memory grows at most after it has joined one piece.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from airflow_polly_provider.emulator.testing import running_emulator
from benchmarks.documents.joining import LIMIT_SECONDS, make_piece

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from airflow_polly_provider.assembly.manifest import DocumentManifest
    from airflow_polly_provider.output.s3_access import S3Access

PART_BYTES = 16 * 1024 * 1024
PREFIX, OUTPUT = "pieces/", "joined.mp3"
COPY, JOIN = "copy", "join"


def copy(s3: S3Access, bucket: str, count: int, size: int) -> None:
    """Write the pieces one after the other, without looking at the bytes."""
    client = s3.client
    upload = client.create_multipart_upload(Bucket=bucket, Key=OUTPUT, ChecksumAlgorithm="CRC32")
    named = {"Bucket": bucket, "Key": OUTPUT, "UploadId": upload["UploadId"]}
    buffer, parts = bytearray(), list[dict[str, Any]]()

    def add_part(data: bytes) -> None:
        number = len(parts) + 1
        answer = client.upload_part(**named, PartNumber=number, Body=data)
        made = {name: answer[name] for name in ("ETag", "ChecksumCRC32") if name in answer}
        parts.append({"PartNumber": number, **made})

    for index in range(count):
        for at in range(0, size, PART_BYTES):
            until = min(size, at + PART_BYTES)
            piece = {"Bucket": bucket, "Key": f"{PREFIX}{index}.mp3", "Range": f"bytes={at}-{until - 1}"}
            buffer += client.get_object(**piece)["Body"].read()
        while len(buffer) >= PART_BYTES:
            add_part(bytes(buffer[:PART_BYTES]))
            del buffer[:PART_BYTES]
    if buffer:
        add_part(bytes(buffer))
    client.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})


def _manifest(count: int) -> DocumentManifest:
    from airflow_polly_provider.assembly.manifest import ChapterRecord, DocumentManifest, PieceRecord
    from airflow_polly_provider.batch.manifest import BatchRunId

    return DocumentManifest(
        run=BatchRunId("dag", "run", "task", -1, ""),
        began="",
        run_token="",
        layout_id="",
        key=OUTPUT,
        output_format="mp3",
        container=None,
        title="Zebras",
        author=None,
        language=None,
        chapters=[ChapterRecord(f"Part {index}", 1, 1) for index in range(count)],
        pieces=[PieceRecord(str(index), 0, 1, 1, pause_seconds=1.0) for index in range(count)],
    )


def join(s3: S3Access, bucket: str, count: int, size: int) -> None:
    """Join the pieces with the package's code."""
    from airflow_polly_provider.assembly.chapters import file_header
    from airflow_polly_provider.assembly.joining import FileJoiner

    manifest = _manifest(count)
    host = f"https://s3.us-east-1.amazonaws.com/{bucket}"
    uris = {piece.id: f"{host}/{PREFIX}{piece.id}.mp3" for piece in manifest.pieces}
    FileJoiner(manifest, s3, uris, None).write(
        {"Bucket": bucket, "Key": OUTPUT},
        header_of=lambda after: file_header(manifest, after),
        before_it_appears=lambda: None,
    )
    if (manifest.size or 0) < count * (size - 100):
        raise ValueError(f"The joined file has only {manifest.size} bytes")


WAYS: dict[str, Callable[[S3Access, str, int, int], None]] = {COPY: copy, JOIN: join}


def _memory_mebibytes(name: str) -> float:
    """Return a figure of this process. Unlike ``ru_maxrss``, it does not include the parent's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def run(way: str, bucket: str, count: int, size: int, result: Connection) -> None:
    """Run a way in this process, and send its seconds, its CPU seconds and its growth in memory."""
    from airflow_polly_provider.output.s3_access import S3Access

    s3 = S3Access({"aws_conn_id": "aws_default"}, max_pool_connections=10)
    s3.prepare()
    # The first run imports the modules.
    WAYS[way](s3, bucket, 1, size)
    # The peak begins again at the current memory.
    Path("/proc/self/clear_refs").write_text("5")
    base, cpu, before = _memory_mebibytes("VmRSS"), time.process_time(), time.monotonic()
    WAYS[way](s3, bucket, count, size)
    seconds = time.monotonic() - before
    result.send((seconds, time.process_time() - cpu, _memory_mebibytes("VmHWM") - base))


def measure(way: str, bucket: str, count: int, size: int) -> tuple[float, float, float]:
    """Run a way in a new process.

    :raises TimeoutError: it needs too much time
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=run, args=(way, bucket, count, size, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(LIMIT_SECONDS):
            raise TimeoutError(f"{way} needs more than {LIMIT_SECONDS} s")
        found: tuple[float, float, float] = receiver.recv()
        return found
    finally:
        process.kill()
        process.join()


def _store(s3: Any, bucket: str, piece: bytes, count: int) -> None:
    """Store a piece under many keys."""
    s3.put_object(Bucket=bucket, Key=f"{PREFIX}0.mp3", Body=piece)
    for index in range(1, count):
        source = {"Bucket": bucket, "Key": f"{PREFIX}0.mp3"}
        s3.copy_object(Bucket=bucket, Key=f"{PREFIX}{index}.mp3", CopySource=source)


def main() -> None:
    """Measure both ways, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=1000, help="the size of the joined file")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    found: dict[str, list[tuple[float, ...]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder, running_emulator(audio="tone") as emulator:
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = emulator.airflow_connection()
        path = Path(folder, "piece.mp3")
        make_piece(path, 22050)
        piece = path.read_bytes()
        count = max(1, given.megabytes * 1_000_000 // len(piece))
        s3 = boto3.client("s3", **emulator.client_settings)  # type: ignore[call-overload]  # a mapping
        _store(s3, emulator.bucket, piece, count)
        print(f"{count} pieces, {count * len(piece) / 1e6:,.0f} MB, {count / 12:.1f} hours\n")
        for _ in range(given.rounds):
            for way in WAYS:
                before = time.process_time()
                measured = measure(way, emulator.bucket, count, len(piece))
                found[way].append((*measured, time.process_time() - before))
                print(way, *(f"{each:.1f}" for each in found[way][-1]), flush=True)
    print("\n| way | seconds | CPU s of the worker | CPU s of the emulator | MiB more |")
    print("| --- | --- | --- | --- | --- |")
    medians: dict[str, tuple[float, float]] = {}
    for way, results in found.items():
        seconds, worker, _, server = (statistics.median(values) for values in zip(*results, strict=True))
        medians[way] = seconds, worker + server
        grown = max(each[2] for each in results)
        print(f"| {way} | {seconds:.1f} | {worker:.1f} | {server:.1f} | {grown:.1f} |")
    (join_seconds, join_cpu), (copy_seconds, copy_cpu) = medians[JOIN], medians[COPY]
    print(f"\njoin / copy: {join_seconds / copy_seconds:.2f} (time), {join_cpu / copy_cpu:.2f} (CPU time)")


if __name__ == "__main__":
    main()
