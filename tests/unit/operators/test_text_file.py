from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.operators.text_file import text_file_name
from tests.unit.support import context, execute, start_operator, synthesis_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.support import Wire


@pytest.fixture
def speak(wire: Wire, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run the start operator in a DAG whose template folder is ``tmp_path``; return what Polly was sent."""
    wire.answer = lambda _: synthesis_task("t1", "scheduled")

    def run(
        text: str,
        dag_arguments: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        **given: Any,
    ) -> dict[str, Any]:
        with DAG(
            "speaking",
            start_date=datetime(2025, 1, 1),
            schedule=None,
            template_searchpath=[str(tmp_path)],
            **(dag_arguments or {}),
        ):
            operator = start_operator(text=text, wait_for_completion=False, **given)
        running = {**running_context(), **(context or {})}
        operator.render_template_fields(running)
        execute(operator, running)
        return wire.requests[-1].body

    return run


def running_context() -> dict[str, Any]:
    return {**context(), "ds": "2025-01-02"}


class TestTextFileName:
    @pytest.mark.parametrize("text", ["hello.txt", "texts/hello.ssml", "a-b.xml", "../x.txt"])
    def test_is_a_string_without_white_space_that_ends_like_a_text_file(self, text: str) -> None:
        assert text_file_name(text) == text

    @pytest.mark.parametrize(
        "text",
        ["Read hello.txt", "hello.txt ", "first\nsecond.txt", "hello.mp3", "txt", "hello", "", None, 7],
    )
    def test_is_none_for_what_is_text(self, text: object) -> None:
        assert text_file_name(text) is None


class TestTextFile:
    def test_is_read_and_rendered(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "hello.txt").write_text("Hello on {{ ds }}, {{ ti.task_id }}")
        assert speak("hello.txt")["Text"] == "Hello on 2025-01-02, speak"
        assert "TextType" not in speak("hello.txt")

    def test_may_be_named_by_a_template(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "2025-01-02.txt").write_text("Today")
        assert speak("{{ ds }}.txt")["Text"] == "Today"

    def test_is_ssml_by_its_name(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "hello.ssml").write_text("<speak>Hello</speak>")
        (tmp_path / "hello.xml").write_text("<speak>Hello</speak>")
        assert speak("hello.ssml")["TextType"] == "ssml"
        assert "TextType" not in speak("hello.xml")
        assert speak("hello.xml", text_type="ssml")["TextType"] == "ssml"
        assert speak("hello.ssml", text_type="text")["TextType"] == "text"

    def test_keeps_markup_and_other_languages(self, speak: Any, tmp_path: Path) -> None:
        written = "<speak>Grüße & 你好 \N{GRINNING FACE}</speak>"
        (tmp_path / "hello.ssml").write_text(written, encoding="utf-8")
        assert speak("hello.ssml")["Text"] == written

    def test_does_not_begin_with_a_byte_order_mark(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "hello.ssml").write_text("<speak>Hello</speak>", encoding="utf-8-sig")
        assert speak("hello.ssml")["Text"] == "<speak>Hello</speak>"

    def test_that_is_missing_is_named_with_the_folders(self, speak: Any, wire: Wire, tmp_path: Path) -> None:
        with pytest.raises(PollyInvalidRequestError) as error:
            speak("missing.txt")
        for word in ("'missing.txt'", str(tmp_path), "template_searchpath", "white space"):
            assert word in str(error.value)
        assert wire.requests == []

    def test_that_includes_a_missing_one_names_that_one(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "hello.txt").write_text("{% include 'gone.txt' %}")
        with pytest.raises(PollyInvalidRequestError, match=r"gone\.txt"):
            speak("hello.txt")

    def test_cannot_lie_outside_the_folders(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path.parent / "outside.txt").write_text("secret")
        with pytest.raises(PollyInvalidRequestError):
            speak("../outside.txt")

    def test_that_is_empty_is_refused(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "empty.txt").write_text("\n")
        with pytest.raises(PollyInvalidRequestError, match="text is empty"):
            speak("empty.txt")

    def test_stays_text_with_native_rendering(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "number.txt").write_text("1.50")
        (tmp_path / "list.txt").write_text("[{{ ds }}, 'a']")
        native = {"render_template_as_native_obj": True}
        assert speak("number.txt", native)["Text"] == "1.50"
        assert speak("list.txt", native)["Text"] == "[2025-01-02, 'a']"

    def test_knows_the_dags_macros_filters_and_globals(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "hello.txt").write_text("{{ greet('you') }} {{ 'abc' | shout }} {{ range(3) | list }}")
        macros = {
            "user_defined_macros": {"greet": lambda who: f"Hello {who}"},
            "user_defined_filters": {"shout": str.upper},
        }
        assert speak("hello.txt", macros)["Text"] == "Hello you ABC [0, 1, 2]"

    def test_may_include_and_extend_others(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "base.txt").write_text("Dear {% block who %}{% endblock %},{{ name }}")
        (tmp_path / "hello.txt").write_text("{% extends 'base.txt' %}{% block who %}{{ ds }}{% endblock %}")
        assert speak("hello.txt", {"user_defined_macros": {"name": "Amy"}})["Text"] == "Dear 2025-01-02,Amy"

    def test_lets_a_name_of_the_run_win_over_the_dags(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "hello.txt").write_text("{{ ds }}")
        assert speak("hello.txt", {"user_defined_macros": {"ds": "macro"}})["Text"] == "2025-01-02"


class TestOtherFields:
    def test_that_end_like_a_text_file_are_no_files(self, speak: Any) -> None:
        sent = speak("Hello there", output_s3_key_prefix="audio.txt")
        assert sent["OutputS3KeyPrefix"].startswith("audio.txt")

    def test_text_with_white_space_is_text(self, speak: Any) -> None:
        assert speak("Read the file hello.txt")["Text"] == "Read the file hello.txt"
