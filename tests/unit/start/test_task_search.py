"""One search of the account's synthesis tasks for many tokens."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.exceptions import PollyConfigurationError
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.start import task_search
from airflow_polly_provider.start.task_search import TokenSearch
from tests.unit.support import CREATED, Refusal, synthesis_task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.unit.support import Answer, Request, Wire

STATUSES = ("scheduled", "inProgress", "completed", "failed")
BUCKET = "bucket"


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Skip the pauses of the search, and return them."""
    pauses: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(pauses), sleep=pauses.append)
    monkeypatch.setattr(task_search, "time", clock)
    return pauses


def task(name: str, status: str, *, bucket: str = BUCKET, prefix: str | None = None, **fields: Any) -> Any:
    uri = f"https://s3.eu-west-1.amazonaws.com/{bucket}/{prefix or name}.id-{name}.mp3"
    return synthesis_task(f"id-{name}", status, **{"OutputUri": uri, **fields})


def serve(wire: Wire, *tasks: dict[str, Any]) -> None:
    """List these synthesis tasks, newest first, in pages of 100 for each status."""
    by_status = {status: [each for each in tasks if each["TaskStatus"] == status] for status in STATUSES}

    def answer(request: Request) -> Answer:
        assert request.operation == "ListSpeechSynthesisTasks"
        (status,) = request.query["Status"]
        begin = int(request.query.get("NextToken", ["0"])[0])
        page: dict[str, Any] = {"SynthesisTasks": by_status[status][begin : begin + 100]}
        if begin + 100 < len(by_status[status]):
            page["NextToken"] = str(begin + 100)
        return page

    wire.answer = answer


def search() -> TokenSearch:
    return TokenSearch(PollyHook(aws_conn_id="aws_default"), not_before=CREATED - timedelta(hours=1))


def ids(found: dict[tuple[str, str], list[Any]]) -> dict[str, list[str]]:
    return {prefix: [each["TaskId"] for each in tasks] for (_, prefix), tasks in found.items()}


def outputs(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(BUCKET, name) for name in names]


def listed(wire: Wire) -> list[str]:
    return [request.query["Status"][0] for request in wire.requests]


class TestFindAll:
    def test_finds_the_synthesis_tasks_of_each_output_in_every_status(self, wire: Wire) -> None:
        serve(wire, *(task(status, status) for status in STATUSES), task("foreign", "completed"))
        found = search().find_all(outputs([*STATUSES, "never-started"]))
        assert ids(found) == {
            **{status: [f"id-{status}"] for status in STATUSES},
            "never-started": [],
        }
        assert found[BUCKET, "failed"][0]["TaskStatus"] == "failed"

    def test_sends_the_same_requests_for_many_outputs_as_for_one(self, wire: Wire) -> None:
        serve(wire, *(task(f"n{number}", "completed") for number in range(250)))
        requests = []
        for number in (1, 100, 20_000):
            wire.requests.clear()
            search().find_all(outputs(f"unknown{n}" for n in range(number)))
            requests.append(listed(wire))
        assert requests[0] == [
            "scheduled",
            "inProgress",
            "completed",
            "completed",
            "completed",
            "failed",
        ]
        assert requests[0] == requests[1] == requests[2]

    def test_keeps_the_pace_of_a_search_for_one_output(self, wire: Wire, slept: list[float]) -> None:
        serve(wire, *(task(f"n{number}", "completed") for number in range(950)))
        search().find_all(outputs(["unknown", "other"]))
        assert len(wire.requests) == 13
        assert sum(slept) == pytest.approx(12 / task_search.PAGES_PER_SECOND)

    def test_ends_as_soon_as_every_output_has_a_synthesis_task_that_did_not_fail(self, wire: Wire) -> None:
        others = [task(f"n{number}", "completed") for number in range(500)]
        serve(wire, task("a", "inProgress"), task("b", "completed"), *others)
        found = search().find_all(outputs(["a", "b"]))
        assert ids(found) == {"a": ["id-a"], "b": ["id-b"]}
        assert listed(wire) == ["scheduled", "inProgress", "completed"]

    def test_reads_on_if_an_output_has_only_failed_synthesis_tasks(self, wire: Wire) -> None:
        serve(
            wire,
            task("again", "scheduled", prefix="a"),
            task("first", "failed", prefix="a"),
            task("b1", "failed", prefix="b"),
            task("b2", "failed", prefix="b"),
        )
        assert ids(search().find_all(outputs(["a", "b"]))) == {
            "a": ["id-again", "id-first"],
            "b": ["id-b1", "id-b2"],
        }

    def test_returns_the_latest_status_of_a_synthesis_task_that_ends_meanwhile(self, wire: Wire) -> None:
        serve(wire, task("a", "inProgress"), task("a", "completed"), task("b", "completed"))
        found = search().find_all(outputs(["a", "b"]))
        assert [each["TaskStatus"] for each in found[BUCKET, "a"]] == ["completed"]

    def test_tells_outputs_in_other_buckets_apart(self, wire: Wire) -> None:
        serve(
            wire, task("one", "completed", prefix="a"), task("two", "completed", prefix="a", bucket="other")
        )
        found = search().find_all([(BUCKET, "a"), ("other", "a"), ("third", "a")])
        assert {bucket: [each["TaskId"] for each in tasks] for (bucket, _), tasks in found.items()} == {
            BUCKET: ["id-one"],
            "other": ["id-two"],
            "third": [],
        }

    def test_ignores_synthesis_tasks_of_another_run_and_unreadable_ones(self, wire: Wire) -> None:
        serve(
            wire,
            task("a", "completed", CreationTime=CREATED - timedelta(hours=2)),
            task("a", "failed", OutputUri="nonsense"),
            task("ab", "completed"),
            task("x", "completed", prefix="folder/a"),
        )
        assert ids(search().find_all(outputs(["a"]))) == {"a": []}

    def test_of_no_output_sends_no_request(self, wire: Wire) -> None:
        assert search().find_all([]) == {}
        assert wire.requests == []

    def test_that_is_denied_is_an_error(self, wire: Wire) -> None:
        wire.answer = lambda _: Refusal("AccessDeniedException", 403)
        with pytest.raises(PollyConfigurationError, match="ListSpeechSynthesisTasks"):
            search().find_all(outputs(["a", "b"]))

    def test_repeats_only_the_page_that_failed(self, wire: Wire) -> None:
        serve(wire, *(task(f"n{number}", "completed") for number in range(250)))
        answer_page, refusals = wire.answer, [Refusal("ThrottlingException"), Refusal("Failure", 500)]

        def answer(request: Request) -> Answer:
            is_third = request.query.get("NextToken") == ["200"]
            return refusals.pop() if is_third and refusals else answer_page(request)

        wire.answer = answer
        found = search().find_all(outputs(f"n{number}" for number in range(250)))
        assert all(len(tasks) == 1 for tasks in found.values())
        assert listed(wire) == ["scheduled", "inProgress"] + 5 * ["completed"]

    def test_keeps_only_the_matches_in_memory(self, wire: Wire) -> None:
        serve(wire, *(task(f"n{number}", "completed") for number in range(5_000)))
        hook = PollyHook(aws_conn_id="aws_default")
        hook.list_speech_synthesis_tasks_page(status="failed")
        one = TokenSearch(hook, not_before=CREATED - timedelta(hours=1))
        wire.requests.clear()
        tracemalloc.start()
        try:
            assert ids(one.find_all(outputs(["n4999", "unknown"])))["n4999"] == ["id-n4999"]
            wire.requests.clear()
            grown, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # All 5,000 synthesis tasks would need about 10 MB.
        assert grown < 1_000_000
        assert peak < 3_000_000

    @given(
        prefix=st.text("ab./-", min_size=1, max_size=12),
        others=st.sets(st.text("ab./-", min_size=1, max_size=12), max_size=20),
        extension=st.sampled_from(["mp3", "pcm", "word.marks"]),
    )
    def test_finds_a_prefix_with_dots_among_similar_ones(
        self, prefix: str, others: set[str], extension: str
    ) -> None:
        uri = f"https://s3.eu-west-1.amazonaws.com/{BUCKET}/{prefix}.id-1.{extension}"
        wanted = dict.fromkeys(outputs({prefix, *others} - {f"{prefix}.id-1", f"{prefix}.id-1.word"}))
        assert search()._output_of(synthesis_task(OutputUri=uri), wanted) == (BUCKET, prefix)


class TestFind:
    def test_returns_the_first_matches_like_a_search_for_many(self, wire: Wire) -> None:
        serve(wire, task("x", "completed", prefix="a"), task("y", "failed", prefix="a"))
        assert [each["TaskId"] for each in search().find(BUCKET, "a")] == ["id-x"]
        assert listed(wire) == ["scheduled", "inProgress", "completed"]

    def test_returns_all_that_failed_if_none_did_not_fail(self, wire: Wire) -> None:
        serve(wire, task("x", "failed", prefix="a"), task("y", "failed", prefix="a"))
        assert [each["TaskId"] for each in search().find(BUCKET, "a")] == ["id-x", "id-y"]
