"""The last bytes of a stream, in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.dispatch.command.tail import Tail


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 50))
def test_the_tail_is_the_end_of_the_stream(chunks: list[bytes], limit: int) -> None:
    tail, stream = Tail(limit), b"".join(chunks)
    for chunk in chunks:
        tail.feed(chunk)
        assert len(tail._kept) <= 2 * limit
    text = tail.text()
    if len(stream) <= limit:
        assert text == stream.decode("utf-8", "replace").replace("\0", "\ufffd")
    else:
        cut, _, kept = text.partition("\n")
        assert cut == f"[cut: the first {len(stream) - limit} bytes are not kept]"
        shown = stream[-limit:].decode("utf-8", "replace").replace("\0", "\ufffd")
        assert shown.endswith(kept)
        assert len(shown) - len(kept) <= 3


def test_a_character_that_was_cut_is_not_shown_as_rubbish() -> None:
    tail = Tail(5)
    tail.feed("a€€".encode())
    assert tail.text() == "[cut: the first 2 bytes are not kept]\n€"
