from __future__ import annotations

import pytest
from jinja2 import Environment, StrictUndefined, UndefinedError

from airflow_polly_provider.text import ssml


class TestPieces:
    def test_are_immutable(self) -> None:
        piece = ssml.p("a")
        assert piece + "b" != piece
        with pytest.raises(AttributeError):
            piece.markup = "c"  # type: ignore[misc]  # frozen: the assignment must fail

    def test_built_from_an_undefined_template_variable_raise_an_error_that_names_it(self) -> None:
        template = Environment(undefined=StrictUndefined).from_string("{{ ssml.p(title) }}")
        with pytest.raises(UndefinedError, match="'title' is undefined"):
            template.render(ssml=ssml)

    def test_can_be_joined_by_sum(self) -> None:
        pieces = [ssml.s("a"), ssml.s("b")]
        assert str(sum(pieces)) == "<s>a</s><s>b</s>"
        assert Environment().from_string("{{ parts | sum }}").render(parts=pieces) == "<s>a</s><s>b</s>"
        assert str(sum([0, 1.5], ssml.s("a"))) == "<s>a</s>01.5", (
            "sum converts numbers to text, like the functions"
        )
