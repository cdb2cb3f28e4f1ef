"""Ids that sort by time (RFC 9562, version 7): newest first is the order of the primary key."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

TAIL_BITS = 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def uuid7(at: datetime, tail: int) -> str:
    """The UUIDv7 of a moment, to the microsecond; `tail` is 62 bits that the caller chooses.

    The 12 bits of `rand_a` hold the fraction of the millisecond (RFC 9562, method 3).
    """
    milliseconds, rest = divmod((at - _EPOCH) // timedelta(microseconds=1), 1000)
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | (rest * 4096 // 1000) << 64 | 0b10 << 62
    return str(UUID(int=value | tail & ((1 << TAIL_BITS) - 1)))
