"""Operators for Polly's pronunciation lexicons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.base import AwsBaseOperator, aws_template_fields
from airflow_polly_provider.exceptions import PollyLexiconNotFoundError
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.request.lexicon import content_digest, validate_lexicon_name
from airflow_polly_provider.request.native import validate_string
from airflow_polly_provider.request.rendered import settle_rendered, templates_of
from airflow_polly_provider.request.stored_file import text_from_storage
from airflow_polly_provider.request.template_file import text_file_name, text_from_file
from airflow_polly_provider.results.delivery import failure_pushed, push_own_xcoms
from airflow_polly_provider.results.lexicon import to_xcom_value
from airflow_polly_provider.text.pls import MAX_LEXICON_CHARACTERS, check_pls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_polly_provider.compat import Context, ObjectStoragePath, XComArg
    from airflow_polly_provider.results.lexicon import DeletedLexiconXCom, LexiconXCom

LEXICON_FILE_EXTENSIONS = (".pls", ".xml")


class PollyPutLexiconOperator(AwsBaseOperator[PollyHook]):
    """Store a pronunciation lexicon in Polly, so that requests can use it in ``lexicon_names``.

    The operator checks the document before it sends it. If Polly already stores the same document under this
    name, the operator does not send it, and ``Put`` in the result is False. ``return_value`` is a
    :class:`~airflow_polly_provider.results.lexicon.LexiconXCom`. The task also pushes ``Name`` to XCom under
    its own key.

    Lexicons belong to an account and a region. They are eventually consistent: a synthesis task that starts
    shortly after the upload may not find a new lexicon, or may use the previous version of a changed one.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_PutLexicon.html

    :param name: name of the lexicon, 1 to 20 letters and digits; an existing lexicon of this name is replaced
    :param content: a PLS document of up to 40,000 characters, or the name of a ``.pls`` or ``.xml`` template
        file, which Airflow searches for and renders like any template file. A string that contains white
        space is always a document
    :param content_path: instead of ``content``, the path of a UTF-8 file, which is sent unchanged and not
        rendered as a template. ``s3://bucket/key`` is read with the connection of this operator, and
        ``s3://connection@bucket/key`` with the connection in the path. Any other path, such as a path on the
        worker, is read with Airflow's ``ObjectStoragePath``
    :raises ValueError: when the DAG is parsed: neither or both of ``content`` and ``content_path`` are given
    :raises PollyInvalidRequestError: the document or the name is invalid, the file does not exist, or Polly
        rejects the lexicon; never retried
    :raises PollyConfigurationError: access to the file or to the stored lexicon is denied; never retried

    ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` are the standard parameters of the
    amazon provider's operators.
    """

    aws_hook_class = PollyHook
    template_fields: Sequence[str] = aws_template_fields("name", "content", "content_path")
    ui_color = "#eabfff"

    def __init__(
        self,
        *,
        name: str | XComArg,
        content: str | XComArg | None = None,
        content_path: str | ObjectStoragePath | XComArg | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (content is None) == (content_path is None):
            raise ValueError("Give the lexicon as either content or content_path.")
        # Any: the types are known only after Airflow has rendered the templates.
        self.name: Any = name
        self.content: Any = content
        self.content_path: Any = content_path
        self._templates = templates_of(self)

    def execute(self, context: Context) -> LexiconXCom:
        """Check the document, compare it with the stored lexicon, and send it if they differ."""
        with failure_pushed(self, context):
            return self._put(context)

    def _put(self, context: Context) -> LexiconXCom:
        settle_rendered(self, self._templates, context)
        name = validate_lexicon_name(self.name)
        content = self._content(context)
        lexemes = check_pls(content).lexemes
        attributes = self._attributes_of_same(name, content)
        put = attributes is None
        if put:
            self.hook.put_lexicon(name, content)
            self.log.info("Stored lexicon %s: %d lexemes, %d characters", name, lexemes, len(content))
            attributes = self._attributes_of_same(name, content)
            if attributes is None:
                self.log.info(
                    "GetLexicon does not return lexicon %s yet: lexicons are eventually consistent", name
                )
        else:
            self.log.info("Lexicon %s is already stored with the same content; it was not sent again", name)
        value = to_xcom_value(name, content, put=put, attributes=attributes)
        push_own_xcoms(self, context, value, ("Name",))
        return value

    def _content(self, context: Context) -> str:
        if self.content_path is not None:
            return text_from_storage(
                self.content_path,
                self._hook_parameters,
                parameter="content_path",
                max_characters=MAX_LEXICON_CHARACTERS,
            )
        if (file_name := text_file_name(self.content, LEXICON_FILE_EXTENSIONS)) is not None:
            return text_from_file(self, file_name, context, parameter="content")
        return validate_string(self.content, "content")

    def _attributes_of_same(self, name: str, content: str) -> Mapping[str, Any] | None:
        """Return the attributes of the stored lexicon if its content is the same, otherwise None."""
        try:
            stored = self.hook.get_lexicon(name)
        except PollyLexiconNotFoundError:
            return None
        if content_digest(stored["Lexicon"].get("Content", "")) != content_digest(content):
            return None
        return stored.get("LexiconAttributes", {})


class PollyDeleteLexiconOperator(AwsBaseOperator[PollyHook]):
    """Delete a pronunciation lexicon.

    ``return_value`` is a :class:`~airflow_polly_provider.results.lexicon.DeletedLexiconXCom`.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_DeleteLexicon.html

    :param name: name of the lexicon, 1 to 20 letters and digits
    :param ignore_if_missing: whether to succeed if no lexicon has this name; default False
    :raises PollyLexiconNotFoundError: no lexicon has this name in this region; never retried
    :raises PollyInvalidRequestError: the name is invalid; never retried

    ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` are the standard parameters of the
    amazon provider's operators.
    """

    aws_hook_class = PollyHook
    template_fields: Sequence[str] = aws_template_fields("name")
    ui_color = "#eabfff"

    def __init__(self, *, name: str | XComArg, ignore_if_missing: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name: Any = name
        self.ignore_if_missing = ignore_if_missing
        self._templates = templates_of(self)

    def execute(self, context: Context) -> DeletedLexiconXCom:
        """Delete the lexicon, and return its name and whether it was deleted."""
        with failure_pushed(self, context):
            return self._delete(context)

    def _delete(self, context: Context) -> DeletedLexiconXCom:
        settle_rendered(self, self._templates, context)
        name = validate_lexicon_name(self.name)
        try:
            self.hook.delete_lexicon(name)
        except PollyLexiconNotFoundError:
            if not self.ignore_if_missing:
                raise
            self.log.info("Lexicon %s does not exist; nothing was deleted", name)
            return {"Name": name, "Deleted": False}
        self.log.info("Deleted lexicon %s", name)
        return {"Name": name, "Deleted": True}
