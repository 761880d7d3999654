from __future__ import annotations

import inspect
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import DAG, Asset
from airflow_polly_provider.decorators.polly import polly_task
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.get_provider_info import get_provider_info
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.text import ssml

# Airflow resolves the annotations of decorated functions at run time.
from airflow_polly_provider.text.markup import Ssml, SsmlDocument  # noqa: TC001
from tests.unit.support import context, execute, synthesis_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.support import Wire

GIVEN: dict[str, Any] = {"voice_id": "Amy", "output_s3_bucket_name": "my-bucket"}


def greeting(name: str = "you") -> str:
    return f"Hello {name}"


@pytest.fixture(autouse=True)
def _dag() -> Iterator[None]:
    with DAG("speaking", start_date=datetime(2025, 1, 1), schedule=None):
        yield


def operator_of(function: Callable[..., Any], **given: Any) -> Any:
    task: Any = polly_task(**{**GIVEN, **given})(function)()
    return task.operator


class TestDecorator:
    def test_adds_asset_arguments_to_the_inlets(self, wire: Wire) -> None:
        wire.script_start(synthesis_task(), synthesis_task())
        asset = Asset(uri="s3://my-texts/greeting.txt")

        def read(text: Any) -> str:
            return "Hello"

        task: Any = polly_task(**GIVEN)(read)(asset)
        execute(task.operator)
        assert task.operator.inlets == [asset]

    def test_is_registered_as_task_polly(self) -> None:
        (registered,) = get_provider_info()["task-decorators"]
        assert registered["name"] == "polly"
        module, _, name = registered["class-name"].rpartition(".")
        assert (module, name) == (polly_task.__module__, polly_task.__name__)

    def test_accepts_every_parameter_of_the_start_operator_except_text(self) -> None:
        parameters = inspect.signature(PollyStartSpeechSynthesisTaskOperator.__init__).parameters
        defaults = {
            name: parameter.default
            for name, parameter in parameters.items()
            if name not in ("self", "text", "kwargs", *GIVEN)
        }
        made = operator_of(greeting, **defaults)
        assert made.task_type == "_PollyDecoratedOperator"
        assert made.operator_name == "@task.polly"

    def test_has_every_template_field_of_the_start_operator_except_text(self) -> None:
        own = {*PollyStartSpeechSynthesisTaskOperator.template_fields} - {"text"}
        assert {*operator_of(greeting).template_fields} == own | {"op_args", "op_kwargs"}

    def test_sends_the_string_that_the_function_returns(self, wire: Wire) -> None:
        wire.answer = lambda _: synthesis_task(status="scheduled")
        made = operator_of(greeting, wait_for_completion=False, text_type="text")
        value = execute(made, context())
        assert value["TaskStatus"] == "scheduled"
        assert wire.requests[-1].body["Text"] == "Hello you"
        assert wire.requests[-1].body["TextType"] == "text"

    def test_refuses_malformed_ssml_that_the_function_returns_before_any_request(self, wire: Wire) -> None:
        def malformed() -> str:
            return "<speak>Q & A</speak>"

        made = operator_of(malformed, text_type="ssml")
        with pytest.raises(PollyInvalidRequestError, match="not well-formed XML"):
            execute(made, context())
        assert wire.requests == []

    def test_sends_a_document_that_the_function_returns_as_ssml(self, wire: Wire) -> None:
        wire.answer = lambda _: synthesis_task(status="scheduled")

        def document() -> SsmlDocument:
            return ssml.speak("Q & A")

        execute(operator_of(document, wait_for_completion=False), context())
        assert wire.requests[-1].body["Text"] == "<speak>Q &amp; A</speak>"
        assert wire.requests[-1].body["TextType"] == "ssml"

    def test_refuses_an_ssml_piece_that_is_not_a_document_before_any_request(self, wire: Wire) -> None:
        def piece() -> Ssml:
            return ssml.p("Hello")

        with pytest.raises(PollyInvalidRequestError, match=r"an SsmlDocument \(from ssml\.speak\), not Ssml"):
            execute(operator_of(piece), context())
        assert wire.requests == []

    def test_has_an_empty_text_before_the_function_is_called(self) -> None:
        assert operator_of(greeting).text == ""


class TestWhenTheDagIsParsed:
    def test_the_parameter_text_is_refused(self) -> None:
        with pytest.raises(ValueError, match="Remove the parameter text"):
            operator_of(greeting, text="Hello")

    def test_the_parameter_text_of_a_mapped_task_is_refused(self) -> None:
        with pytest.raises(ValueError, match="Remove the parameter text"):
            polly_task(**GIVEN, text="Hello")(greeting).expand(name=["Al"])

    def test_the_parameter_multiple_outputs_is_refused(self) -> None:
        with pytest.raises(ValueError, match="remove multiple_outputs"):
            operator_of(greeting, multiple_outputs=True)

    def test_a_function_annotated_to_return_a_mapping_is_refused(self) -> None:
        def speak() -> dict[str, str]:
            return {}

        with pytest.raises(ValueError, match="return the text"):
            operator_of(speak)

    def test_an_async_function_is_refused(self) -> None:
        async def speak() -> str:
            return ""

        with pytest.raises(ValueError, match="plain function"):
            operator_of(speak)

    def test_an_invalid_operator_parameter_is_refused(self) -> None:
        with pytest.raises(ValueError, match="above 0"):
            operator_of(greeting, timeout=0)
