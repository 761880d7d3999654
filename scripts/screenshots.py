"""Take the screenshots of the documentation: ``make screenshots``.

It runs example DAGs on a real Airflow against the emulator, and captures Airflow's UI with headless Chromium
(the Debian package ``chromium``), which Playwright drives.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scripts.browsers import running_chromium
from scripts.stack.airflow import AirflowStack
from scripts.stack.emulator import aws_connection, running_emulator
from scripts.stack.signals import terminable

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "example_dags"
IMAGES = ROOT / "docs" / "images"
BUCKET = "polly-demo"
RUN_SECONDS = 300
WAIT_MILLISECONDS = 60_000
# The UI draws its lists in several steps after its last request.
DRAWING_MILLISECONDS = 2_000
LISTEN_FRAME = 'iframe[src*="/polly/"]'


class Shot(NamedTuple):
    """One screenshot.

    :param name: name of the file in ``docs/images``
    :param dag_id: the DAG to run for the screenshot
    :param path: path of the page, after the path of the DAG run
    :param size: size of the browser's window, in pixels
    :param theme: theme of Airflow's UI, light or dark
    :param chapter: title of the chapter to go to, if the page is the tab Listen of a document
    """

    name: str
    dag_id: str
    path: str
    size: tuple[int, int] = (1280, 720)
    theme: str = "light"
    chapter: str | None = None


LARGE = (1280, 800)
SHOTS = (
    Shot("ui-xcom.png", "example_polly_basic", "/tasks/start/xcom"),
    Shot("ui-log.png", "example_polly_basic", "/tasks/start"),
    Shot("ui-mapped.png", "example_polly_mapped", "/tasks/gate/mapped"),
    Shot(
        "ui-listen-task.png",
        "example_polly_captions",
        "/tasks/article/plugin/polly-listen",
        LARGE,
        chapter="Speaking",
    ),
    Shot("ui-listen-run.png", "example_polly_batch", "/plugin/polly-listen-run", LARGE),
    Shot(
        "ui-listen-dark.png",
        "example_polly_audiobook",
        "/tasks/book/plugin/polly-listen",
        LARGE,
        theme="dark",
    ),
)


def main() -> int:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(prog="python -m scripts.screenshots", description=__doc__)
    parser.add_argument("names", nargs="*", help="names of the files to write (default: all)")
    names = parser.parse_args().names
    if unknown := set(names) - {shot.name for shot in SHOTS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    IMAGES.mkdir(exist_ok=True)
    with terminable(), tempfile.TemporaryDirectory(prefix="airflow-screenshots-") as folder:
        photograph([shot for shot in SHOTS if not names or shot.name in names], Path(folder))
    return 0


def photograph(shots: list[Shot], home: Path) -> None:
    """Run the DAGs, and take screenshots of their pages.

    :param shots: the screenshots
    :param home: folder for Airflow
    """
    from playwright.sync_api import sync_playwright

    arguments = ("--bucket", BUCKET, "--audio", "tone", "--in-progress-seconds", "10")
    with running_emulator(home / "emulator.log", *arguments) as endpoint_url:
        env = {
            "AIRFLOW_CONN_AWS_DEFAULT": aws_connection(endpoint_url),
            "POLLY_EXAMPLE_BUCKET": BUCKET,
            "AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS": '{"standard": 4}',
        }
        with AirflowStack(home=home / "airflow", dags_folder=EXAMPLES, env=env) as stack:
            run_ids = stack.trigger_all(
                {dag_id: {} for dag_id in dict.fromkeys(shot.dag_id for shot in shots)}
            )
            stack.wait_for_runs(run_ids, RUN_SECONDS)
            with sync_playwright() as playwright, running_chromium(playwright) as browser:
                for shot in shots:
                    url = f"{stack.base_url}/dags/{shot.dag_id}/runs/{run_ids[shot.dag_id]}{shot.path}"
                    _take(browser, url, shot)
                    print(f"{IMAGES / shot.name}: {url}", flush=True)


def _take(browser: Browser, url: str, shot: Shot) -> None:
    width, height = shot.size
    with browser.new_context(viewport={"width": width, "height": height}) as context:
        context.set_default_timeout(WAIT_MILLISECONDS)
        context.add_init_script(f"localStorage.setItem('theme', '{shot.theme}')")
        page = context.new_page()
        page.goto(url)
        if "polly-listen" in shot.path:
            frame = page.frame_locator(LISTEN_FRAME)
            frame.locator("html[data-ready]").wait_for()
            if shot.chapter:
                frame.locator("#chapter-list button", has_text=shot.chapter).click()
                page.mouse.move(0, 0)
        else:
            page.wait_for_load_state("networkidle")
        page.wait_for_timeout(DRAWING_MILLISECONDS)
        page.screenshot(path=IMAGES / shot.name)


if __name__ == "__main__":
    sys.exit(main())
