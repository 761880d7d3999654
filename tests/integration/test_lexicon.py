"""The lexicon operators in whole DAGs against the emulator."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from airflow.providers.common.compat.sdk import DAG, ObjectStoragePath

from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.lexicon import content_digest
from airflow_polly_provider.operators.lexicon import PollyDeleteLexiconOperator, PollyPutLexiconOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun

    Runner = Callable[[DAG], FinishedRun]

NAME = "places"
PLACES = Path(__file__).resolve().parents[2] / "example_dags" / "lexicons" / "places.pls"
# Jinja takes a last line end away.
CONTENT = PLACES.read_text().removesuffix("\n")
PUT, GET, DELETE = "PutLexicon", "GetLexicon", "DeleteLexicon"


@pytest.fixture
def polly(emulator: RunningEmulator) -> Iterator[Any]:
    """A client, on an account without lexicons."""
    client: Any = boto3.client("polly", **emulator.client_settings)  # type: ignore[call-overload]  # settings by name
    for lexicon in client.list_lexicons()["Lexicons"]:
        client.delete_lexicon(Name=lexicon["Name"])
    emulator.counters.reset()
    yield client
    client.close()


def dag_of(operator: type, template_searchpath: str | None = None, **given: Any) -> DAG:
    with DAG(
        f"lexicons_{time.time_ns()}",
        start_date=datetime(2025, 1, 1, tzinfo=UTC),
        schedule=None,
        template_searchpath=template_searchpath,
    ) as dag:
        operator(task_id="it", **{"name": NAME, "retries": 2, "retry_delay": timedelta(0)} | given)
    return dag


def put_dag(**given: Any) -> DAG:
    return dag_of(PollyPutLexiconOperator, **given)


class TestPut:
    def test_stores_it_and_tells_what_polly_knows_of_it(
        self, emulator: RunningEmulator, polly: Any, run_dag: Runner
    ) -> None:
        run = run_dag(put_dag(content=CONTENT))
        assert run.task("it") == ("success", 1), run.output
        assert polly.get_lexicon(Name=NAME)["Lexicon"]["Content"] == CONTENT
        xcoms = run.xcoms("it")
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
            "Size": len(CONTENT.encode()),
        }
        assert "2 lexemes" in run.output

    @pytest.mark.parametrize("stored", [CONTENT, f"{CONTENT}\n", CONTENT.replace("\n", "\r\n")])
    def test_sends_nothing_where_it_is_stored_already(
        self, emulator: RunningEmulator, polly: Any, run_dag: Runner, stored: str
    ) -> None:
        polly.put_lexicon(Name=NAME, Content=stored)
        emulator.counters.reset()
        run = run_dag(put_dag(content=CONTENT))
        assert run.task("it") == ("success", 1), run.output
        assert emulator.counters.calls(PUT) == 0
        assert "was not put again" in run.output
        value = run.xcoms("it")["return_value"]
        assert value["Put"] is False
        assert value["LexemesCount"] == 2

    def test_replaces_another_of_the_same_name(
        self, emulator: RunningEmulator, polly: Any, run_dag: Runner
    ) -> None:
        polly.put_lexicon(Name=NAME, Content=CONTENT.replace("King's", "Queen's"))
        run = run_dag(put_dag(content=CONTENT))
        assert run.xcoms("it")["return_value"]["Put"] is True
        assert polly.get_lexicon(Name=NAME)["Lexicon"]["Content"] == CONTENT

    def test_survives_that_polly_shows_it_late(
        self, emulator: RunningEmulator, polly: Any, run_dag: Runner
    ) -> None:
        emulator.faults.add(GET, times=2, error="LexiconNotFoundException", status=404)
        run = run_dag(put_dag(content=CONTENT))
        assert run.task("it") == ("success", 1), run.output
        assert run.xcoms("it")["return_value"] == {
            "Name": NAME,
            "ContentDigest": content_digest(CONTENT),
            "Put": True,
        }
        assert "eventually consistent" in run.output

    def test_pushes_nothing_where_told(self, emulator: RunningEmulator, polly: Any, run_dag: Runner) -> None:
        run = run_dag(put_dag(content=CONTENT, do_xcom_push=False))
        assert run.task("it") == ("success", 1), run.output
        assert run.xcoms("it") == {}

    @pytest.mark.parametrize("operation", [PUT, GET])
    def test_denied_names_the_permission(
        self, emulator: RunningEmulator, polly: Any, run_dag: Runner, operation: str
    ) -> None:
        emulator.faults.deny(operation)
        run = run_dag(put_dag(content=CONTENT))
        assert run.task("it") == ("failed", 1), run.output
        assert f"Allow polly:{operation}" in run.output

    def test_throttled_goes_on(self, emulator: RunningEmulator, polly: Any, run_dag: Runner) -> None:
        emulator.faults.add(PUT, times=1, error="ThrottlingException")
        assert run_dag(put_dag(content=CONTENT)).task("it") == ("success", 1)


class TestSources:
    def test_template_file(
        self, emulator: RunningEmulator, polly: Any, run_dag: Runner, tmp_path: Path
    ) -> None:
        (tmp_path / "it.pls").write_text(CONTENT.replace("King's", "{{ dag.dag_id }}'s"))
        run = run_dag(put_dag(content="it.pls", template_searchpath=str(tmp_path)))
        assert run.task("it") == ("success", 1), run.output
        assert f"{run.dag_id}'s Cross" in polly.get_lexicon(Name=NAME)["Lexicon"]["Content"]

    @pytest.mark.parametrize("kind", ["path", "url", "object storage path"])
    def test_file_of_the_worker_which_is_no_template(
        self, emulator: RunningEmulator, polly: Any, run_dag: Runner, tmp_path: Path, kind: str
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
        assert run.task("it") == ("success", 1), run.output
        assert polly.get_lexicon(Name=NAME)["Lexicon"]["Content"] == content

    def test_object_in_s3(self, emulator: RunningEmulator, polly: Any, run_dag: Runner) -> None:
        with s3_of(emulator) as s3:
            s3.put_object(Bucket=emulator.bucket, Key="lexicons/it.pls", Body=CONTENT.encode())
        run = run_dag(put_dag(content_path=f"s3://{emulator.bucket}/lexicons/{{{{ task.task_id }}}}.pls"))
        assert run.task("it") == ("success", 1), run.output
        assert polly.get_lexicon(Name=NAME)["Lexicon"]["Content"] == CONTENT

    def test_object_in_s3_by_another_connection(
        self, emulator: RunningEmulator, polly: Any, run_dag: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_READER", emulator.airflow_connection())
        with s3_of(emulator) as s3:
            s3.put_object(Bucket=emulator.bucket, Key="it.pls", Body=CONTENT.encode())
        run = run_dag(put_dag(content_path=f"s3://reader@{emulator.bucket}/it.pls"))
        assert run.task("it") == ("success", 1), run.output
        assert "reader" in run.output


@contextlib.contextmanager
def s3_of(emulator: RunningEmulator) -> Iterator[Any]:
    client: Any = boto3.client("s3", **emulator.client_settings)  # type: ignore[call-overload]  # settings by name
    yield client
    client.close()


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "name": ({"content": CONTENT, "name": "my-places"}, ["name 'my-places'", "letters and digits"]),
    "empty": ({"content": "{{ '' }}"}, ["lexicon is empty"]),
    "no string": ({"content": 7}, ["content must be a PLS document", "not int"]),
    "no pls": ({"content": "<a/> "}, ["line 1, column 1", "the root must be <lexicon>"]),
    "missing template file": (
        {"content": "no/such.pls"},
        ["content names", "no/such.pls", "template_searchpath"],
    ),
    "missing file": ({"content_path": "/no/such.pls"}, ["There is no /no/such.pls"]),
    "missing object": ({"content_path": "s3://{bucket}/no.pls"}, ["There is no s3://", "NoSuchKey"]),
    "missing bucket": ({"content_path": "s3://no-such-bucket/no.pls"}, ["There is no s3://", "NoSuchBucket"]),
    "half a path": ({"content_path": "s3://bucket"}, ["content_path 's3://bucket' names no bucket and key"]),
    "language": ({"content": CONTENT.replace('"en"', '"tlh"')}, ["UnsupportedPlsLanguageException"]),
}


class TestRefused:
    @pytest.mark.parametrize(("given", "words"), BAD.values(), ids=BAD)
    def test_without_retries(
        self, emulator: RunningEmulator, polly: Any, run_dag: Runner, given: dict[str, Any], words: list[str]
    ) -> None:
        if "content_path" in given:
            given = given | {"content_path": given["content_path"].replace("{bucket}", emulator.bucket)}
        run = run_dag(put_dag(**given))
        assert run.task("it") == ("failed", 1), run.output
        for word in words:
            assert word in run.output
        assert emulator.counters.calls(PUT, "ok") == 0

    @pytest.mark.parametrize(
        ("data", "words"),
        [(CONTENT.encode("utf-16"), "is not UTF-8"), (b"x" * 160_001, "longer than 160,000 bytes")],
    )
    def test_file(
        self,
        emulator: RunningEmulator,
        polly: Any,
        run_dag: Runner,
        tmp_path: Path,
        data: bytes,
        words: str,
    ) -> None:
        (tmp_path / "it.pls").write_bytes(data)
        run = run_dag(put_dag(content_path=f"{tmp_path}/it.pls"))
        assert run.task("it") == ("failed", 1), run.output
        assert words in run.output

    @pytest.mark.parametrize("given", [{}, {"content": CONTENT, "content_path": "/it.pls"}])
    def test_when_the_dag_is_read(self, given: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="either content or content_path"):
            put_dag(**given)


class TestDelete:
    def test_takes_it_away(self, emulator: RunningEmulator, polly: Any, run_dag: Runner) -> None:
        polly.put_lexicon(Name=NAME, Content=CONTENT)
        run = run_dag(dag_of(PollyDeleteLexiconOperator))
        assert run.task("it") == ("success", 1), run.output
        assert run.xcoms("it") == {"return_value": {"Name": NAME, "Deleted": True}}
        assert polly.list_lexicons()["Lexicons"] == []

    def test_of_a_missing_one_succeeds_where_told(
        self, emulator: RunningEmulator, polly: Any, run_dag: Runner
    ) -> None:
        run = run_dag(dag_of(PollyDeleteLexiconOperator, ignore_if_missing=True))
        assert run.task("it") == ("success", 1), run.output
        assert run.xcoms("it") == {"return_value": {"Name": NAME, "Deleted": False}}

    def test_of_a_missing_one_fails_without_retries(
        self, emulator: RunningEmulator, polly: Any, run_dag: Runner
    ) -> None:
        run = run_dag(dag_of(PollyDeleteLexiconOperator))
        assert run.task("it") == ("failed", 1), run.output
        assert "PollyLexiconNotFoundError" in run.output
        assert f"no such lexicon as '{NAME}' in us-east-1" in run.output

    def test_refuses_what_is_no_name(self, emulator: RunningEmulator, polly: Any, run_dag: Runner) -> None:
        run = run_dag(dag_of(PollyDeleteLexiconOperator, name="my places", ignore_if_missing=True))
        assert run.task("it") == ("failed", 1), run.output
        assert emulator.counters.calls(DELETE) == 0

    def test_denied_names_the_permission(
        self, emulator: RunningEmulator, polly: Any, run_dag: Runner
    ) -> None:
        emulator.faults.deny(DELETE)
        run = run_dag(dag_of(PollyDeleteLexiconOperator))
        assert run.task("it") == ("failed", 1), run.output
        assert f"Allow polly:{DELETE}" in run.output


def test_tags_come_back_as_they_were_set(emulator: RunningEmulator, polly: Any) -> None:
    polly.put_lexicon(Name=NAME, Content=CONTENT)
    hook = PollyHook()
    arn = hook.get_lexicon(NAME)["LexiconAttributes"]["LexiconArn"]
    hook.tag_resource(arn, {"cost": "low", "team": "news"})
    hook.untag_resource(arn, ["team"])
    assert hook.list_tags_for_resource(arn) == {"cost": "low"}
