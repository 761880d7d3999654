"""``@task.polly``, a task decorator: Amazon Polly speaks the text that the function returns."""

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
    """Speak the text that a function returns.

    :param python_callable: the function. Its return value is neither rendered as a template nor read as the
        name of a file. A document from ``ssml.speak`` is spoken as SSML
    """

    # text is not a template field here, so Airflow does not store the returned text as a rendered field.
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
    """Airflow 3.0 reads this attribute for multiple_outputs, but its own base operator does not have it."""

    def __init__(
        self, *, python_callable: Callable[..., Any], multiple_outputs: bool = False, **kwargs: Any
    ) -> None:
        _validate_no_text(kwargs)
        if multiple_outputs:
            raise ValueError(
                f"{DECORATOR_NAME} always pushes TaskId, OutputUri and other fields under their own keys: "
                "remove multiple_outputs, and return the text from the function (-> str), not a mapping."
            )
        if inspect.iscoroutinefunction(python_callable):
            raise ValueError(f"{DECORATOR_NAME} needs a plain function, not an async one.")
        super().__init__(
            python_callable=python_callable,
            text="",
            # Airflow reads this argument if the decorated task is mapped.
            multiple_outputs=False,
            **kwargs,
        )

    def _text_and_type(self, context: Context) -> tuple[str, str | None]:
        """Call the function and return its text. The text is never read as a file name."""
        context_merge(context, self.op_kwargs)
        arguments = determine_kwargs(self.python_callable, self.op_args, context)
        returned = self._validate_returned(self.python_callable(*self.op_args, **arguments))
        own_type = "ssml" if isinstance(returned, SsmlDocument) else None
        return str(returned), self.text_type or own_type

    def _validate_returned(self, returned: object) -> str | SsmlDocument:
        """Check the function's return value and return it. Errors name the function, not the text."""
        function = getattr(self.python_callable, "__name__", self.task_id)
        if isinstance(returned, SsmlDocument):
            return returned
        if not isinstance(returned, str):
            raise PollyInvalidRequestError(
                f"The function {function!r} of {DECORATOR_NAME} must return the text to speak as a str, "
                f"or as an SsmlDocument (from ssml.speak), not {type(returned).__name__}."
            )
        if not returned.strip():
            raise PollyInvalidRequestError(
                f"The function {function!r} of {DECORATOR_NAME} returned no text to speak "
                f"({len(returned)} characters of white space). To skip the task instead, raise "
                "AirflowSkipException in the function."
            )
        return returned


def _validate_no_text(parameters: Mapping[str, Any]) -> None:
    if "text" in parameters:
        raise ValueError(
            f"{DECORATOR_NAME} speaks the text that the function returns. Remove the parameter text."
        )


def polly_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Create a task that speaks the text that the decorated function returns; used as ``@task.polly(...)``.

    The worker calls the function once in each try, and sends its return value to Polly unchanged. The task
    pushes the same XComs as the start operator; see
    :class:`~airflow_polly_provider.results.synthesis_task.SynthesisTaskXCom`.

    :param python_callable: the function, if the decorator is used without arguments
    :param kwargs: the parameters of
        :class:`~airflow_polly_provider.operators.polly.PollyStartSpeechSynthesisTaskOperator` except
        ``text``, and the parameters of every Airflow task except ``multiple_outputs=True``.
        ``text`` and ``multiple_outputs=True`` raise ValueError. ``text_may_name_file`` has no effect
    :raises ValueError: when the DAG is parsed, if ``text`` or ``multiple_outputs=True`` is given, the
        function is annotated to return a mapping, or the function is an ``async def``
    :raises PollyInvalidRequestError: when the task runs, if the function returned neither a string nor an
        ``SsmlDocument``, or a string that contains only white space; Airflow does not retry the task
    """
    # Checked here as well, because Airflow creates the operator of a mapped task only when the task runs.
    _validate_no_text(kwargs)
    return task_decorator_factory(
        python_callable=python_callable,
        decorated_operator_class=_PollyDecoratedOperator,
        **kwargs,
    )
