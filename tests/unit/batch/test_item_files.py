from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import IncompleteReadError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook
from airflow_polly_provider.batch import item_files
from airflow_polly_provider.batch.item_files import UnreadableItem, is_path, items_in_text, read_item_file
from airflow_polly_provider.batch.item_keys import ITEM_KEYS
from airflow_polly_provider.compat import ObjectStoragePath
from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "the secret words"
ITEMS = [{"id": "a", "text": 'Hello, "world"\nand more'}, {"id": "b", "text": "Grüße", "voice_id": "Vicki"}]
AS_CSV = 'id,text,voice_id\na,"Hello, ""world""\nand more",\nb,Grüße,Vicki\n'
CONTENTS = {
    "items.json": json.dumps(ITEMS),
    "items.JSON": f"\ufeff{json.dumps(ITEMS, indent=1, ensure_ascii=False)}",
    "items.jsonl": "\n".join(json.dumps(item) for item in ITEMS),
    "items.ndjson": "\r\n\r\n".join(json.dumps(item) for item in ITEMS) + "\r\n",
    "items.csv": AS_CSV,
    "items.Csv": f"\ufeff{AS_CSV}",
}

texts = st.text(st.characters(codec="utf-8"), min_size=1)


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Return a function that writes a file and returns its items."""

    def written_and_read(name: str, content: str | bytes) -> list[object]:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
        return list(read_item_file(f"{tmp_path}/{name}", {}))

    return written_and_read


def problem_of(items: list[object]) -> str:
    (unreadable,) = [item for item in items if isinstance(item, UnreadableItem)]
    return unreadable.problem


class TestIsPath:
    @pytest.mark.parametrize("name", ["items.json", "/x/a b.CSV", "s3://bucket/key.jsonl", "x.ndjson\n"])
    def test_is_true_for_a_string_with_the_extension_of_a_file_of_items(self, name: str) -> None:
        assert is_path(name)

    def test_is_true_for_path_objects(self, tmp_path: Path) -> None:
        assert is_path(tmp_path)
        assert is_path(ObjectStoragePath("file:///tmp/items.txt"))

    @pytest.mark.parametrize("other", ['[{"text": "items.json"}]', "items.xlsx", "", None, [], {}])
    def test_is_false_for_any_other_value(self, other: object) -> None:
        assert not is_path(other)


class TestItemFile:
    @pytest.mark.parametrize(("name", "content"), CONTENTS.items(), ids=CONTENTS)
    def test_of_each_format_contains_the_items_in_order(self, read: Any, name: str, content: str) -> None:
        assert read(name, content) == ITEMS

    def test_can_be_an_object_storage_path(self, tmp_path: Path) -> None:
        (tmp_path / "items.csv").write_text(AS_CSV)
        assert list(read_item_file(ObjectStoragePath(f"file://{tmp_path}/items.csv"), {})) == ITEMS

    def test_with_an_unknown_extension_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(PollyInvalidRequestError, match=r"unknown extension.*\.json, \.jsonl, .*\.csv"):
            read_item_file(ObjectStoragePath("file:///tmp/items.xlsx"), {})

    @pytest.mark.parametrize("name", ["items.json", "items.jsonl", "items.csv"])
    def test_that_does_not_exist_is_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match=rf"cannot find .*{name}"):
            read_item_file(f"{tmp_path}/{name}", {})

    @pytest.mark.parametrize("name", ["items.json", "items.jsonl", "items.csv"])
    def test_that_is_not_utf_8_is_refused(self, read: Any, name: str) -> None:
        content = "\n".join(["id,text", *["a,Hello"] * 5_000, "b,Grüße"]).encode("latin-1")
        with pytest.raises(PollyInvalidRequestError, match=rf"{name} is not UTF-8: invalid .*Store it"):
            read(name, content)

    def test_above_the_limit_is_refused(self, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(item_files, "MAX_FILE_BYTES", len(AS_CSV.encode()))
        assert read("items.csv", AS_CSV) == ITEMS
        with pytest.raises(PollyInvalidRequestError, match=r"longer than .* bytes\. Split it into several"):
            read("items.csv", f"{AS_CSV}\n")

    @pytest.mark.parametrize("name", ["items.json", "items.jsonl", "items.csv"])
    def test_without_content_contains_no_items(self, read: Any, name: str) -> None:
        assert read(name, "[]" if name == "items.json" else "\n\n") == []


@pytest.mark.usefixtures("aws_default")
class TestItemFileInS3:
    @pytest.fixture
    def s3(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
        client = NamedConnectionS3Hook(aws_conn_id="aws_default").get_conn()
        monkeypatch.setattr(NamedConnectionS3Hook, "conn", client)
        with Stubber(client) as stubber:
            yield stubber

    def answer(self, s3: Stubber, content: bytes, length: int) -> None:
        body = StreamingBody(io.BytesIO(content), length)
        s3.add_response("get_object", {"Body": body}, {"Bucket": "bucket", "Key": "in/items.csv"})

    def test_is_read(self, s3: Stubber) -> None:
        content = AS_CSV.encode()
        self.answer(s3, content, len(content))
        assert list(read_item_file("s3://bucket/in/items.csv", {"aws_conn_id": "aws_default"})) == ITEMS

    def test_that_arrives_incomplete_is_an_error_and_not_a_shorter_batch(self, s3: Stubber) -> None:
        content = AS_CSV.encode()
        self.answer(s3, content[:40], len(content))
        with pytest.raises(IncompleteReadError):
            read_item_file("s3://bucket/in/items.csv", {"aws_conn_id": "aws_default"})


class TestJsonFile:
    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (f'[{{"text": "{SECRET}"', "is not valid JSON: Expecting ',' delimiter at line 1, column"),
            (f'{{"text": "{SECRET}"}}', "contains dict. It must contain a JSON list"),
            pytest.param("[" * 100_000, "is not valid JSON: RecursionError", id="nested"),
            pytest.param(f"[{'9' * 5_000}]", "is not valid JSON: ValueError", id="huge number"),
        ],
    )
    def test_without_a_list_is_refused_without_quoting_the_file(
        self, read: Any, content: str, problem: str
    ) -> None:
        with pytest.raises(PollyInvalidRequestError) as refused:
            read("items.json", content)
        assert problem in str(refused.value)
        assert SECRET not in str(refused.value)
        assert refused.value.__context__ is None


class TestJsonLinesFile:
    def test_with_an_invalid_line_still_contains_the_other_items(self, read: Any) -> None:
        items = read("items.jsonl", f'{{"text": "one"}}\n\n{{"text": "{SECRET}\n{{"text": "three"}}')
        assert [item for item in items if isinstance(item, dict)] == [{"text": "one"}, {"text": "three"}]
        assert problem_of(items).startswith("Line 3 of the file is not valid JSON: ")
        assert SECRET not in problem_of(items)

    @given(st.lists(st.dictionaries(st.sampled_from(sorted(ITEM_KEYS)), texts | st.integers() | st.none())))
    def test_round_trip(self, tmp_path_factory: pytest.TempPathFactory, items: list[dict[str, Any]]) -> None:
        path = tmp_path_factory.mktemp("round-trip") / "items.jsonl"
        lines = [json.dumps(item, ensure_ascii=False) for item in items]
        path.write_text("\n".join(lines), encoding="utf-8", newline="")
        assert list(read_item_file(path, {})) == items


class TestCsvFile:
    def test_cells_have_the_types_of_their_parameters(self, read: Any) -> None:
        header = "text,lexicon_names,speech_mark_types,keep_original,skip_if_unchanged,max_request_characters"
        (item,) = read("items.csv", f'{header}\nHello,"one; two  three,four",word,TRUE,false,1000\n')
        assert item == {
            "text": "Hello",
            "lexicon_names": ["one", "two", "three", "four"],
            "speech_mark_types": ["word"],
            "keep_original": True,
            "skip_if_unchanged": False,
            "max_request_characters": 1000,
        }

    def test_a_cell_of_another_type_stays_a_string(self, read: Any) -> None:
        (item,) = read("items.csv", "text,keep_original,max_request_characters\nHello,yes,1e3\n")
        assert item == {"text": "Hello", "keep_original": "yes", "max_request_characters": "1e3"}

    def test_an_empty_cell_means_that_the_parameter_is_not_given(self, read: Any) -> None:
        assert read("items.csv", "id,text,voice_id,engine\n,Hello, \n") == [{"text": "Hello"}]

    def test_white_space_around_a_value_is_removed_except_in_texts_ids_and_keys(self, read: Any) -> None:
        (item,) = read("items.csv", "id, text ,output_s3_key, voice_id\n a, Hello , k, Amy \n")
        assert item == {"id": " a", "text": " Hello ", "output_s3_key": " k", "voice_id": "Amy"}

    def test_a_row_without_values_is_no_item(self, read: Any) -> None:
        assert read("items.csv", "\ntext,,\n,,\nHello,,\n,,\n") == [{"text": "Hello"}]

    def test_a_text_can_have_as_many_characters_as_polly_accepts(self, read: Any) -> None:
        before = csv.field_size_limit()
        assert read("items.csv", f"text\n{'x' * 200_000}\n") == [{"text": "x" * 200_000}]
        assert csv.field_size_limit() == before

    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            (f"b,{SECRET}, and more,", "line 3 has 4 cells, but the first row has 3"),
            (f"b,{SECRET},Amy", "line 3 has a value in a column without a name"),
        ],
    )
    def test_a_row_with_too_many_values_is_a_problem_of_one_item(
        self, read: Any, row: str, problem: str
    ) -> None:
        items = read("items.csv", f"id,text,\na,one,\n{row}\nc,three\n")
        assert [item["id"] for item in items if isinstance(item, dict)] == ["a", "c"]
        assert problem in problem_of(items)
        assert SECRET not in problem_of(items)

    @pytest.mark.parametrize("row", [f'b,"{SECRET}', f'b,"{SECRET}" x'])
    def test_after_a_misplaced_quotation_mark_the_rest_is_not_read(self, read: Any, row: str) -> None:
        items = read("items.csv", f"id,text\na,one\n{row}\nc,three\n")
        assert [item["id"] for item in items if isinstance(item, dict)] == ["a"]
        assert "is not valid CSV" in problem_of(items)
        assert SECRET not in problem_of(items)

    @pytest.mark.parametrize(
        ("header", "words"),
        [
            (f"a,{SECRET}", ["does not contain 'text'", "id,text,voice_id"]),
            ("id;text", ["does not contain 'text'", "separated by commas"]),
            ("text,voice", ["Unknown key 'voice'. Did you mean 'voice_id'?"]),
            ("text,timeout", ["timeout applies to the whole batch"]),
            ("text,id,text", ["'text' names two columns"]),
        ],
    )
    def test_an_invalid_first_row_is_refused_without_quoting_a_text(
        self, read: Any, header: str, words: list[str]
    ) -> None:
        with pytest.raises(PollyInvalidRequestError) as refused:
            read("items.csv", f"{header}\na,Hello\n")
        for word in words:
            assert word in str(refused.value)
        assert SECRET not in str(refused.value)

    @given(st.lists(st.tuples(texts, texts.filter(str.strip)), min_size=1))
    def test_round_trip(self, tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
        path = tmp_path_factory.mktemp("round-trip") / "items.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("id", "text"), *rows])
        assert list(read_item_file(path, {})) == [{"id": item_id, "text": text} for item_id, text in rows]


class TestItemsInText:
    @pytest.mark.parametrize(
        "text",
        [json.dumps(ITEMS), f"\n {json.dumps(ITEMS)} ", repr(ITEMS), f" {ITEMS!r}\n", repr(tuple(ITEMS))],
    )
    def test_are_those_of_a_json_list_or_of_a_rendered_python_list(self, text: str) -> None:
        assert items_in_text(text) == ITEMS

    @pytest.mark.parametrize(
        "text",
        [
            *("None", "", SECRET, f"[{SECRET}", f'{{"text": "{SECRET}"}}', f"[open('{SECRET}')]"),
            *("LazySelectSequence([3 items])", f"['{SECRET}\0']"),
            pytest.param("[" * 100_000, id="nested"),
        ],
    )
    def test_of_any_other_string_are_refused_without_quoting_it(self, text: str) -> None:
        with pytest.raises(
            PollyInvalidRequestError, match=r"neither a JSON list.*items=upstream\.output"
        ) as refused:
            items_in_text(text)
        assert SECRET not in str(refused.value)
        assert refused.value.__context__ is None

    def test_of_a_very_long_python_list_are_refused_to_save_memory(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(item_files, "MAX_LITERAL_CHARACTERS", 50)
        with pytest.raises(PollyInvalidRequestError, match="Python list of at most 50 characters"):
            items_in_text(repr(ITEMS))
        assert items_in_text(json.dumps(ITEMS)) == ITEMS

    @given(st.lists(st.dictionaries(texts, texts | st.none() | st.booleans() | st.lists(texts), max_size=3)))
    def test_round_trip(self, items: list[dict[str, Any]]) -> None:
        assert items_in_text(repr(items)) == items
        assert items_in_text(json.dumps(items)) == items
