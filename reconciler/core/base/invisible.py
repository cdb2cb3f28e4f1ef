"""Characters that a reader does not see and that change what the rest seems to say.

Control characters, line and paragraph separators, bidirectional controls, zero-width characters
other than the joiners that scripts and emoji need, tag characters (used to hide text from people
and not from models), and lone surrogates, which no output takes.
"""

import re

INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f]"
)
_GAPS = re.compile(rf"(?:{INVISIBLE.pattern}|\s)+")


def one_line(text: str, limit: int | None = None) -> str:
    """The text on one line: each run of white space and invisible characters is one space.

    Beyond `limit` characters it is cut and ends in `…`.
    """
    if limit is None:
        return _GAPS.sub(" ", text).strip()
    # What lies far beyond the cut need not be read: somebody else's text may be megabytes.
    line = _GAPS.sub(" ", text[: 4 * limit]).strip()
    return line if len(line) <= limit else line[:limit] + "…"
