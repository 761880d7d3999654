"""Checks which settings of the start operator can be combined with its ``output_s3_key``."""

from __future__ import annotations


def validate_custom_key_settings(
    output_s3_key: object,
    *,
    keep_original: bool,
    output_container: str | None,
    skip_if_unchanged: bool,
    wait_for_completion: bool,
    end_from_trigger: bool,
) -> None:
    """Raise an error if settings of the start operator cannot be combined with its ``output_s3_key``.

    :param output_s3_key: the operator's parameter, not rendered
    :param keep_original: the operator's parameter
    :param output_container: the operator's parameter
    :param skip_if_unchanged: the operator's parameter
    :param wait_for_completion: the operator's parameter
    :param end_from_trigger: the operator's parameter
    :raises ValueError: two settings cannot be combined; the error names them
    """
    if output_s3_key is None:
        for name, given in {"keep_original": keep_original, "skip_if_unchanged": skip_if_unchanged}.items():
            if given:
                raise ValueError(f"{name}=True needs output_s3_key: it applies to the object there.")
        if output_container is not None:
            raise ValueError(
                f"output_container={output_container!r} needs output_s3_key: Polly writes only raw "
                "samples, and the task writes the file to that key."
            )
    elif not wait_for_completion:
        raise ValueError(
            "output_s3_key needs wait_for_completion=True: the task copies the object after Polly wrote it."
        )
    elif end_from_trigger:
        raise ValueError(
            "output_s3_key cannot be used with end_from_trigger=True: a worker has to copy the object."
        )
