from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import DAG
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.template_file import text_file_name
from tests.unit.support import as_context, context, execute, start_operator, synthesis_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.support import Wire


@pytest.fixture
def speak(wire: Wire, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Return a function that runs a start operator with template folder ``tmp_path`` and returns the body."""
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
        operator.render_template_fields(as_context(running))
        execute(operator, running)
        return wire.requests[-1].body

    return run


def running_context() -> dict[str, Any]:
    return {**context(), "ds": "2025-01-02"}


class TestTextFileName:
    @pytest.mark.parametrize("text", ["hello.txt", "texts/hello.ssml", "a-b.xml", "../x.txt"])
    def test_is_a_string_without_white_space_and_with_a_text_files_suffix(self, text: str) -> None:
        assert text_file_name(text) == text

    @pytest.mark.parametrize(
        "text",
        ["Read hello.txt", "hello.txt ", "first\nsecond.txt", "hello.mp3", "txt", "hello", "", None, 7],
    )
    def test_is_none_for_any_other_value(self, text: object) -> None:
        assert text_file_name(text) is None


class TestTextFile:
    def test_is_read_and_rendered_as_a_template(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "hello.txt").write_text("Hello on {{ ds }}, {{ ti.task_id }}")
        assert speak("hello.txt")["Text"] == "Hello on 2025-01-02, speak"
        assert "TextType" not in speak("hello.txt")

    def test_can_be_named_by_a_template(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "2025-01-02.txt").write_text("Today")
        assert speak("{{ ds }}.txt")["Text"] == "Today"

    def test_with_the_suffix_ssml_is_ssml_unless_text_type_is_given(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "hello.ssml").write_text("<speak>Hello</speak>")
        (tmp_path / "hello.xml").write_text("<speak>Hello</speak>")
        assert speak("hello.ssml")["TextType"] == "ssml"
        assert "TextType" not in speak("hello.xml")
        assert speak("hello.xml", text_type="ssml")["TextType"] == "ssml"
        assert speak("hello.ssml", text_type="text")["TextType"] == "text"

    def test_keeps_markup_and_characters_of_other_languages(self, speak: Any, tmp_path: Path) -> None:
        written = "<speak>Grüße &amp; 你好 \N{GRINNING FACE}</speak>"
        (tmp_path / "hello.ssml").write_text(written, encoding="utf-8")
        assert speak("hello.ssml")["Text"] == written

    def test_is_sent_without_its_byte_order_mark(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "hello.ssml").write_text("<speak>Hello</speak>", encoding="utf-8-sig")
        assert speak("hello.ssml")["Text"] == "<speak>Hello</speak>"

    def test_that_is_missing_is_refused_with_its_name_and_the_template_folders(
        self, speak: Any, wire: Wire, tmp_path: Path
    ) -> None:
        with pytest.raises(PollyInvalidRequestError) as error:
            speak("missing.txt")
        for word in ("'missing.txt'", str(tmp_path), "template_searchpath", "white space"):
            assert word in str(error.value)
        assert wire.requests == []

    def test_that_includes_a_missing_file_is_refused_with_the_name_of_the_missing_file(
        self, speak: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "hello.txt").write_text("{% include 'gone.txt' %}")
        with pytest.raises(PollyInvalidRequestError, match=r"gone\.txt"):
            speak("hello.txt")

    def test_outside_the_template_folders_is_refused(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path.parent / "outside.txt").write_text("secret")
        with pytest.raises(PollyInvalidRequestError):
            speak("../outside.txt")

    def test_that_is_empty_is_refused(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "empty.txt").write_text("\n")
        with pytest.raises(PollyInvalidRequestError, match="text is empty"):
            speak("empty.txt")

    def test_stays_text_with_render_template_as_native_obj(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "number.txt").write_text("1.50")
        (tmp_path / "list.txt").write_text("[{{ ds }}, 'a']")
        native = {"render_template_as_native_obj": True}
        assert speak("number.txt", native)["Text"] == "1.50"
        assert speak("list.txt", native)["Text"] == "[2025-01-02, 'a']"

    def test_can_use_the_dags_macros_and_filters_and_jinjas_globals(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "hello.txt").write_text("{{ greet('you') }} {{ 'abc' | shout }} {{ range(3) | list }}")
        macros = {
            "user_defined_macros": {"greet": lambda who: f"Hello {who}"},
            "user_defined_filters": {"shout": str.upper},
        }
        assert speak("hello.txt", macros)["Text"] == "Hello you ABC [0, 1, 2]"

    def test_can_extend_another_file_and_use_the_dags_macros_in_it(self, speak: Any, tmp_path: Path) -> None:
        (tmp_path / "base.txt").write_text("Dear {% block who %}{% endblock %},{{ name }}")
        (tmp_path / "hello.txt").write_text("{% extends 'base.txt' %}{% block who %}{{ ds }}{% endblock %}")
        assert speak("hello.txt", {"user_defined_macros": {"name": "Amy"}})["Text"] == "Dear 2025-01-02,Amy"

    def test_uses_the_value_of_the_run_if_the_dag_defines_the_same_name(
        self, speak: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "hello.txt").write_text("{{ ds }}")
        assert speak("hello.txt", {"user_defined_macros": {"ds": "macro"}})["Text"] == "2025-01-02"


class TestTextThatMayNotNameAFile:
    @pytest.mark.parametrize("text", ["secret.txt", "secret.ssml", "secret.xml", "../secret.txt"])
    def test_is_spoken_literally(self, speak: Any, tmp_path: Path, text: str) -> None:
        (tmp_path / text.removeprefix("../")).write_text("<speak>secret</speak>")
        sent = speak(text, text_may_name_file=False)
        assert sent["Text"] == text
        assert "TextType" not in sent

    def test_is_rendered_as_a_template(self, speak: Any) -> None:
        assert speak("{{ ds }}.txt", text_may_name_file=False)["Text"] == "2025-01-02.txt"

    @pytest.mark.parametrize("value", ["False", "", 0, None, "{{ params.trusted }}"])
    def test_requires_a_bool_for_text_may_name_file(self, value: Any) -> None:
        with pytest.raises(ValueError, match="text_may_name_file must be True or False, not"):
            start_operator(text_may_name_file=value)


class TestOtherFields:
    def test_with_a_text_files_suffix_are_sent_unchanged(self, speak: Any) -> None:
        sent = speak("Hello there", output_s3_key_prefix="audio.txt")
        assert sent["OutputS3KeyPrefix"].startswith("audio.txt")

    def test_a_text_with_white_space_that_ends_in_a_file_name_is_sent_as_text(self, speak: Any) -> None:
        assert speak("Read the file hello.txt")["Text"] == "Read the file hello.txt"
