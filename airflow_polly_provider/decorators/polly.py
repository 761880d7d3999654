"""``@task.polly``: a function returns the text, and Amazon Polly speaks it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_polly_provider.compat import (
    DecoratedOperator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.text.markup import SsmlDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_polly_provider.compat import Context, TaskDecorator

DECORATOR_NAME = "@task.polly"


class _PollyDecoratedOperator(DecoratedOperator, PollyStartSpeechSynthesisTaskOperator):
    """Speaks what a function returns.

    :param python_callable: the function; what it returns is spoken as it stands, neither rendered as a
        template nor taken for the name of a file; a document that ``ssml.speak`` made is spoken as SSML
    """

    # Without text: what the function returns is not stored among the rendered template fields either.
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *(name for name in PollyStartSpeechSynthesisTaskOperator.template_fields if name != "text"),
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **PollyStartSpeechSynthesisTaskOperator.template_fields_renderers,
        **DecoratedOperator.template_fields_renderers,
    }
    custom_operator_name = DECORATOR_NAME
    xcom_push: ClassVar[None] = None
    """Airflow 3.0 passes it on for multiple_outputs, which is refused, and its own base operator lacks it."""

    def __init__(
        self, *, python_callable: Callable[..., Any], multiple_outputs: bool = False, **kwargs: Any
    ) -> None:
        _validate_no_text(kwargs)
        if multiple_outputs:
            raise ValueError(
                f"{DECORATOR_NAME} pushes TaskId, OutputUri and their like under their own keys by itself: "
                "leave multiple_outputs out, and let the function return the text (-> str), not a mapping."
            )
        if inspect.iscoroutinefunction(python_callable):
            raise ValueError(f"{DECORATOR_NAME} needs a plain function, not an async one.")
        super().__init__(
            python_callable=python_callable,
            text="",
            # The mapped form of a decorated task reads it back from here.
            multiple_outputs=False,
            **kwargs,
        )

    def _text_and_type(self, context: Context) -> tuple[str, str | None]:
        """Call the function, and return the text as it returned it: it names no file."""
        context_merge(context, self.op_kwargs)
        arguments = determine_kwargs(self.python_callable, self.op_args, context)
        returned = self._validate_returned(self.python_callable(*self.op_args, **arguments))
        own_type = "ssml" if isinstance(returned, SsmlDocument) else None
        return str(returned), self.text_type or own_type

    def _validate_returned(self, returned: object) -> str | SsmlDocument:
        """Return what the function returned if it is a text; name the function, never the text, if not."""
        function = getattr(self.python_callable, "__name__", self.task_id)
        if isinstance(returned, SsmlDocument):
            return returned
        if not isinstance(returned, str):
            raise PollyInvalidRequestError(
                f"The function {function!r} of {DECORATOR_NAME} must return the text to speak as a str, "
                f"or as an SsmlDocument, which ssml.speak makes, not {type(returned).__name__}."
            )
        if not returned.strip():
            raise PollyInvalidRequestError(
                f"The function {function!r} of {DECORATOR_NAME} returned no text to speak "
                f"({len(returned)} characters, none but white space). Raise AirflowSkipException in it to "
                "skip the task instead."
            )
        return returned


def _validate_no_text(parameters: Mapping[str, Any]) -> None:
    if "text" in parameters:
        raise ValueError(f"{DECORATOR_NAME} speaks what the function returns: leave text out.")


def polly_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a task that speaks what the decorated function returns; used as ``@task.polly(...)``.

    The function is called in the worker, once for each try; what it returns goes to Polly as it stands. The
    task pushes what the start operator pushes, see
    :class:`~airflow_polly_provider.results.synthesis_task.SynthesisTaskXCom`.

    :param python_callable: the function, when the decorator is used without arguments
    :param kwargs: every parameter of
        :class:`~airflow_polly_provider.operators.polly.PollyStartSpeechSynthesisTaskOperator` but ``text``,
        which is refused, and those of every Airflow task but ``multiple_outputs=True``, which is refused;
        ``text_may_name_file`` changes nothing
    :raises ValueError: when the DAG is parsed: ``text`` or ``multiple_outputs`` was given, the function is
        annotated to return a mapping, or it is an ``async def``
    :raises PollyInvalidRequestError: when the task runs: the function returned neither a string nor an
        ``SsmlDocument``, or a string that holds nothing but white space; never retried
    """
    # Airflow makes no operator of a mapped task before it runs, which is late for a mistake in the DAG.
    _validate_no_text(kwargs)
    return task_decorator_factory(
        python_callable=python_callable,
        decorated_operator_class=_PollyDecoratedOperator,
        **kwargs,
    )
