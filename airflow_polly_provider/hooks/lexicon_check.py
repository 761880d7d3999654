"""Checks with free requests that the lexicons of a request exist."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_polly_provider.exceptions import PollyConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_polly_provider.hooks.polly import PollyHook

log = logging.getLogger(__name__)


def validate_lexicons(hook: PollyHook, names: Iterable[str]) -> None:
    """Raise an error if a lexicon does not exist.

    If AWS denies polly:GetLexicon, log a warning: the request itself does not need this permission.

    :param hook: the hook that sends the requests
    :param names: the lexicons' names
    :raises PollyLexiconNotFoundError: a lexicon does not exist in this region
    """
    for name in names:
        try:
            hook.get_lexicon(name)
        except PollyConfigurationError as error:
            log.warning("Cannot check whether lexicon %s exists: %s", name, error)
            return
