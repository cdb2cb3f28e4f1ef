"""Cron expressions in words, as a remark beside them for people."""

from functools import lru_cache

_MACROS = {
    "@hourly": "Every hour",
    "@daily": "Every day at 00:00",
    "@midnight": "Every day at 00:00",
    "@weekly": "Every Sunday at 00:00",
    "@monthly": "On the first day of each month at 00:00",
    "@yearly": "On 1 January at 00:00",
    "@annually": "On 1 January at 00:00",
}


@lru_cache(maxsize=1024)
def cron_words(expression: str) -> str | None:
    """`At 09:00, Monday through Friday`; None where words would be wrong or there are none.

    An expression that restricts both days is left alone: whether either or both must match depends
    on how the fields are written (docs/time.md#cron), which words do not say.
    """
    fields = expression.split()
    if len(fields) != 5 or "*" not in (fields[2], fields[4]):
        return _MACROS.get(expression.strip().lower())
    # Imported late: reading its tables takes longer than most plans.
    from cron_descriptor import Options, get_description  # type: ignore[import-untyped]

    options = Options(use_24hour_time_format=True, locale_code="en_US", verbose=False)
    try:
        return str(get_description(expression, options)) or None
    except Exception:  # noqa: BLE001 - a remark is worth no failure, whatever the library raises
        return None
