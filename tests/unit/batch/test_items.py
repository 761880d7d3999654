from __future__ import annotations

import json
import tracemalloc
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.audio.wav import WavForm
from airflow_polly_provider.batch import items as items_module
from airflow_polly_provider.batch.item_keys import ITEM_KEYS, unknown_key_problem
from airflow_polly_provider.batch.items import MAX_ID_CHARACTERS, BatchItem, read_items
from airflow_polly_provider.compat import DAG
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.start.token import request_digest
from airflow_polly_provider.text import ssml
from tests.unit.support import as_context, context, start_operator, warnings_in

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "the secret words"
DEFAULTS: dict[str, Any] = {
    "engine": None,
    "keep_original": False,
    "language_code": None,
    "lexicon_names": None,
    "max_request_characters": None,
    "output_container": None,
    "output_format": "mp3",
    "output_s3_bucket_name": "my-bucket",
    "output_s3_key_prefix": "audio/",
    "sample_rate": None,
    "skip_if_unchanged": False,
    "sns_topic_arn": None,
    "speech_mark_types": None,
    "text_type": None,
    "voice_id": "Amy",
}


def read(items: Any, *, durable: bool = True, operator: Any = None, **defaults: Any) -> list[BatchItem]:
    return read_items(
        operator,
        items,
        as_context({**context(), "ds": "2025-01-02"}),
        defaults=DEFAULTS | defaults,
        durable=durable,
        text_may_name_file=operator is not None,
        hook_parameters={},
    )


def problems_of(items: Any, **given: Any) -> list[str]:
    """Return the lines about items of the error with which a batch is refused."""
    with pytest.raises(PollyInvalidRequestError) as refused:
        read(items, **given)
    assert refused.value.__context__ is None
    first, *lines = str(refused.value).splitlines()
    assert first.startswith("Invalid items: ")
    return lines


def refusal_of(items: Any) -> str:
    with pytest.raises(PollyInvalidRequestError) as refused:
        read(items)
    return str(refused.value)


class XComs(Sequence[Any]):
    """A lazy sequence, like the XComs of a mapped task: each access is a request to Airflow."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values
        self.requests = 0

    def __getitem__(self, key: Any) -> Any:
        self.requests += 1
        return self.values[key]

    def __len__(self) -> int:
        self.requests += 1
        return len(self.values)


class TestBatchItem:
    def test_has_the_request_with_the_operators_values_and_those_of_the_item(self) -> None:
        (item,) = read([{"id": "a", "text": "Hello", "voice_id": "Joanna", "engine": "neural"}])
        request = {
            "Engine": "neural",
            "OutputFormat": "mp3",
            "OutputS3BucketName": "my-bucket",
            "OutputS3KeyPrefix": "audio/",
            "Text": "Hello",
            "VoiceId": "Joanna",
        }
        assert item == BatchItem(
            id="a",
            digest=request_digest(request),
            request=request,
            characters=5,
            wav=None,
            output_s3_key=None,
            keep_original=False,
            skip_if_unchanged=False,
        )

    def test_can_have_every_key(self) -> None:
        values: dict[str, Any] = {
            "id": 7,
            "text": "<speak>Hello</speak>",
            "text_type": "ssml",
            "voice_id": "Aditi",
            "engine": "standard",
            "language_code": "hi-IN",
            "lexicon_names": ["one", "two"],
            "output_format": "pcm",
            "sample_rate": 16000,
            "speech_mark_types": [],
            "sns_topic_arn": "arn:aws:sns:eu-west-1:123456789012:topic",
            "output_s3_bucket_name": "other-bucket",
            "output_s3_key": "prompts/hello.wav",
            "output_s3_key_prefix": "raw/",
            "output_container": "wav",
            "keep_original": True,
            "skip_if_unchanged": True,
            "max_request_characters": 5,
        }
        assert set(values) == ITEM_KEYS
        (item,) = read([values])
        assert (item.id, item.characters, item.output_s3_key) == ("7", 5, "prompts/hello.wav")
        assert (item.keep_original, item.skip_if_unchanged) == (True, True)
        assert item.wav == WavForm.of_request({"OutputFormat": "pcm", "SampleRate": "16000"})
        assert item.digest == request_digest(item.request, "wav")
        assert item.request["OutputS3KeyPrefix"] == "raw/"
        assert len(item.request) == 12

    def test_takes_the_operators_value_for_a_key_that_is_none(self) -> None:
        given: dict[str, Any] = dict.fromkeys(ITEM_KEYS, None) | {"text": "Hello"}
        assert read([given]) == read([{"text": "Hello"}])
        assert read([{"text": "Hello"}], voice_id="Joanna")[0].request["VoiceId"] == "Joanna"

    def test_made_with_the_ssml_functions_is_ssml(self) -> None:
        (item,) = read([{"text": ssml.speak("Hello")}])
        assert item.request["Text"] == "<speak>Hello</speak>"
        assert item.request["TextType"] == "ssml"
        assert item.characters == 5

    def test_reads_a_template_file_only_if_that_is_allowed(self, tmp_path: Path) -> None:
        (tmp_path / "hello.ssml").write_text("<speak>Hello on {{ ds }}</speak>")
        with DAG("d", start_date=datetime(2025, 1, 1), schedule=None, template_searchpath=[str(tmp_path)]):
            operator = start_operator()
        (item,) = read([{"text": "hello.ssml"}], operator=operator)
        assert item.request["Text"] == "<speak>Hello on 2025-01-02</speak>"
        assert item.request["TextType"] == "ssml"
        assert "which is in none of" in problems_of([{"text": "no.txt"}], operator=operator)[0]
        assert read([{"text": "hello.ssml"}])[0].request["Text"] == "hello.ssml"

    def test_takes_no_more_than_two_kilobytes_beyond_its_text(self) -> None:
        given = [{"id": f"item-{n}", "text": "Hello", "output_s3_key": f"x/{n}.mp3"} for n in range(1_000)]
        read(given)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            made = read(given)
            used = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert used / len(made) < 2_000


class TestSources:
    ITEMS = ({"id": "a", "text": "Hello"}, {"text": "World", "voice_id": "Joanna"})

    @pytest.mark.parametrize("form", [list, tuple, json.dumps, lambda items: str(list(items))])
    def test_a_sequence_and_its_text_are_the_same_items(self, form: Any) -> None:
        items = read(form(self.ITEMS))
        assert [(item.id, item.request["Text"]) for item in items] == [("a", "Hello"), ("1", "World")]
        assert [item.request["VoiceId"] for item in items] == ["Amy", "Joanna"]

    def test_the_xcoms_of_a_mapped_task_are_read_with_one_request(self) -> None:
        xcoms = XComs(list(self.ITEMS))
        assert read(xcoms) == read(list(self.ITEMS))
        assert xcoms.requests == 1

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("items.jsonl", '{"id": "a", "text": "Hello"}\n{"text": "World"}'),
            ("ITEMS.CSV", "id,text\na,Hello\n,World"),
        ],
    )
    def test_a_file_is_read(self, tmp_path: Path, name: str, content: str) -> None:
        (tmp_path / name).write_text(content)
        for path in (tmp_path / name, f"{tmp_path}/{name}", f"file://{tmp_path}/{name}"):
            assert [item.id for item in read(path)] == ["a", "1"]

    def test_an_unreadable_row_is_a_problem_beside_those_of_other_items(self, tmp_path: Path) -> None:
        (tmp_path / "items.csv").write_text(f"id,text,engine\na,{SECRET},x,y\nb,Hello,\nc,,standard\n")
        first, second = problems_of(f"{tmp_path}/items.csv")
        assert first.startswith("0: The row that ends at line 2 has 4 cells")
        assert second == "c: text is missing: it is not given, or None."

    @pytest.mark.parametrize("items", [[], (), "[]", XComs([])])
    def test_no_items_are_refused(self, items: Any) -> None:
        assert refusal_of(items).startswith("items is empty, so there is nothing to synthesize.")

    @pytest.mark.parametrize(
        ("items", "words"),
        [
            (None, "items is None. The upstream task returned no value"),
            ({"text": SECRET}, "must be a list of mappings, or the path .* not dict"),
            (7, "not int"),
            (b"[]", "not bytes"),
            ({1, 2}, "not set"),
            (iter([]), "not list_iterator"),
            (SECRET, "is a string of 16 characters, but neither"),
        ],
    )
    def test_any_other_value_is_refused(self, items: Any, words: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match=words) as refused:
            read(items)
        assert SECRET not in str(refused.value)

    def test_more_items_than_the_maximum_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(items_module, "MAX_ITEMS", 3)
        assert len(read([{"text": "Hello"}] * 3)) == 3
        assert "more than 3 items" in refusal_of([{"text": "Hello"}] * 4)
        assert r".expand(items=…)" in refusal_of(XComs([{"text": "Hello"}] * 100))


class TestIds:
    def test_default_to_the_position(self) -> None:
        assert [item.id for item in read([{"text": "a"}, {"text": "b", "id": None}])] == ["0", "1"]

    @pytest.mark.parametrize("given", [0, -5, "x" * MAX_ID_CHARACTERS, "a b", "ä", "\N{GRINNING FACE}"])
    def test_can_be_strings_and_integers(self, given: Any) -> None:
        assert read([{"text": "a", "id": given}])[0].id == str(given)

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            (True, "id must be a string or an integer, not bool"),
            (1.5, "not float"),
            ([], "not list"),
            ("", "id is empty"),
            (" ", "id is empty"),
            ("x" * 201, "id has 201 characters. Shorten it to at most 200"),
            ("a\nb", "the character U+000A"),
            ("\u2028", "id is empty"),
            ("a\ud800", "the character U+D800"),
            pytest.param(10**5_000, "An integer is too long", id="huge"),
        ],
    )
    def test_of_another_form_are_refused(self, given: Any, problem: str) -> None:
        (line,) = problems_of([{"text": "a"}, {"text": "b", "id": given}])
        assert line.startswith("1: ")
        assert problem in line

    def test_that_two_items_have_are_refused(self) -> None:
        items = [{"text": "a", "id": "x"}, {"text": "b"}, {"text": "c", "id": 1}, {"text": "d", "id": "x"}]
        assert [line.partition(" (")[0] for line in problems_of(items)] == [
            "1: The item at position 1 has the same id. Each id must be unique",
            "x: The item at position 0 has the same id. Each id must be unique",
        ]

    @given(st.lists(st.none() | st.integers(0, 9) | st.text(max_size=210), max_size=8, min_size=1))
    def test_are_accepted_if_and_only_if_each_is_unique_and_fits_into_a_line(self, ids: list[Any]) -> None:
        expected = [str(position if one is None else one) for position, one in enumerate(ids)]
        categories = {unicodedata.category(character) for character in "".join(expected)}
        fit = all(one.strip() and len(one) <= 200 for one in expected) and not categories & {"Cc", "Zl", "Zp"}
        items = [{"id": one, "text": "Hello"} for one in ids]
        if fit and len(set(expected)) == len(expected):
            assert [item.id for item in read(items)] == expected
        else:
            assert 1 <= refusal_of(items).count("\n") <= len(ids)


# By case: the keys of the item beside its text, the operator's values, and the words of the problem.
INVALID: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "unknown key": ({"voice": "Amy"}, {}, ["Unknown key 'voice'. Did you mean 'voice_id'?"]),
    "parameter of the batch": ({"durable": False}, {}, ["durable applies to the whole batch", "operator"]),
    "no voice": ({}, {"voice_id": None}, ["Missing required parameter: voice_id"]),
    "format": ({"output_format": "wav"}, {}, ["output_format 'wav' is not one of"]),
    "text is None": ({"text": None}, {}, ["text is missing"]),
    "text is empty": ({"text": " "}, {}, ["text is empty (1 characters"]),
    "text of another type": ({"text": [SECRET]}, {}, ["text must be a string, not list"]),
    "text is too long": ({"text": SECRET * 10_000}, {}, ["too long", "Split the text into several items."]),
    "not well-formed": (
        {"text": f"<speak>{SECRET}", "text_type": "ssml"},
        {},
        ["The SSML in text is not well-formed XML"],
    ),
    "limit of the operator": ({}, {"max_request_characters": 15}, ["bill 16 characters, but", "is 15"]),
    "limit of the item": ({"max_request_characters": 3}, {"max_request_characters": 99}, ["characters is 3"]),
    "limit of another type": ({"max_request_characters": "9"}, {}, ["a whole number above 0", "'9'"]),
    "bool of another type": (
        {"keep_original": "yes"},
        {},
        ["keep_original must be true or false, not 'yes'"],
    ),
    "keep_original without a key": ({"keep_original": True}, {}, ["keep_original=True needs output_s3_key"]),
    "operator's skip_if_unchanged without a key": (
        {},
        {"skip_if_unchanged": True},
        ["skip_if_unchanged=True needs output_s3_key"],
    ),
    "container without a key": ({"output_container": "wav"}, {}, ["output_container='wav' needs"]),
    "unknown container": ({"output_container": "mp4"}, {}, ["output_container must be 'wav' or None"]),
    "container of mp3": (
        {"output_container": "wav", "output_s3_key": "a.wav"},
        {},
        ["output_container 'wav' cannot hold output_format 'mp3'"],
    ),
    "folder as key": ({"output_s3_key": "a/"}, {}, ["output_s3_key 'a/' is a folder"]),
    "key of another type": ({"output_s3_key": 1.5}, {}, ["output_s3_key must be a string, not float"]),
    "Polly's own key": (
        {"output_s3_key": "12345678-1234-1234-1234-123456789012.mp3", "output_s3_key_prefix": ""},
        {"durable": False},
        ["has the form of Polly's own keys"],
    ),
    "prefix without room for a token": ({"output_s3_key_prefix": "x" * 790}, {}, ["prefix is too long"]),
}


class TestInvalidItems:
    @pytest.mark.parametrize(("keys", "defaults", "words"), INVALID.values(), ids=INVALID)
    def test_are_refused_by_id_without_quoting_the_text(
        self, keys: dict[str, Any], defaults: dict[str, Any], words: list[str]
    ) -> None:
        (line,) = problems_of([{"id": "my id", "text": SECRET, **keys}], **defaults)
        assert line.startswith("my id: ")
        for word in words:
            assert word in line
        assert SECRET not in line

    def test_with_a_long_prefix_are_valid_if_no_token_is_added(self) -> None:
        assert len(read([{"text": "Hello", "output_s3_key_prefix": "x" * 790}], durable=False)) == 1

    def test_are_all_listed_in_one_error_with_all_their_problems(self) -> None:
        items = [
            {"text": "valid"},
            {"id": "a", "tex": SECRET, "voice_id": 7},
            SECRET,
            {"id": "b", "text": SECRET, "voice_id": 7, "keep_original": 1, "output_s3_key": "/"},
        ]
        a, not_a_mapping, b = problems_of(items)
        assert a == "a: Unknown key 'tex'. Did you mean 'text'? text is missing: it is not given, or None."
        assert not_a_mapping == "2: An item must be a mapping such as {'text': 'Hello'}, not str."
        for part in ("keep_original must be true or false", "voice_id must be a string", "is a folder"):
            assert part in b

    def test_above_fifty_are_counted(self) -> None:
        lines = problems_of([{"text": SECRET, "engin": "neural"}] * 2_000)
        assert len(lines) == 51
        assert lines[-1] == "and 1,950 more"

    def test_include_two_with_the_same_key_in_the_same_bucket(self) -> None:
        items = [
            {"id": "a", "text": "one", "output_s3_key": "x.mp3"},
            {"id": "b", "text": "two", "output_s3_key": "x.mp3", "output_s3_bucket_name": "other-bucket"},
            {"id": "c", "text": "three", "output_s3_key": "x.mp3"},
        ]
        (line,) = problems_of(items)
        assert line.startswith("c: Item a has the same output_s3_key 'x.mp3' in the same bucket.")

    @given(st.text(min_size=1).filter(str.strip))
    def test_never_quote_the_text(self, text: str) -> None:
        secret = f"secret {text} secret"
        items = [{"text": secret, "output_format": "wav"}, {secret: secret}, secret, {"text": [secret]}]
        assert secret not in "\n".join(problems_of(items))


class TestUnknownKeys:
    @pytest.mark.parametrize(
        ("key", "problem"),
        [
            ("Text", "Did you mean 'text'?"),
            ("VoiceId", "Did you mean 'voice_id'?"),
            ("timeout", "timeout applies to the whole batch"),
            ("zzz", "Unknown key 'zzz'. Valid keys: engine, id, keep_original"),
            (3, "A key must be a string, not int."),
            (SECRET, "has 16 characters, and is not a name"),
        ],
    )
    def test_are_described_with_what_to_do(self, key: object, problem: str) -> None:
        assert problem in unknown_key_problem(key)
        assert SECRET not in unknown_key_problem(key)


class TestWarnings:
    def test_are_logged_once_for_the_batch(self, caplog: pytest.LogCaptureFixture) -> None:
        items = [{"text": "Hello"}, *[{"text": f"<speak>{SECRET}</speak>", "voice_id": "Joana"}] * 500]
        read(items)
        about_voice, about_ssml = sorted(warnings_in(caplog))
        assert "voice_id 'Joana' (closest: Joanna" in about_voice
        assert about_voice.endswith("(items: 500, first: 1)")
        assert "text begins with <speak" in about_ssml
        assert about_ssml.endswith("(items: 500, first: 1)")
        assert SECRET not in caplog.text

    def test_are_logged_even_if_an_item_is_invalid(self, caplog: pytest.LogCaptureFixture) -> None:
        problems_of([{"text": "Hello", "voice_id": "Joana"}, {"text": None}])
        assert len(warnings_in(caplog)) == 1
