"""Take the screenshots of the documentation: ``make screenshots``.

It runs example DAGs on a real Airflow against the emulator, and captures Airflow's UI with headless Chromium
(the Debian package ``chromium``).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from scripts.browsers import find_browser
from scripts.stack.airflow import AirflowStack
from scripts.stack.emulator import aws_connection, running_emulator
from scripts.stack.signals import terminable

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "example_dags"
IMAGES = ROOT / "docs" / "images"
BUCKET = "polly-demo"
# Time limit in Chromium's virtual time, because the UI loads its data after the page. While nothing is being
# loaded, virtual time runs faster than real time.
VIRTUAL_MILLISECONDS = 20_000
RUN_SECONDS = 300


class Shot(NamedTuple):
    """One screenshot.

    :param name: name of the file in ``docs/images``
    :param path: path of the page, after Airflow's base URL; ``{run}`` stands for the run's id
    :param dag_id: the DAG to run for the screenshot
    :param size: size of the browser's window, in pixels
    """

    name: str
    path: str
    dag_id: str
    size: tuple[int, int] = (1280, 720)


SHOTS = (
    Shot("ui-xcom.png", "/dags/example_polly_basic/runs/{run}/tasks/start/xcom", "example_polly_basic"),
    Shot("ui-log.png", "/dags/example_polly_basic/runs/{run}/tasks/start", "example_polly_basic"),
    Shot("ui-mapped.png", "/dags/example_polly_mapped/runs/{run}/tasks/gate/mapped", "example_polly_mapped"),
)


def main() -> int:
    """Take all screenshots."""
    argparse.ArgumentParser(prog="python -m scripts.screenshots", description=__doc__).parse_args()
    if (browser := find_browser()) is None:
        print("No Chromium on the PATH. On Debian: apt-get install chromium", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with terminable(), tempfile.TemporaryDirectory(prefix="airflow-screenshots-") as folder:
        photograph(browser, Path(folder))
    return 0


def photograph(browser: str, home: Path) -> None:
    """Run the DAGs, and take screenshots of their pages.

    :param browser: Chromium's command
    :param home: folder for Airflow and the browser's profile
    """
    arguments = ("--bucket", BUCKET, "--audio", "tone", "--in-progress-seconds", "10")
    with running_emulator(home / "emulator.log", *arguments) as endpoint_url:
        env = {"AIRFLOW_CONN_AWS_DEFAULT": aws_connection(endpoint_url), "POLLY_EXAMPLE_BUCKET": BUCKET}
        with AirflowStack(home=home / "airflow", dags_folder=EXAMPLES, env=env) as stack:
            run_ids = stack.trigger_all(
                {dag_id: {} for dag_id in dict.fromkeys(shot.dag_id for shot in SHOTS)}
            )
            stack.wait_for_runs(run_ids, RUN_SECONDS)
            for shot in SHOTS:
                url = stack.base_url + shot.path.format(run=run_ids[shot.dag_id])
                _take(browser, url, IMAGES / shot.name, shot.size, home / "profile")
                print(f"{IMAGES / shot.name}: {url}", flush=True)


def _take(browser: str, url: str, to: Path, size: tuple[int, int], profile: Path) -> None:
    command = [
        browser,
        *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        f"--user-data-dir={profile}",
        f"--window-size={size[0]},{size[1]}",
        f"--virtual-time-budget={VIRTUAL_MILLISECONDS}",
        f"--screenshot={to}",
        url,
    ]
    began = time.time()
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    if not to.is_file() or to.stat().st_mtime < began:
        raise RuntimeError(f"{browser} did not write a screenshot of {url}.")


if __name__ == "__main__":
    sys.exit(main())
