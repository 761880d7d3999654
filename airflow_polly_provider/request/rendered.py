"""Template fields that rendered to nothing.

Jinja renders what has no value as the text ``None``, which Polly would speak, and bill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.compat import BaseOperator

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


def validate_rendered(operator: BaseOperator, templates: Mapping[str, str]) -> None:
    """Refuse fields whose templates rendered to nothing. To be called by ``execute``.

    :param operator: its fields are rendered
    :param templates: what :func:`templates_of` returned before
    :raises PollyInvalidRequestError: a template rendered to ``None``
    """
    for name, template in templates.items():
        if is_nothing(getattr(operator, name)):
            raise PollyInvalidRequestError(
                f"{name} rendered to 'None', so nothing was sent: its template {template!r:.200} names a "
                "value that does not exist. Correct task_ids and key of its xcom_pull, or give the output of "
                f"the task before instead, such as {name}=before.output. Where no value is right, write "
                "{{ … or '' }}."
            )
