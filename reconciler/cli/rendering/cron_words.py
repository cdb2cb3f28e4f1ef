"""Cron expressions in words, as a remark beside them for reviewers."""

from functools import lru_cache


@lru_cache(maxsize=1024)
def cron_in_words(expression: str) -> str | None:
    """`At 09:00, Monday through Friday`; None where words would be wrong or are unavailable.

    An expression that restricts both days is left alone: whether either or both must match depends
    on how the fields are written (docs/time.md), which words do not say.
    """
    fields = expression.split()
    if len(fields) != 5 or "*" not in (fields[2], fields[4]):
        return None
    # Imported late: reading its tables takes longer than most plans.
    from cron_descriptor import (  # type: ignore[import-untyped]
        Options,
        get_description,
    )

    try:
        words = get_description(
            expression, Options(use_24hour_time_format=True, locale_code="en_US", verbose=False)
        )
    except Exception:  # noqa: BLE001 - a remark is not worth a failure, whatever the library raises
        return None
    return words or None
