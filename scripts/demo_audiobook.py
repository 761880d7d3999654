"""Turn a novel into one mp3 file with chapters, on a real Airflow against the emulator.

Run it with ``make demo-audiobook``. The file is kept in ``.demo/``. The DAG is ``example_polly_audiobook``.
The prices are those of AWS in us-east-1 when this was written; the emulator bills nothing.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.demo import BUCKET, EXAMPLES, ROOT, DemoError, Narrator, download, failures
from scripts.novel import NoNovelError, novel
from scripts.stack.airflow import AirflowStack
from scripts.stack.emulator import aws_connection, running_emulator
from scripts.stack.errors import StackError
from scripts.stack.signals import Terminated, terminable

DAG_ID, TASK_ID = "example_polly_audiobook", "book"
PRICES = '{"standard": 4.0, "neural": 16.0}'
RUN_SECONDS = 3600
_SHOWN_CHAPTERS = 5


def main() -> int:
    """Run the demo, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo_audiobook", description=__doc__)
    parser.add_argument("--book", type=Path, help="path of another document (default: a novel, downloaded)")
    given = parser.parse_args()
    narrator = Narrator(time.monotonic())
    kept = ROOT / ".demo"
    kept.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="airflow-", dir=kept))
    try:
        book = given.book.resolve(strict=True) if given.book else novel(ROOT / ".build" / "books")
        with terminable():
            demonstrate(narrator, home, book, kept / f"{book.stem}.mp3")
    except (StackError, DemoError, NoNovelError, FileNotFoundError) as error:
        print(f"\nThe demo failed: {error}\n\nAll logs are in {home}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        shutil.rmtree(home)
        print("\nInterrupted. All processes have stopped.", file=sys.stderr)
        return stop.exit_code if isinstance(stop, Terminated) else 130
    shutil.rmtree(home)
    narrator.print_line("Done. All processes have stopped.")
    return 0


def demonstrate(narrator: Narrator, home: Path, book: Path, audio: Path) -> None:
    """Run the example with a whole book, and print its result.

    :param home: folder for Airflow and all logs
    :param book: path of the book
    :param audio: path for the mp3 file
    """
    narrator.print_line(f"Starting the emulator and Airflow for {book.name}")
    with running_emulator(home / "emulator.log", "--bucket", BUCKET) as endpoint_url:
        env = {
            "AIRFLOW_CONN_AWS_DEFAULT": aws_connection(endpoint_url),
            "AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS": PRICES,
            "POLLY_EXAMPLE_BUCKET": BUCKET,
            "POLLY_EXAMPLE_BOOK": str(book),
        }
        with AirflowStack(home=home, dags_folder=EXAMPLES, env=env) as stack:
            narrator.print_line(f"Airflow is running; starting {DAG_ID}. The speech takes a few minutes")
            run_id = stack.trigger(DAG_ID)
            state = stack.wait_for_run(DAG_ID, run_id, RUN_SECONDS, narrator.print_state)
            if state != "success":
                raise DemoError(f"the run ended in the state {state}.\n{failures(stack, DAG_ID, run_id)}")
            pushed = stack.xcoms(DAG_ID, run_id, TASK_ID)
            download(endpoint_url, pushed["OutputS3Uri"], audio)
            _show(pushed, audio)


def _show(pushed: Mapping[str, Any], audio: Path) -> None:
    chapters = pushed["Chapters"]
    print()
    for chapter in chapters[:_SHOWN_CHAPTERS]:
        print(f"  {_clock(chapter['StartSeconds'])}  {chapter['Title']}")
    if (more := len(chapters) - _SHOWN_CHAPTERS) > 0:
        print(f"  … and {more} more chapters")
    print(f"\n  duration        {_clock(pushed['DurationSeconds'])}")
    print(f"  pieces          {pushed['TotalPieces']}")
    print(f"  characters      {pushed['RequestCharacters']:,}")
    print(f"  estimated cost  {pushed['EstimatedCost']:.2f} USD")
    print(f"\nListen to {audio}\n")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


if __name__ == "__main__":
    sys.exit(main())
