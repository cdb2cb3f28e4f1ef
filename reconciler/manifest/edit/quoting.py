"""One text as a YAML scalar that strict readers, and older ones, read as that text."""

import re

from reconciler.manifest.load.scalars import NumberTooLong, resolve

# Plain where nobody can take it for anything else: no indicator at the start, no `: `, no ` #`.
_PLAIN = re.compile(r"(?:[^\W\d]|/)(?:[\w./+@=()<>%$~^;-]|[ :](?=[\w./(])|,(?= ))*")
_FLOW_PLAIN = re.compile(r"(?:[^\W\d]|/)(?:[\w./+@=()-]| (?=[\w./(]))*")
# Durations and sizes are no numbers to anybody.
_AMOUNT = re.compile(r"(?:[0-9]+[dhms])+|[0-9]+(?:B|KiB|MiB|GiB)", re.ASCII)
# Texts to YAML 1.2, booleans and such to YAML 1.1, which some tools still read.
_OLD_WORDS = frozenset({"y", "n", "yes", "no", "on", "off"})
# What YAML 1.2 lets stand as it is, without what is a line break to YAML 1.1 and without U+FEFF.
_UNPRINTABLE = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def scalar(text: str, *, flow: bool = False) -> str:
    """The text on one line: plain, or in the quotes that need least escaping."""
    if is_plain(text, flow=flow):
        return text
    if "'" not in text and ('"' in text or "\\" in text) and _is_simple(text):
        return f"'{text}'"
    return double_quoted(text)


def is_plain(text: str, *, flow: bool = False) -> bool:
    """Whether the text needs no quotes."""
    if _AMOUNT.fullmatch(text):
        return True
    pattern = _FLOW_PLAIN if flow else _PLAIN
    if not pattern.fullmatch(text) or text.casefold() in _OLD_WORDS:
        return False
    try:
        return resolve(text) == text
    except NumberTooLong:
        return False


def double_quoted(text: str) -> str:
    """The text in double quotes, everything in it that could be misread as an escape."""
    return '"' + "".join(_ESCAPES.get(char) or _escaped(char) for char in text) + '"'


def single_quoted(text: str) -> str | None:
    """The text in single quotes, or None if it cannot stand in them on one line."""
    return f"'{text.replace(chr(39), chr(39) * 2)}'" if _is_simple(text) else None


def literal(text: str, indent: int, step: int) -> list[str] | None:
    """The text as a literal block: its header (`|`), then its lines, indented by `indent`.

    `step` is how much deeper that is than what the block belongs to. None for a text of one line,
    and for what a block cannot hold.
    """
    if "\n" not in text or _UNPRINTABLE.search(text) or not text.strip("\n"):
        return None
    lines = text.split("\n")
    ends = len(text) - len(text.rstrip("\n"))
    chomping = "-" if ends == 0 else "" if ends == 1 else "+"
    # The indentation is guessed from the first line, unless that starts with a blank or is empty.
    explicit = str(step) if lines[0][:1] in ("", " ", "\t") else ""
    body = lines if ends == 0 else lines[:-1]
    return [f"|{explicit}{chomping}", *(" " * indent + line if line else "" for line in body)]


def _is_simple(text: str) -> bool:
    return not _UNPRINTABLE.search(text) and "\n" not in text and "\t" not in text


def _escaped(char: str) -> str:
    if not _UNPRINTABLE.match(char):
        return char
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
