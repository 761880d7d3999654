"""Ends an operator's dry run: reports what Polly would bill, and synthesizes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.hooks.lexicon_check import validate_lexicons
from airflow_polly_provider.results.estimate import deliver_estimate, estimate_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.compat import Context
    from airflow_polly_provider.results.estimate import SpeechEstimate


def report_dry_run(
    operator: Any,
    context: Context,
    request: Mapping[str, Any],
    *,
    existing: Mapping[str, Any] | None = None,
    may_be_unchanged: bool = False,
) -> SpeechEstimate:
    """Check the lexicons of a request, and report what Polly would bill for it. Nothing is billed or written.

    :param operator: the running operator
    :param context: the running task's context
    :param request: the checked request
    :param existing: the result of audio that already exists and is up to date; None if there is none
    :param may_be_unchanged: whether the operator has ``skip_if_unchanged``. If so, it has already read the
        lexicons
    :raises PollyLexiconNotFoundError: a lexicon does not exist
    """
    if not may_be_unchanged:
        validate_lexicons(operator.hook, request.get("LexiconNames", ()))
    estimate = estimate_of(request, existing)
    estimate["DryRun"] = True
    if may_be_unchanged:
        estimate.setdefault("Unchanged", False)
    else:
        estimate.pop("Unchanged", None)
    # Airflow emits an event for each asset in outlets when the task succeeds. A dry run writes no asset.
    operator.outlets = []
    deliver_estimate(operator, context, estimate)
    return estimate
