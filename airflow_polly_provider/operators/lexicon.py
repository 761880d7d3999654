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
from airflow_polly_provider.results.delivery import push_own_xcoms
from airflow_polly_provider.results.lexicon import to_xcom_value
from airflow_polly_provider.text.pls import MAX_LEXICON_CHARACTERS, check_pls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_polly_provider.compat import Context, ObjectStoragePath, XComArg
    from airflow_polly_provider.results.lexicon import DeletedLexiconXCom, LexiconXCom

LEXICON_FILE_EXTENSIONS = (".pls", ".xml")


class PollyPutLexiconOperator(AwsBaseOperator[PollyHook]):
    """Store a pronunciation lexicon in Polly, for synthesis tasks to name in ``lexicon_names``.

    The document is checked before it is sent. Where the stored lexicon of that name is the same already, it
    is not sent again, and ``Put`` in the result is False. ``return_value`` is a
    :class:`~airflow_polly_provider.results.lexicon.LexiconXCom`; ``Name`` is pushed under its own key as
    well.

    Lexicons belong to an account and a region, and are eventually consistent: a synthesis task that starts
    moments later may not know a new one, or speak with the one that was there before.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_PutLexicon.html

    :param name: 1 to 20 letters and digits; a lexicon that is there under this name is replaced
    :param content: a PLS document of up to 40,000 characters; or the name of a ``.pls`` or ``.xml`` template
        file, looked up like any Airflow template file (a string with white space is a document)
    :param content_path: instead of ``content``, a UTF-8 file that is read as it stands: ``s3://bucket/key``,
        read with this operator's connection (``s3://connection@bucket/key`` with another), or what Airflow's
        ``ObjectStoragePath`` reaches, such as a path on the worker; the file is not rendered as a template
    :raises ValueError: when the DAG is parsed: neither or both of ``content`` and ``content_path`` were given
    :raises PollyInvalidRequestError: the document or the name cannot be sent, the file is missing, or Polly
        refuses the lexicon; never retried
    :raises PollyConfigurationError: reading the file, or the lexicon that is there, is denied; never retried

    ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` are those of every operator of the
    amazon provider.
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
        # Any: what these hold is known only when Airflow has rendered them.
        self.name: Any = name
        self.content: Any = content
        self.content_path: Any = content_path
        self._templates = templates_of(self)

    def execute(self, context: Context) -> LexiconXCom:
        """Check the document, compare it with the stored one, and send it where they differ."""
        settle_rendered(self, self._templates, context)
        name = validate_lexicon_name(self.name)
        content = self._content(context)
        lexemes = check_pls(content).lexemes
        attributes = self._attributes_of_same(name, content)
        put = attributes is None
        if put:
            self.hook.put_lexicon(name, content)
            self.log.info("Put the lexicon %s: %d lexemes, %d characters", name, lexemes, len(content))
            attributes = self._attributes_of_same(name, content)
            if attributes is None:
                self.log.info("GetLexicon does not show it yet: lexicons are eventually consistent")
        else:
            self.log.info("The lexicon %s is stored already as it is here; it was not put again", name)
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
        """Return the stored lexicon's attributes if its content is the same, else None."""
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

    :param name: the lexicon's name
    :param ignore_if_missing: succeed where there is none of that name
    :raises PollyLexiconNotFoundError: there is none of that name in this region; never retried
    :raises PollyInvalidRequestError: the name cannot be one of a lexicon; never retried

    ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` are those of every operator of the
    amazon provider.
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
        """Delete it."""
        settle_rendered(self, self._templates, context)
        name = validate_lexicon_name(self.name)
        try:
            self.hook.delete_lexicon(name)
        except PollyLexiconNotFoundError:
            if not self.ignore_if_missing:
                raise
            self.log.info("There is no lexicon %s to delete", name)
            return {"Name": name, "Deleted": False}
        self.log.info("Deleted the lexicon %s", name)
        return {"Name": name, "Deleted": True}
