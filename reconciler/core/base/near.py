"""The near miss: which of the allowed words was probably meant."""

import difflib
from collections.abc import Collection

_LONGEST = 100
_MOST = 20_000


def near(word: str, allowed: Collection[str]) -> str | None:
    """The allowed word that `word` is a slip of, or None.

    Case, `-`, `_` and blanks do not count; otherwise the words must be alike. Words of any length
    and any number of them are looked at in bounded time.
    """
    if not word or len(word) > _LONGEST or len(allowed) > _MOST:
        return None
    folded = {_folded(candidate): candidate for candidate in sorted(allowed, reverse=True)}
    if same := folded.get(_folded(word)):
        return same
    close = difflib.get_close_matches(_folded(word), folded, n=1, cutoff=0.7)
    return folded[close[0]] if close else None


def did_you_mean(word: str, allowed: Collection[str]) -> str:
    """`, did you mean 'x'?`, or nothing: the end of a sentence."""
    meant = near(word, allowed)
    return f", did you mean '{meant}'?" if meant is not None else ""


def listed(words: Collection[str], last: str = "or") -> str:
    """`'a', 'b' or 'c'`, in the order given."""
    quoted = [f"'{word}'" for word in words]
    return f" {last} ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def shown(value: str, longest: int = 60) -> str:
    """A text of a manifest as messages quote it: on one line, printable, cut."""
    cut = value if len(value) <= longest else value[: longest - 1] + "…"
    return repr(cut)


def _folded(word: str) -> str:
    return word.casefold().replace("_", "").replace("-", "").replace(" ", "")
