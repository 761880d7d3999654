"""The lexicon operators in whole DAGs against the emulator."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import ObjectStoragePath
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.operators.lexicon import PollyDeleteLexiconOperator, PollyPutLexiconOperator
from airflow_polly_provider.request.lexicon import content_digest
from tests.integration.aws_clients import client_of
from tests.integration.dag_builder import new_dag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

NAME = "places"
PLACES = Path(__file__).resolve().parents[2] / "example_dags" / "lexicons" / "places.pls"
# Jinja removes the last newline.
CONTENT = PLACES.read_text().removesuffix("\n")
PUT, GET, DELETE = "PutLexicon", "GetLexicon", "DeleteLexicon"


@pytest.fixture
def polly(emulator: RunningEmulator) -> Iterator[Any]:
    """Yield a Polly client for an account without lexicons."""
    with client_of(emulator, "polly") as client:
        for lexicon in client.list_lexicons()["Lexicons"]:
            client.delete_lexicon(Name=lexicon["Name"])
        emulator.counters.reset()
        yield client


def lexicon_dag(operator: type, template_searchpath: str | None = None, **given: Any) -> DAG:
    """Return a DAG with one task, named ``lexicon``, that has two retries."""
    with new_dag("lexicons", template_searchpath=template_searchpath) as dag:
        operator(task_id="lexicon", **{"name": NAME, "retries": 2, "retry_delay": timedelta(0)} | given)
    return dag


def put_dag(**given: Any) -> DAG:
    return lexicon_dag(PollyPutLexiconOperator, **given)


class TestPut:
    def test_stores_the_lexicon_and_returns_its_attributes(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag
    ) -> None:
        run = run_dag(put_dag(content=CONTENT))
        assert run.task("lexicon") == ("success", 1), run.output
        assert polly.get_lexicon(Name=NAME)["Lexicon"]["Content"] == CONTENT
        xcoms = run.xcoms("lexicon")
        value = xcoms.pop("return_value")
        assert xcoms == {"Name": NAME}
        modified = datetime.fromisoformat(value.pop("LastModified"))
        assert modified.tzinfo is not None
        assert value.pop("LexiconArn").endswith(f":lexicon/{NAME}")
        assert value == {
            "Name": NAME,
            "ContentDigest": content_digest(CONTENT),
            "Put": True,
            "Alphabet": "ipa",
            "LanguageCode": "en",
            "LexemesCount": 2,
            "Size": len(CONTENT),
        }
        assert "2 lexemes" in run.output

    @pytest.mark.parametrize("stored", [CONTENT, f"{CONTENT}\n", CONTENT.replace("\n", "\r\n")])
    def test_sends_nothing_if_the_same_content_is_stored(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag, stored: str
    ) -> None:
        polly.put_lexicon(Name=NAME, Content=stored)
        emulator.counters.reset()
        run = run_dag(put_dag(content=CONTENT))
        assert run.task("lexicon") == ("success", 1), run.output
        assert emulator.counters.calls(PUT) == 0
        assert "it was not sent again" in run.output
        value = run.xcoms("lexicon")["return_value"]
        assert value["Put"] is False
        assert value["LexemesCount"] == 2

    def test_replaces_other_content_of_the_same_name(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag
    ) -> None:
        polly.put_lexicon(Name=NAME, Content=CONTENT.replace("King's", "Queen's"))
        run = run_dag(put_dag(content=CONTENT))
        assert run.xcoms("lexicon")["return_value"]["Put"] is True
        assert polly.get_lexicon(Name=NAME)["Lexicon"]["Content"] == CONTENT

    def test_succeeds_although_polly_shows_the_lexicon_late(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag
    ) -> None:
        emulator.faults.add(GET, times=2, error="LexiconNotFoundException", status=404)
        run = run_dag(put_dag(content=CONTENT))
        assert run.task("lexicon") == ("success", 1), run.output
        assert run.xcoms("lexicon")["return_value"] == {
            "Name": NAME,
            "ContentDigest": content_digest(CONTENT),
            "Put": True,
        }
        assert "eventually consistent" in run.output

    def test_pushes_no_xcoms_with_do_xcom_push_false(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag
    ) -> None:
        run = run_dag(put_dag(content=CONTENT, do_xcom_push=False))
        assert run.task("lexicon") == ("success", 1), run.output
        assert run.xcoms("lexicon") == {}

    @pytest.mark.parametrize("operation", [PUT, GET])
    def test_denied_request_names_the_permission(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag, operation: str
    ) -> None:
        emulator.faults.deny(operation)
        run = run_dag(put_dag(content=CONTENT))
        assert run.task("lexicon") == ("failed", 1), run.output
        assert f"Allow polly:{operation}" in run.output

    def test_throttled_requests_are_retried(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag
    ) -> None:
        emulator.faults.add(PUT, times=1, error="ThrottlingException")
        assert run_dag(put_dag(content=CONTENT)).task("lexicon") == ("success", 1)


class TestSources:
    def test_content_can_be_a_template_file(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag, tmp_path: Path
    ) -> None:
        (tmp_path / "it.pls").write_text(CONTENT.replace("King's", "{{ dag.dag_id }}'s"))
        run = run_dag(put_dag(content="it.pls", template_searchpath=str(tmp_path)))
        assert run.task("lexicon") == ("success", 1), run.output
        assert f"{run.dag_id}'s Cross" in polly.get_lexicon(Name=NAME)["Lexicon"]["Content"]

    @pytest.mark.parametrize("kind", ["path", "url", "object storage path"])
    def test_content_path_reads_a_file_without_rendering_it(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag, tmp_path: Path, kind: str
    ) -> None:
        content = CONTENT.replace("King's", "{{ ds }}'s")
        (tmp_path / "it.pls").write_text(content, encoding="utf-8-sig")
        path = f"{tmp_path}/it.pls"
        given = {
            "path": path,
            "url": f"file://{path}",
            "object storage path": ObjectStoragePath(f"file://{path}"),
        }
        run = run_dag(put_dag(content_path=given[kind]))
        assert run.task("lexicon") == ("success", 1), run.output
        assert polly.get_lexicon(Name=NAME)["Lexicon"]["Content"] == content

    def test_content_path_reads_an_object_in_s3(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag, s3: Any
    ) -> None:
        s3.put_object(Bucket=emulator.bucket, Key="lexicons/lexicon.pls", Body=CONTENT.encode())
        run = run_dag(put_dag(content_path=f"s3://{emulator.bucket}/lexicons/{{{{ task.task_id }}}}.pls"))
        assert run.task("lexicon") == ("success", 1), run.output
        assert polly.get_lexicon(Name=NAME)["Lexicon"]["Content"] == CONTENT

    def test_content_path_reads_s3_with_the_connection_in_the_path(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag, s3: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_READER", emulator.airflow_connection())
        s3.put_object(Bucket=emulator.bucket, Key="it.pls", Body=CONTENT.encode())
        run = run_dag(put_dag(content_path=f"s3://reader@{emulator.bucket}/it.pls"))
        assert run.task("lexicon") == ("success", 1), run.output
        assert "reader" in run.output


INVALID: dict[str, tuple[dict[str, Any], list[str]]] = {
    "name": ({"content": CONTENT, "name": "my-places"}, ["name 'my-places'", "letters and digits"]),
    "empty": ({"content": "{{ '' }}"}, ["lexicon is empty"]),
    "not a string": ({"content": 7}, ["content must be a string, not int"]),
    "not PLS": ({"content": "<a/> "}, ["line 1, column 1", "the root must be <lexicon>"]),
    "missing template file": (
        {"content": "no/such.pls"},
        ["content names", "no/such.pls", "template_searchpath"],
    ),
    "missing file": ({"content_path": "/no/such.pls"}, ["The worker cannot find /no/such.pls"]),
    "missing object": (
        {"content_path": "s3://{bucket}/no.pls"},
        ["The worker cannot find s3://", "NoSuchKey"],
    ),
    "missing bucket": (
        {"content_path": "s3://no-such-bucket/no.pls"},
        ["The worker cannot find s3://", "NoSuchBucket"],
    ),
    "path without a key": (
        {"content_path": "s3://bucket"},
        ["content_path 's3://bucket' must have a bucket and a key"],
    ),
    "language": ({"content": CONTENT.replace('"en"', '"tlh"')}, ["UnsupportedPlsLanguageException"]),
}


class TestInvalidContent:
    @pytest.mark.parametrize(("given", "words"), INVALID.values(), ids=INVALID)
    def test_fails_without_retries_and_stores_nothing(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag, given: dict[str, Any], words: list[str]
    ) -> None:
        if "content_path" in given:
            given = given | {"content_path": given["content_path"].replace("{bucket}", emulator.bucket)}
        run = run_dag(put_dag(**given))
        assert run.task("lexicon") == ("failed", 1), run.output
        for word in words:
            assert word in run.output
        assert emulator.counters.calls(PUT, "ok") == 0

    @pytest.mark.parametrize(
        ("data", "words"),
        [(CONTENT.encode("utf-16"), "is not UTF-8"), (b"x" * 160_001, "longer than 160,000 bytes")],
    )
    def test_in_a_file_fails_with_the_reason(
        self,
        emulator: RunningEmulator,
        polly: Any,
        run_dag: RunDag,
        tmp_path: Path,
        data: bytes,
        words: str,
    ) -> None:
        (tmp_path / "it.pls").write_bytes(data)
        run = run_dag(put_dag(content_path=f"{tmp_path}/it.pls"))
        assert run.task("lexicon") == ("failed", 1), run.output
        assert words in run.output

    @pytest.mark.parametrize("given", [{}, {"content": CONTENT, "content_path": "/it.pls"}])
    def test_neither_or_both_sources_fail_while_the_dag_is_parsed(self, given: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="either content or content_path"):
            put_dag(**given)


class TestDelete:
    def test_removes_the_lexicon(self, emulator: RunningEmulator, polly: Any, run_dag: RunDag) -> None:
        polly.put_lexicon(Name=NAME, Content=CONTENT)
        run = run_dag(lexicon_dag(PollyDeleteLexiconOperator))
        assert run.task("lexicon") == ("success", 1), run.output
        assert run.xcoms("lexicon") == {"return_value": {"Name": NAME, "Deleted": True}}
        assert polly.list_lexicons()["Lexicons"] == []

    def test_of_a_missing_lexicon_succeeds_with_ignore_if_missing(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag
    ) -> None:
        run = run_dag(lexicon_dag(PollyDeleteLexiconOperator, ignore_if_missing=True))
        assert run.task("lexicon") == ("success", 1), run.output
        assert run.xcoms("lexicon") == {"return_value": {"Name": NAME, "Deleted": False}}

    def test_of_a_missing_lexicon_fails_without_retries(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag
    ) -> None:
        run = run_dag(lexicon_dag(PollyDeleteLexiconOperator))
        assert run.task("lexicon") == ("failed", 1), run.output
        assert "PollyLexiconNotFoundError" in run.output
        assert f"no such lexicon ('{NAME}') in us-east-1" in run.output

    def test_rejects_an_invalid_name(self, emulator: RunningEmulator, polly: Any, run_dag: RunDag) -> None:
        run = run_dag(lexicon_dag(PollyDeleteLexiconOperator, name="my places", ignore_if_missing=True))
        assert run.task("lexicon") == ("failed", 1), run.output
        assert emulator.counters.calls(DELETE) == 0

    def test_denied_request_names_the_permission(
        self, emulator: RunningEmulator, polly: Any, run_dag: RunDag
    ) -> None:
        emulator.faults.deny(DELETE)
        run = run_dag(lexicon_dag(PollyDeleteLexiconOperator))
        assert run.task("lexicon") == ("failed", 1), run.output
        assert f"Allow polly:{DELETE}" in run.output


def test_hook_sets_and_removes_tags(emulator: RunningEmulator, polly: Any) -> None:
    polly.put_lexicon(Name=NAME, Content=CONTENT)
    hook = PollyHook()
    arn = hook.get_lexicon(NAME)["LexiconAttributes"]["LexiconArn"]
    hook.tag_resource(arn, {"cost": "low", "team": "news"})
    hook.untag_resource(arn, ["team"])
    assert hook.list_tags_for_resource(arn) == {"cost": "low"}
