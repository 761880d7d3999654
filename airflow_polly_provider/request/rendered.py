"""Checks of the rendered template fields of an operator.

Jinja renders a missing value as the text ``None``, which Polly would speak and bill. With
``render_template_as_native_obj=True`` Jinja turns ``2024_01`` into the integer 202401.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from airflow_polly_provider.compat import BaseOperator, Context

NOTHING = "None"
_MARKERS = ("{{", "{%")
_MAX_LISTED = 50


def templates_of(operator: BaseOperator) -> dict[str, str]:
    """Return the template fields of an operator that contain a template, by field name.

    Call it in ``__init__``, before the fields are rendered. The plain text "None" contains no template
    and stays valid.

    :param operator: the operator; its fields are not rendered yet
    """
    fields = {name: getattr(operator, name, None) for name in operator.template_fields}
    return {name: value for name, value in fields.items() if isinstance(value, str) and is_template(value)}


def templates_in_items(items: object) -> dict[tuple[int, str], str]:
    """Return the templates in a list of mappings, by the position of the mapping and its key.

    Call it in ``__init__``, before the list is rendered.

    :param items: a list of mappings; any other value contains no templates of this kind
    """
    if not isinstance(items, list | tuple):
        return {}
    return {
        (position, key): value
        for position, item in enumerate(items)
        if isinstance(item, Mapping)
        for key, value in item.items()
        if isinstance(value, str) and is_template(value)
    }


def validate_rendered_items(
    items: Any, templates: Mapping[tuple[int, str], str], *, parameter: str = "items"
) -> None:
    """Raise an error if the rendered value of a template in a list of mappings is ``None``.

    :param items: the rendered list
    :param templates: the result of :func:`templates_in_items`
    :param parameter: the operator's parameter that the error names
    :raises PollyInvalidRequestError: templates were rendered as ``None``; the error lists at most fifty
    """
    nothing = [
        f"{parameter}[{position}][{key!r}] = {template!r:.100}"
        for (position, key), template in templates.items()
        if is_nothing(items[position][key])
    ]
    if nothing:
        more = len(nothing) - _MAX_LISTED
        raise PollyInvalidRequestError(
            f"Templates in {parameter} were rendered as 'None', so nothing was sent: "
            f"{'; '.join(nothing[:_MAX_LISTED])}{f'; and {more:,} more' if more > 0 else ''}. They refer to "
            "values that do not exist. Correct task_ids and key in their xcom_pull."
        )


def is_template(text: str) -> bool:
    """Return whether a text is a Jinja template.

    :param text: the text before rendering
    """
    return any(marker in text for marker in _MARKERS)


def is_nothing(rendered: object) -> bool:
    """Return whether the rendered value of a template is the text ``None``.

    The object None is different: a DAG with native rendering can produce it, and it means that the parameter
    is not set.

    :param rendered: the rendered value
    """
    return isinstance(rendered, str) and rendered.strip() == NOTHING


def text_environment(operator: BaseOperator) -> Any:
    """Return a Jinja environment of the operator's DAG that renders to text, even with native rendering.

    :param operator: the operator
    """
    # A sandboxed environment never renders natively: the text "1.50" stays unchanged.
    return operator.dag.get_template_env(force_sandboxed=True)


def render_text(template: Any, context: Context) -> str:
    """Return the text that a Jinja template renders to.

    :param template: a template from :func:`text_environment`
    :param context: the running task's context
    """
    # ChainMap does not copy the context. On Airflow 2.11 a copy would warn about each deprecated key.
    variables: Any = ChainMap(context, template.globals)  # type: ignore[arg-type]  # read only
    return "".join(template.root_render_func(template.new_context(variables, shared=True)))


def settle_rendered(operator: BaseOperator, templates: Mapping[str, str], context: Context) -> None:
    """Reject a field whose rendered value is ``None``. If a field became an integer, render it again as text.

    Call it in ``execute``.

    :param operator: the operator; its fields are rendered
    :param templates: the result of :func:`templates_of`
    :param context: the running task's context
    :raises PollyInvalidRequestError: the rendered value of a template is ``None``
    """
    for name, template in templates.items():
        value = getattr(operator, name)
        if isinstance(value, int) and not isinstance(value, bool):
            setattr(operator, name, render_text(text_environment(operator).from_string(template), context))
        elif is_nothing(value):
            raise PollyInvalidRequestError(
                f"{name} was rendered as 'None', so nothing was sent. Its template {template!r:.200} refers "
                "to a value that does not exist. Correct task_ids and key in its xcom_pull, or pass the "
                f"output of the upstream task, such as {name}=upstream.output. If the value is optional, "
                "write {{ … or '' }}."
            )
