"""What an operator's templates rendered to.

Jinja renders what has no value as the text ``None``, which Polly would speak, and bill. With
``render_template_as_native_obj=True`` it makes the integer 202401 of ``2024_01``.
"""

from __future__ import annotations

from collections import ChainMap
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.compat import BaseOperator, Context

NOTHING = "None"
_MARKERS = ("{{", "{%")


def templates_of(operator: BaseOperator) -> dict[str, str]:
    """Return the templates among an operator's fields, by their names. To be called by ``__init__``.

    A plain text "None" is none of them: it stays what it is.

    :param operator: its fields are not rendered yet
    """
    fields = {name: getattr(operator, name, None) for name in operator.template_fields}
    return {name: value for name, value in fields.items() if isinstance(value, str) and is_template(value)}


def is_template(text: str) -> bool:
    """Return whether a text is a Jinja template.

    :param text: before it is rendered
    """
    return any(marker in text for marker in _MARKERS)


def is_nothing(rendered: object) -> bool:
    """Return whether a template rendered to the text ``None``.

    None itself, where the DAG renders templates as native objects, leaves a parameter out as ever.

    :param rendered: a text, or another value
    """
    return isinstance(rendered, str) and rendered.strip() == NOTHING


def text_environment(operator: BaseOperator) -> Any:
    """Return the Jinja environment of an operator's DAG that renders to text, whatever the DAG asks for.

    :param operator: whose DAG it is
    """
    # Sandboxed, the environment is never a native one: the text "1.50" stays as it is.
    return operator.dag.get_template_env(force_sandboxed=True)


def render_text(template: Any, context: Context) -> str:
    """Return what a Jinja template renders to.

    :param template: of :func:`text_environment`
    :param context: the running task's context
    """
    # Copying Airflow 2.11's context would warn of each deprecated key in it.
    variables: Any = ChainMap(context, template.globals)  # type: ignore[arg-type]  # read only
    return "".join(template.root_render_func(template.new_context(variables, shared=True)))


def settle_rendered(operator: BaseOperator, templates: Mapping[str, str], context: Context) -> None:
    """Refuse fields that rendered to nothing, and make integers texts. To be called by ``execute``.

    :param operator: its fields are rendered; one that is an integer is rendered again, as text
    :param templates: what :func:`templates_of` returned before
    :param context: the running task's context
    :raises PollyInvalidRequestError: a template rendered to ``None``
    """
    for name, template in templates.items():
        value = getattr(operator, name)
        if isinstance(value, int) and not isinstance(value, bool):
            setattr(operator, name, render_text(text_environment(operator).from_string(template), context))
        elif is_nothing(value):
            raise PollyInvalidRequestError(
                f"{name} rendered to 'None', so nothing was sent: its template {template!r:.200} names a "
                "value that does not exist. Correct task_ids and key of its xcom_pull, or give the output of "
                f"the task before instead, such as {name}=before.output. Where no value is right, write "
                "{{ … or '' }}."
            )
