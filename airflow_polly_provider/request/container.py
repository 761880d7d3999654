"""Checks the operators' parameter ``output_container``, the container format of the audio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

from airflow_polly_provider.audio.wav import WAV_OUTPUT_FORMATS, WavForm
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.literals import OutputContainer
from airflow_polly_provider.request.rules import SPEECH_MARKS_FORMAT

if TYPE_CHECKING:
    from collections.abc import Mapping


def validate_output_container(value: object) -> OutputContainer | None:
    """Return ``output_container`` after checking it.

    :param value: the operator's parameter, which is not a template
    :raises ValueError: the value is neither None nor the name of a container
    """
    if value is not None and value not in get_args(OutputContainer):
        raise ValueError(
            f"output_container must be 'wav' or None, not {value!r:.100}. The parameter cannot be a template."
        )
    return cast("OutputContainer | None", value)


def wav_form(container: OutputContainer | None, request: Mapping[str, Any]) -> WavForm | None:
    """Return the format of the WAV file for a request; None if there is no container.

    :param container: the operator's ``output_container``
    :param request: the checked request
    :raises PollyInvalidRequestError: a WAV file cannot contain the request's OutputFormat
    """
    if container is None:
        return None
    output_format = request["OutputFormat"]
    if output_format not in WAV_OUTPUT_FORMATS:
        reason = (
            "speech marks are text, not audio"
            if output_format == SPEECH_MARKS_FORMAT
            else "it is compressed audio with a file format of its own"
        )
        raise PollyInvalidRequestError(
            f"output_container 'wav' cannot hold output_format {output_format!r}: {reason}. Set "
            f"output_format to one of {', '.join(WAV_OUTPUT_FORMATS)}, or remove output_container."
        )
    return WavForm.of_request(request)
