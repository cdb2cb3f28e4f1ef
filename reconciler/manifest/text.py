"""Bytes of a manifest to text: UTF-8, of bounded size, without characters that deceive."""

import re

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import Problem

LARGEST = 1024**2
"""Bytes of one file (docs/manifest.md#yaml)."""
BOM = "\ufeff"

# YAML 1.2 forbids the first group. The second is a line break to YAML 1.1 and text to YAML 1.2,
# so that two readers would see two manifests.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]|[\x85\u2028\u2029]"
)
# Elsewhere it is a character like others; here it hides a `---` or a key from whoever reads.
_INNER_BOM = re.compile(f"^{BOM}", re.MULTILINE)
_BREAK = re.compile(r"\r\n|\r|\n")


def decode(data: bytes, path: str, escape: str | None = None) -> str | Problem:
    """The text without its byte order mark, or what is wrong with it.

    `escape` says what to do with a character that is not allowed; by default how YAML escapes it.
    """
    try:
        text = data.decode("utf-8").removeprefix(BOM)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").removeprefix(BOM)
        message = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        return _at_end(path, before, message, Code.FILE_ENCODING)
    if mark := _INNER_BOM.search(text):
        message = (
            "a byte order mark (U+FEFF) inside the file, as joining files leaves it; remove it"
        )
        return _at_end(path, text[: mark.start()], message, Code.FILE_CHARACTER)
    if forbidden := _FORBIDDEN.search(text):
        before, character = text[: forbidden.start()], forbidden[0]
        escaped = f'write it as "\\u{ord(character):04x}" in a double-quoted text'
        message = f"the character U+{ord(character):04X} is not allowed; {escape or escaped}"
        return _at_end(path, before, message, Code.FILE_CHARACTER)
    return text


def too_large(path: str, largest: int = LARGEST) -> Problem:
    """The Problem of a file beyond the limit, which is not read."""
    message = f"the file is larger than {largest // 1024**2} MiB; split it"
    return Problem(path, 1, 1, "", message, Code.FILE_TOO_LARGE)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Where the character at `offset` stands, both from 1; CRLF, CR and LF end a line."""
    breaks = [match.end() for match in _BREAK.finditer(text, 0, offset)]
    return len(breaks) + 1, offset - (breaks[-1] if breaks else 0) + 1


def _at_end(path: str, before: str, message: str, code: Code) -> Problem:
    line, column = line_and_column(before, len(before))
    return Problem(path, line, column, "", message, code)
