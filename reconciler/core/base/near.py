"""The near miss: which of the allowed words was probably meant.

Words and vocabularies come from manifests, so both may be hostile: one search costs the same
however many words there are, and `NearMisses` bounds the number of searches of one load.
"""

import difflib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from functools import lru_cache

MOST_SEARCHES = 500
"""Searches of one load; what comes after them is still matched where only its spelling differs."""
_LONGEST = 100
_MOST = 20_000
_FEW = 40
"""Words that are all compared; of more, only those that share pairs of letters."""
_SHARED_BY = 200
"""A pair of letters that more words than this have in common tells nothing."""
_COMPARED = 12


class Vocabulary:
    """Allowed words, prepared for many searches."""

    __slots__ = ("_folded", "_having")

    def __init__(self, allowed: Collection[str]) -> None:
        words = sorted(allowed, reverse=True) if len(allowed) <= _MOST else []
        self._folded = {_folded(word): word for word in words}
        self._having: dict[str, list[str]] | None = None

    def same(self, word: str) -> str | None:
        """The word that differs in case, `-`, `_` and blanks only, or None."""
        return self._folded.get(_folded(word)) if len(word) <= _LONGEST else None

    def near(self, word: str, cutoff: float = 0.7) -> str | None:
        """The word that `word` is a slip of, or None. `cutoff` is difflib's: 1 is equal."""
        if not word or len(word) > _LONGEST:
            return None
        if same := self.same(word):
            return same
        folded = _folded(word)
        close = difflib.get_close_matches(folded, self._candidates(folded), n=1, cutoff=cutoff)
        return self._folded[close[0]] if close else None

    def _candidates(self, folded: str) -> Collection[str]:
        if len(self._folded) <= _FEW:
            return self._folded
        shared: Counter[str] = Counter()
        for pair in _pairs(folded):
            # Without this bound a search would be linear in the vocabulary after all.
            if len(having := self._words_having(pair)) <= _SHARED_BY:
                shared.update(having)
        return [candidate for candidate, _ in shared.most_common(_COMPARED)]

    def _words_having(self, pair: str) -> list[str]:
        if self._having is None:
            self._having = defaultdict(list)
            for candidate in self._folded:
                for each in _pairs(candidate):
                    self._having[each].append(candidate)
        return self._having.get(pair, [])


class NearMisses:
    """The searches that one load may still make."""

    __slots__ = ("_left",)

    def __init__(self, searches: int = MOST_SEARCHES) -> None:
        self._left = searches

    @property
    def exhausted(self) -> bool:
        """Whether no search is left: a list of what is allowed would be repeated without end."""
        return self._left <= 0

    def did_you_mean(self, word: str, allowed: Vocabulary) -> str:
        """`, did you mean 'x'?`, or nothing: the end of a sentence."""
        return _question(self.near(word, allowed))

    def near(self, word: str, allowed: Vocabulary) -> str | None:
        """The word of the vocabulary that was probably meant, or None."""
        if self._left <= 0:
            return allowed.same(word)
        self._left -= 1
        return allowed.near(word)


def near(word: str, allowed: Collection[str]) -> str | None:
    """The allowed word that `word` is a slip of, or None.

    Case, `-`, `_` and blanks do not count; otherwise the words must be alike.
    """
    return vocabulary(tuple(allowed)).near(word)


def did_you_mean(word: str, allowed: Collection[str]) -> str:
    """`, did you mean 'x'?`, or nothing: the end of a sentence."""
    return _question(near(word, allowed))


@lru_cache(maxsize=256)
def vocabulary(allowed: tuple[str, ...]) -> Vocabulary:
    """The vocabulary of a fixed set of words, prepared once."""
    return Vocabulary(allowed)


def listed(words: Collection[str], last: str = "or") -> str:
    """`'a', 'b' or 'c'`, in the order given."""
    quoted = [f"'{word}'" for word in words]
    return f" {last} ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def shown(value: str, longest: int = 60) -> str:
    """A text of a manifest as messages quote it: on one line, printable, cut."""
    cut = value if len(value) <= longest else value[: longest - 1] + "…"
    return repr(cut)


def _question(meant: str | None) -> str:
    return f", did you mean '{meant}'?" if meant is not None else ""


def _pairs(word: str) -> Iterable[str]:
    padded = f"^{word}$"
    return {padded[at : at + 2] for at in range(len(padded) - 1)}


def _folded(word: str) -> str:
    return word.casefold().replace("_", "").replace("-", "").replace(" ", "")
