"""Which settings of the start operator go with its ``output_s3_key``."""

from __future__ import annotations


def validate_custom_key_settings(
    output_s3_key: object,
    *,
    keep_original: bool,
    skip_if_unchanged: bool,
    wait_for_completion: bool,
    end_from_trigger: bool,
) -> None:
    """Refuse settings of the start operator that do not go with its ``output_s3_key``.

    :param output_s3_key: as given, not rendered
    :param keep_original: as given
    :param skip_if_unchanged: as given
    :param wait_for_completion: as given
    :param end_from_trigger: as given
    :raises ValueError: saying which do not go together
    """
    if output_s3_key is None:
        for name, given in {"keep_original": keep_original, "skip_if_unchanged": skip_if_unchanged}.items():
            if given:
                raise ValueError(f"{name}=True needs output_s3_key: it concerns the object there.")
    elif not wait_for_completion:
        raise ValueError(
            "output_s3_key needs wait_for_completion=True: Polly must have written the object first."
        )
    elif end_from_trigger:
        raise ValueError(
            "output_s3_key cannot be had with end_from_trigger=True: a worker puts the object there."
        )
