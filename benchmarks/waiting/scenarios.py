"""Scenarios that are measured in separate processes. The emulator contains seeded synthesis tasks."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.base.quotas import AWS_QUOTAS
from airflow_polly_provider.emulator.testing import running_emulator
from benchmarks.waiting.processes import environment, ready_processes

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from benchmarks.waiting.processes import Way

_CREATED_A_SECOND = 10
"""Synthesis tasks that are created per second. Polly accepts only 10 starts per second."""

_FOREIGN_EVERY_SECONDS = 2.5
_DEFAULT_INTERVAL = 30.0
_BURST_INTERVAL = 2.0


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A kind of wait to measure.

    :param name: name in the results
    :param waits: number of waits
    :param seconds: maximum duration of the synthesis tasks
    :param at_random: whether the synthesis tasks end at random times up to ``seconds``, or all at ``seconds``
    :param interval: ``poke_interval`` of the waits
    :param quotas: whether the emulator throttles like AWS
    :param foreign: number of other synthesis tasks in the account that ended in the last 72 hours
    :param newest_first: whether lists begin with the newest synthesis task; AWS does not document the order
    :param processes: number of triggerers that share the waits
    """

    name: str
    waits: int
    seconds: float
    at_random: bool = True
    interval: float = _DEFAULT_INTERVAL
    quotas: bool = True
    foreign: int = 0
    newest_first: bool = False
    processes: int = 1

    @property
    def patience(self) -> float:
        """Return the seconds after which a wait counts as lost."""
        return self.seconds + 600


BURST = Scenario(
    name="1,000 waits of 40 s",
    waits=1000,
    seconds=40,
    at_random=False,
    interval=_BURST_INTERVAL,
    quotas=False,
)
LONG = (
    Scenario(name="10,000 waits", waits=10_000, seconds=600),
    Scenario(name="10,000 waits, newest first", waits=10_000, seconds=600, newest_first=True),
    Scenario(name="huge account, oldest first", waits=2000, seconds=600, foreign=100_000),
    Scenario(name="huge account, newest first", waits=2000, seconds=600, foreign=100_000, newest_first=True),
    Scenario(name="two triggerers", waits=2000, seconds=600, processes=2),
    Scenario(name="10,000 waits ending at once", waits=10_000, seconds=60, at_random=False),
)


def run(scenario: Scenario, way: Way, *, seed: int = 0) -> dict[str, Any]:
    """Run a scenario with one way to wait, and return the measurements.

    :param scenario: scenario to run
    :param way: way to wait
    :param seed: seed of the random end times
    """
    with running_emulator(audio="none", newest_first=scenario.newest_first) as emulator:
        if scenario.foreign:
            emulator.seed(count=scenario.foreign, age_seconds=1.0, spacing_seconds=_FOREIGN_EVERY_SECONDS)
        env = environment(emulator.airflow_connection())
        with ready_processes(way, scenario.processes, env) as processes:
            waits = _seed(emulator, scenario, random.Random(seed))
            if scenario.quotas:
                emulator.set_quotas(AWS_QUOTAS)
            emulator.counters.reset()
            began = time.monotonic()
            for number, process in enumerate(processes):
                process.order(
                    waits[number :: len(processes)], interval=scenario.interval, patience=scenario.patience
                )
            results = [process.result(scenario.patience) for process in processes]
        seconds = time.monotonic() - began
        return _summary(scenario, way, results, emulator.counters.snapshot(), seconds)


def _seed(emulator: RunningEmulator, scenario: Scenario, chance: random.Random) -> list[tuple[str, float]]:
    first_end = time.time() + (5 + scenario.waits / 1000 if scenario.at_random else 0)
    waits = []
    if not scenario.at_random:
        ids = emulator.seed(
            count=scenario.waits,
            status="inProgress",
            spacing_seconds=1 / _CREATED_A_SECOND,
            ends_in_seconds=scenario.seconds,
        )
        return [(synthesis_task_id, first_end + scenario.seconds) for synthesis_task_id in ids]
    for number in range(scenario.waits):
        ends_at = first_end + chance.random() * scenario.seconds
        [synthesis_task_id] = emulator.seed(
            status="inProgress",
            age_seconds=number / _CREATED_A_SECOND,
            ends_in_seconds=ends_at - time.time(),
        )
        waits.append((synthesis_task_id, ends_at))
    chance.shuffle(waits)
    return waits


def _summary(
    scenario: Scenario,
    way: Way,
    results: list[dict[str, Any]],
    calls: dict[str, dict[str, int]],
    seconds: float,
) -> dict[str, Any]:
    delays = sorted(delay for result in results for delay in result["delays"])
    outcomes = [item for operation in calls.values() for item in operation.items()]
    requests = sum(count for _, count in outcomes)
    throttled = sum(count for outcome, count in outcomes if outcome == "ThrottlingException")
    figures = {
        name: sum(result[name] for result in results) for name in ("waits", "cpu_seconds", "rss_growth_mib")
    }
    stalls = {name: max(result[name] for result in results) for name in results[0] if "stall" in name}
    return {
        "scenario": scenario.name,
        "way": way.module,
        **figures,
        **stalls,
        "lost": scenario.waits - len(delays),
        "errors": [error for result in results for error in result["errors"]],
        "requests": requests,
        "throttled": throttled,
        "calls": calls,
        "seconds": seconds,
        **{f"delay_p{share}": quantile(delays, share / 100) for share in (50, 95, 100)},
    }


def quantile(ordered: list[float], share: float) -> float | None:
    """Return a quantile of sorted values, or None if there are no values.

    :param ordered: sorted values
    :param share: quantile from 0 to 1
    """
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None
