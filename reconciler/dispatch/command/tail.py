"""The tail of a program's output as text."""

CONTINUATION = bytes(range(0x80, 0xC0))
"""The bytes after the first one of a character in UTF-8; there are at most three."""


def tail_text(tail: bytes, dropped: int) -> str:
    """Decode the last bytes of a stream, of which `dropped` bytes came before.

    Undecodable bytes and NUL are replaced; a cut is said in a first line.
    """
    if dropped:
        # What is left of a character that was cut.
        tail = tail[:3].lstrip(CONTINUATION) + tail[3:]
    text = tail.decode("utf-8", "replace").replace("\x00", "\ufffd")
    return f"[cut: the first {dropped} bytes are not kept]\n{text}" if dropped else text
