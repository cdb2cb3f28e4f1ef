"""A prompt within what Aegis takes; characters are counted as JavaScript does, in UTF-16 units."""

SEND_LIMIT = 10_000
"""Characters that `send` takes."""
CREATE_LIMIT = 100_000
"""Characters that a prompt may have at the creation of a session."""

_ROOM = 500
"""For what surrounds a payload, and for the keys of a paste."""
_OPENING = "<untrusted-payload "
_CLOSING = "\n</untrusted-payload "
_CUT = "\n[cut: what follows is more than an Aegis session takes and is left out]"


def units(text: str) -> int:
    """The length of a text in UTF-16 units: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def fit(prompt: str, limit: int = CREATE_LIMIT) -> str:
    """The prompt, its payload cut so that all of it has at most `limit` units; the cut is said.

    The line that closes the untrusted block stays. A description that is too long by itself is cut
    like the rest, and its block is left out whole.
    """
    if units(prompt) <= limit:
        return prompt
    start = prompt.rfind(_CLOSING)
    opening = prompt.rfind(_OPENING, 0, max(start, 0))
    closing = prompt[start:] if opening >= 0 else ""
    body = prompt[:start] if closing else prompt
    shortened = _first(body, limit - units(_CUT) - units(closing))
    if closing and "\n" not in shortened[opening:]:  # not even the line that opens the block
        return _first(body[:opening].rstrip(), limit - units(_CUT)) + _CUT
    return shortened + _CUT + closing


def is_cut(prompt: str, limit: int) -> bool:
    """Whether `fit` would cut more than a payload: a part of what the agent is asked to do."""
    opening = prompt.rfind(_OPENING)
    return units(prompt[:opening] if opening >= 0 else prompt) > limit - _ROOM


def _first(text: str, count: int) -> str:
    raw = text.encode("utf-16-le", "surrogatepass")[: 2 * count]
    return raw.decode("utf-16-le", "ignore")  # half a pair at the end is not a character
