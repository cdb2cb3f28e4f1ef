"""The last bytes of a stream, in bounded memory."""

from dataclasses import dataclass, field

TAIL_LIMIT = 64 * 1024
"""Bytes of a command's output that are kept."""
CONTINUATION = bytes(range(0x80, 0xC0))
"""The bytes after the first one of a character in UTF-8; there are at most three."""


@dataclass(slots=True)
class Tail:
    """Keeps the last `limit` bytes of what is fed to it, and counts the others."""

    limit: int = TAIL_LIMIT
    seen: int = 0
    _kept: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> None:
        """More of the stream."""
        self.seen += len(data)
        self._kept += data
        if len(self._kept) > 2 * self.limit:  # trimmed now and then, so that feeding stays linear
            del self._kept[: -self.limit]

    def text(self) -> str:
        """What is kept, as text: undecodable bytes and NUL replaced, a cut said in a first line."""
        kept = bytes(self._kept[-self.limit :])
        lost = self.seen - len(kept)
        if lost:
            kept = kept[:3].lstrip(CONTINUATION) + kept[3:]  # the rest of a character that was cut
        text = kept.decode("utf-8", "replace").replace("\x00", "\ufffd")
        return f"[cut: the first {lost} bytes are not kept]\n{text}" if lost else text
