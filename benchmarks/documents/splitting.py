"""Measures how a text is split: pieces that change with an edit, time and memory.

It prints two tables in Markdown::

    python -m benchmarks.documents.splitting --book emma.txt

The first table shows how many pieces change, and have to be synthesized and paid for again, if one place of a
book is edited. The second table shows the time and the memory for long texts. Without ``--book``, both use a
generated book.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import random
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_polly_provider.text.pieces import KnownPiece
from airflow_polly_provider.text.splitting import split_text
from airflow_polly_provider.text.ssml_splitting import split_ssml
from benchmarks.documents.books import as_ssml, book

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from airflow_polly_provider.text.pieces import Piece

_SPLITS: dict[str, Callable[..., list[Piece]]] = {"plain": split_text, "SSML": split_ssml}
_SIZES = (3_000, 25_000, 100_000)
_INSERTED = "Nobody had expected that this paragraph would be inserted here, {}, least of all its author."
_GENERATED_CHARACTERS = 800_000
_MEGABYTE = 1_000_000


def digest(text: str) -> str:
    """Return a digest of a piece's text.

    :param text: the text that is sent to Polly
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def known(pieces: list[Piece]) -> list[KnownPiece]:
    """Return what a later run knows of pieces.

    :param pieces: the pieces
    """
    return [KnownPiece(piece.head, piece.length, digest(piece.text)) for piece in pieces]


def edits(text: str, kind: str, count: int, seed: int) -> Iterator[str]:
    """Yield a text with one edit at a random place, again and again.

    :param text: the text
    :param kind: ``word``, ``insert`` or ``delete``
    :param count: number of edits
    :param seed: seed of the random generator
    """
    chance = random.Random(seed)
    words = [found.span() for found in re.finditer(r"\b[a-z]{3,}\b", text)]
    paragraphs = [0, *(found.end() for found in re.finditer(r"\n\n+", text))]
    for number in range(count):
        if kind == "word":
            start, end = chance.choice(words)
            yield f"{text[:start]}changed{text[end:]}"
        elif kind == "insert":
            at = chance.choice(paragraphs)
            yield f"{text[:at]}{_INSERTED.format(number)}\n\n{text[at:]}"
        else:
            index = chance.randrange(len(paragraphs) - 1)
            yield text[: paragraphs[index]] + text[paragraphs[index + 1] :]


def changed(
    split: Callable[..., list[Piece]], text: str, edited: Iterator[str], limit: int, *, use_previous: bool
) -> list[int]:
    """Return the number of new pieces after each edit, in ascending order.

    :param split: function that splits a text
    :param text: the text before the edits
    :param edited: the text after each edit
    :param limit: maximum number of billed characters in a piece
    :param use_previous: whether the pieces of the text before are given
    """
    before = known(split(text, max_characters=limit))
    digests = {piece.digest for piece in before}
    previous = before if use_previous else []
    return sorted(
        sum(
            digest(piece.text) not in digests
            for piece in split(after, max_characters=limit, previous=previous, digest=digest)
        )
        for after in edited
    )


def print_stability(names: list[str], text: str, count: int, seed: int) -> None:
    """Print a table of the pieces that change with an edit.

    :param names: which of plain text and SSML
    :param text: the text
    :param count: number of edits of each kind
    :param seed: seed of the random generator
    """
    print("| text | characters | edit | previous | at most 1 | at most 2 | at most 3 | largest |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        split = _SPLITS[name]
        whole = as_ssml(text) if split is split_ssml else text
        for limit in _SIZES:
            for kind in ("word", "insert", "delete"):
                for use_previous in (False, True):
                    edited = edits(text, kind, count, seed)
                    if split is split_ssml:
                        edited = map(as_ssml, edited)
                    numbers = changed(split, whole, edited, limit, use_previous=use_previous)
                    shares = (sum(number <= most for number in numbers) / count for most in (1, 2, 3))
                    print(
                        f"| {name} | {limit:,} | {kind} | {'yes' if use_previous else 'no'} | "
                        f"{' | '.join(f'{share:.1%}' for share in shares)} | {numbers[-1]} |",
                        flush=True,
                    )


def print_cost(names: list[str], text: str) -> None:
    """Print a table of the time and the memory for texts of 1 and of 10 MB.

    :param names: which of plain text and SSML
    :param text: a text, which is repeated with different numbers
    """
    print("| text | MB | characters | pieces | seconds | seconds with previous | MB of memory |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        split = _SPLITS[name]
        for megabytes in (1, 10):
            copies = -(-megabytes * _MEGABYTE // len(text))
            long = "".join(f"Part {number}\n\n{text}\n\n" for number in range(copies))
            long = long[: megabytes * _MEGABYTE]
            if split is split_ssml:
                long = as_ssml(long[: int(0.85 * len(long))])
            for limit in (100, 10_000, 100_000):
                started = time.process_time()
                pieces = split(long, max_characters=limit)
                seconds = time.process_time() - started
                previous = known(pieces)
                started = time.process_time()
                split(long, max_characters=limit, previous=previous, digest=digest)
                seconds_with_previous = time.process_time() - started
                number = len(pieces)
                del pieces, previous
                print(
                    f"| {name} | {len(long) / _MEGABYTE:.1f} | {limit:,} | {number:,} | {seconds:.2f} | "
                    f"{seconds_with_previous:.2f} | {_memory(name, long, limit):.0f} |",
                    flush=True,
                )


def _memory(name: str, text: str, limit: int) -> float:
    """Return the memory that a new process needs to split a text, in MB, including the pieces."""
    processes = multiprocessing.get_context("spawn")
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=_send_memory, args=(sender, name, text, limit))
    process.start()
    peak: float = receiver.recv()
    process.join()
    return peak


def _send_memory(sender: Connection, name: str, text: str, limit: int) -> None:
    before = _resident("VmRSS")
    pieces = _SPLITS[name](text, max_characters=limit)
    sender.send(_resident("VmHWM") - before)
    del pieces


def _resident(field: str) -> float:
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1000 if found else 0.0


def main(arguments: list[str]) -> None:
    """Print both tables.

    :param arguments: command line, without the name of the command
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--book", type=Path, help="a text file with a blank line between paragraphs")
    parser.add_argument("--edits", type=int, default=200, help="number of edits of each kind (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random edits (default: 1)")
    parser.add_argument("--parts", nargs="+", choices=("stability", "cost"), default=("stability", "cost"))
    parser.add_argument("--texts", nargs="+", choices=tuple(_SPLITS), default=tuple(_SPLITS))
    given = parser.parse_args(arguments)
    text = given.book.read_text() if given.book else book(_GENERATED_CHARACTERS, given.seed)
    if "stability" in given.parts:
        print_stability(given.texts, text, given.edits, given.seed)
        print()
    if "cost" in given.parts:
        print_cost(given.texts, text)


if __name__ == "__main__":
    main(sys.argv[1:])
