"""The tail of a program's output as text."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.dispatch.command.tail import tail_text


@given(st.binary(max_size=400), st.integers(0, 50))
def test_the_tail_is_the_end_of_the_stream(stream: bytes, limit: int) -> None:
    tail = stream[-limit:] if limit else b""
    text = tail_text(tail, len(stream) - len(tail))
    shown = tail.decode("utf-8", "replace").replace("\0", "\ufffd")
    if len(stream) <= limit:
        assert text == shown
    elif len(stream) > len(tail):
        cut, _, kept = text.partition("\n")
        assert cut == f"[cut: the first {len(stream) - limit} bytes are not kept]"
        assert shown.endswith(kept)
        assert len(shown) - len(kept) <= 3


def test_a_character_that_was_cut_is_not_shown_as_rubbish() -> None:
    stream = "a€€".encode()
    assert tail_text(stream[-5:], 2) == "[cut: the first 2 bytes are not kept]\n€"
