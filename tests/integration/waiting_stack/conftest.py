"""A real Airflow that all tests of this folder share."""

from __future__ import annotations

import json
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airflow
import pytest
from packaging.version import Version

from scripts.stack.emulator import REGION, aws_connection, running_emulator
from tests.integration.emulator_process import SYNTHESIS_SECONDS, Emulator
from tests.integration.stack_support import BUCKET, polly_stack
from tests.integration.waiting_stack.world import REASON, SECOND_REGION, SLOW, UNLISTED, World

if TYPE_CHECKING:
    from collections.abc import Iterator

HAS_START_FROM_TRIGGER = Version(airflow.__version__) >= Version("3.3")
XCOMS_FAIL = {"AIRFLOW__CORE__XCOM_BACKEND": "tests.integration.failing_xcoms.XComsThatFailInTriggerer"}
REGIONS = {
    "troubled": REGION,
    "denied": REGION,
    "unlisted": REGION,
    "first": REGION,
    "second": SECOND_REGION,
}


@pytest.fixture(scope="package")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run an emulator for each connection, and yield their endpoint URLs."""
    home = tmp_path_factory.mktemp("emulators")
    common = ("--bucket", BUCKET, "--audio", "none", "--in-progress-seconds", str(SYNTHESIS_SECONDS))
    with ExitStack() as stack:

        def start(name: str) -> str:
            emulator = running_emulator(home / f"{name}.log", *common, "--region", REGIONS[name])
            return stack.enter_context(emulator)

        with ThreadPoolExecutor() as pool:
            yield dict(zip(REGIONS, pool.map(start, REGIONS), strict=True))


@pytest.fixture(scope="package")
def dags_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dags")
    for name in ("alive", "modes", *(["start_from_trigger"] if HAS_START_FROM_TRIGGER else [])):
        for file in (Path(__file__).parent.parent / f"dags_{name}").glob("*.py"):
            shutil.copy(file, folder)
    return folder


def seed(emulators: dict[str, Emulator]) -> dict[str, dict[str, str]]:
    """Create the synthesis tasks that the DAGs wait for, and return their ids by DAG id and task id."""
    first, second = emulators["first"], emulators["second"]
    alive = {name: emulators[name.partition("_")[0]].seed() for name in ("troubled", "denied", *UNLISTED)}
    return {
        "alive": {**alive, "lost": emulators["troubled"].seed()},
        "each_end": {
            "get_completed": first.seed(),
            "sensor_completed": first.seed(),
            "get_failed": first.seed(ends_as="failed", reason=REASON),
            "sensor_failed": first.seed(ends_as="failed", reason=REASON),
            "sensor_unknown": str(uuid.uuid4()),
            "sensor_late": first.seed(),
            "sensor_expired": first.seed(),
            "sensor_throttled": second.seed(region=SECOND_REGION),
        },
    }


@pytest.fixture(scope="package")
def world(
    tmp_path_factory: pytest.TempPathFactory, dags_folder: Path, emulators: dict[str, str]
) -> Iterator[World]:
    """Yield an Airflow whose runs have started and wait. The run of ``start_from_trigger`` has ended."""
    home = tmp_path_factory.mktemp("waiting")
    with (
        ExitStack() as stack,
        polly_stack(
            home,
            dags_folder=dags_folder,
            # Short tones: tasks that end in the triggerer read the duration from the object.
            emulator_arguments=("--audio", "tone"),
            env=XCOMS_FAIL if HAS_START_FROM_TRIGGER else {},
        ) as running,
    ):
        connections = {
            name: json.loads(aws_connection(url, REGIONS[name])) for name, url in emulators.items()
        }
        connections["lost"] = json.loads(aws_connection("http://polly.invalid"))
        running.airflow.metadata.add_connections(connections)
        ours = {name: Emulator(url) for name, url in emulators.items()}
        for emulator in ours.values():
            stack.callback(emulator.close)
        ours["denied"].deny("GetSpeechSynthesisTask")
        ours["unlisted"].deny("ListSpeechSynthesisTasks")
        ours["second"].ask("faults", operation="StartSpeechSynthesisTask", fail_task=REASON)
        ours["second"].ask("faults", operation="GetSpeechSynthesisTask", error="ThrottlingException", times=4)
        ids = seed(ours)
        confs: dict[str, dict[str, Any]] = {
            **ids,
            **({"start_from_trigger": {"expired": ours["first"].seed()}} if HAS_START_FROM_TRIGGER else {}),
        }
        world = World(running.airflow, ours, ids, running.airflow.trigger_all(confs))
        if without_worker := world.run_ids.get("start_from_trigger"):
            running.airflow.wait_for_run(
                "start_from_trigger", without_worker, timeout=SLOW, on_change=world.note
            )
        yield world
