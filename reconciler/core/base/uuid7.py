"""Ids that sort by time (RFC 9562, version 7): newest first is the order of the primary key."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

TAIL_BITS = 62
_TAIL = (1 << TAIL_BITS) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def uuid7(at: datetime, tail: int) -> str:
    """The UUIDv7 of a moment, to the microsecond; `tail` is 62 bits that the caller chooses.

    The 12 bits of `rand_a` hold the fraction of the millisecond (RFC 9562, method 3).
    """
    digits = f"{_head(at) | tail & _TAIL:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(maxsize=64)
def _head(at: datetime) -> int:
    """All but the tail; thousands of ids are made at one moment."""
    milliseconds, microseconds = divmod((at - _EPOCH) // timedelta(microseconds=1), 1000)
    value = (milliseconds & ((1 << 48) - 1)) << 80
    return value | 0x7 << 76 | (microseconds * 4096 // 1000) << 64 | 0b10 << 62
