"""Reads the template file that is named in an operator's ``text`` or in a lexicon's ``content``.

Airflow's ``template_ext`` applies to all template fields, so an ``output_s3_key_prefix`` that ends in
``.txt`` would be read as a file. This module reads a file for one parameter only, and a missing file is an
error that Airflow does not retry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateNotFound

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.rendered import (
    is_nothing,
    is_template,
    render_text,
    text_environment,
)
from airflow_polly_provider.text.markup import Ssml

if TYPE_CHECKING:
    from airflow_polly_provider.compat import BaseOperator, Context

SSML_FILE_EXTENSION = ".ssml"
TEXT_FILE_EXTENSIONS = (".txt", SSML_FILE_EXTENSION, ".xml")


def text_file_name(text: object, extensions: tuple[str, ...] = TEXT_FILE_EXTENSIONS) -> str | None:
    """Return ``text`` if it is the name of a template file, otherwise None.

    The name of a template file contains no white space and ends in one of the extensions.

    :param text: the rendered value of the operator's parameter
    :param extensions: extensions of template files
    """
    if isinstance(text, str) and text.endswith(extensions) and not re.search(r"\s", text):
        return text
    return None


def validate_text_may_name_file(text_may_name_file: bool) -> bool:
    """Return ``text_may_name_file`` after checking that it is a bool.

    The string "False" is rejected. Python treats it as true, and a text could then still name a file.

    :param text_may_name_file: the operator's parameter
    :raises ValueError: the value is not a bool
    """
    given: Any = text_may_name_file
    if isinstance(given, bool):
        return given
    raise ValueError(f"text_may_name_file must be True or False, not {given!r:.100}. It is not templated.")


def spoken_text(
    operator: BaseOperator,
    text: str | Ssml,
    text_type: str | None,
    context: Context,
    *,
    may_name_file: bool,
) -> tuple[str, str | None]:
    """Return the text to speak and its TextType. If ``text`` names a template file, read the file.

    :param operator: the operator, whose DAG defines the folders of template files
    :param text: the rendered value of the operator's ``text``
    :param text_type: the operator's ``text_type``; if None, an ``.ssml`` file is SSML
    :param context: the running task's context
    :param may_name_file: the operator's ``text_may_name_file``
    :raises PollyInvalidRequestError: the file does not exist
    """
    # A macro returned this object, and the DAG renders templates as native objects.
    if isinstance(text, Ssml):
        return str(text), text_type or "ssml"
    if not may_name_file or (file_name := text_file_name(text)) is None:
        return text, text_type
    is_ssml = text_type is None and file_name.endswith(SSML_FILE_EXTENSION)
    return text_from_file(operator, file_name, context), "ssml" if is_ssml else text_type


def text_from_file(
    operator: BaseOperator, file_name: str, context: Context, *, parameter: str = "text"
) -> str:
    """Return the rendered content of a template file.

    The file is searched for in the folders of Airflow's template files: the folder of the DAG file and the
    DAG's ``template_searchpath``.

    :param operator: the operator, whose DAG defines these folders
    :param file_name: path relative to one of these folders
    :param context: the running task's context, for the templates in the file
    :param parameter: name of the operator's parameter that names the file
    :raises PollyInvalidRequestError: the file does not exist, is not UTF-8, or is rendered as ``None``
    """
    environment = text_environment(operator)
    try:
        rendered = render_text(environment.get_template(file_name), context)
    except UnicodeDecodeError as error:
        raise PollyInvalidRequestError(f"The template file {file_name!r} is not UTF-8: {error}.") from error
    except TemplateNotFound as error:
        folders = ", ".join(getattr(environment.loader, "searchpath", ()))
        raise PollyInvalidRequestError(
            f"{parameter} names the template file {error.name!r}, which is in none of: {folders}. Put the "
            "file into the folder of the DAG file, or add its folder to the DAG's template_searchpath. A "
            "text that contains white space is never read as a file name."
        ) from error
    # Some editors write a byte order mark at the start of a file. Polly would bill it as text.
    rendered = rendered.removeprefix("\ufeff")
    if is_nothing(rendered) and is_template(_source(environment, file_name)):
        raise PollyInvalidRequestError(
            f"The template file {file_name!r} (from {parameter}) was rendered as 'None', so nothing was "
            "sent. It refers to a value that does not exist. Correct task_ids and key in its xcom_pull."
        )
    return rendered


def _source(environment: Any, file_name: str) -> str:
    source: str = environment.loader.get_source(environment, file_name)[0]
    return source
