"""``text``, or a lexicon's ``content``, as the name of a template file.

Airflow's own ``template_ext`` would look every templated field up as a file, so that an
``output_s3_key_prefix`` that ends in ``.txt`` would be read from disk. Here it is one parameter alone, and a
missing file is an error that no retry repeats.
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
    """Return ``text`` if it is the name of a template file: no white space, and one of the extensions.

    :param text: the rendered value of the operator's parameter
    :param extensions: what the name of a file ends in
    """
    if isinstance(text, str) and text.endswith(extensions) and not re.search(r"\s", text):
        return text
    return None


def validate_text_may_name_file(text_may_name_file: bool) -> bool:
    """Return ``text_may_name_file`` if it is a bool: the string "False" would let a text name a file.

    :param text_may_name_file: the operator's parameter
    :raises ValueError: for anything else
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
    """Return what is spoken, read from its file where ``text`` names one, and its TextType.

    :param operator: whose DAG says where to look for the file
    :param text: the rendered value of the operator's ``text``
    :param text_type: the operator's; where it is None, an ``.ssml`` file is SSML
    :param context: the running task's context
    :param may_name_file: the operator's ``text_may_name_file``
    :raises PollyInvalidRequestError: when there is no such file
    """
    # What a macro made, where the DAG renders templates as native objects.
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

    It is looked for where Airflow looks for template files: beside the DAG file and in the DAG's
    ``template_searchpath``.

    :param operator: whose DAG says where to look
    :param file_name: relative to one of those folders
    :param context: the running task's context, for the file's own templates
    :param parameter: the operator's parameter that names the file
    :raises PollyInvalidRequestError: when there is no such file
    """
    environment = text_environment(operator)
    try:
        rendered = render_text(environment.get_template(file_name), context)
    except UnicodeDecodeError as error:
        raise PollyInvalidRequestError(f"The template file {file_name!r} is not UTF-8: {error}.") from error
    except TemplateNotFound as error:
        folders = ", ".join(getattr(environment.loader, "searchpath", ()))
        raise PollyInvalidRequestError(
            f"{parameter} names the template file {error.name!r}, which is in none of: {folders}. Put it "
            "beside the DAG file, or name its folder in the DAG's template_searchpath; a text with white "
            "space in it is never taken for a file name."
        ) from error
    # Some editors begin a file with a byte order mark, which Polly would get, and bill, as text.
    rendered = rendered.removeprefix("\ufeff")
    if is_nothing(rendered) and is_template(_source(environment, file_name)):
        raise PollyInvalidRequestError(
            f"The template file {file_name!r} that {parameter} names rendered to 'None', so nothing was "
            "sent: it names a value that does not exist. Correct task_ids and key of its xcom_pull."
        )
    return rendered


def _source(environment: Any, file_name: str) -> str:
    source: str = environment.loader.get_source(environment, file_name)[0]
    return source
