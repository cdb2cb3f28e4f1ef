"""Words of others lead nowhere, whatever they are."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.invisible import INVISIBLE
from reconciler.core.notify.plain import harmless, plain_block, plain_line

JOINER = "\u2060"
HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "@everyone", "@here", "<!channel>", "<@U024BE7LH>", "<#C1>", "&lt;", "](", "[a](b)",
                "https://evil.example/?q=1", "http://", "HTTPS://X", "javascript:", "mailto:a@b.c",
                "<http://e|click>", "www.evil.example", "<img src=x>", "\u202e", "\u200b", "\r\n",
                "\n", "\x00", "Run 1 completed.", "> ", "://", ":", "//", "@", "<", "]", "(",
            ]
        ),
        st.text(max_size=5),
    ),
    max_size=12,
).map("".join)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain words, 3 > 2", "plain words, 3 > 2", id="plain words stay"),
        pytest.param("*bold* and `code`", "*bold* and `code`", id="emphasis stays"),
        pytest.param("C# & Co", "C# & Co", id="a mark before a blank stays"),
        pytest.param("@here", f"@{JOINER}here", id="a mention"),
        pytest.param("<!channel>", f"<{JOINER}!{JOINER}channel>", id="a mention of Slack"),
        pytest.param("[x](y)", f"[x]{JOINER}(y)", id="a hidden link"),
        pytest.param("see https://a.example/b", "see https[:]//a.example/b", id="a URL"),
        pytest.param("www.a.example", "www[.]a.example", id="a host that some make a link"),
        pytest.param("mailto:x", "mailto[:]x", id="an address"),
        pytest.param("time: 10:30", "time: 10:30", id="a colon is no scheme"),
    ],
)
def test_what_becomes_of_words(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_a_channel_may_keep_links_and_nothing_else() -> None:
    text = "@here [x](https://a.example)"
    assert harmless(text, links=True) == f"@{JOINER}here [x]{JOINER}(https://a.example)"


@given(text=HOSTILE, links=st.booleans())
def test_no_mention_and_no_hidden_link_is_left(text: str, links: bool) -> None:
    for shown in (plain_block(text, 500, links=links), plain_line(text, 500, links=links)):
        bare = "\n".join(line.removeprefix("> ") for line in shown.split("\n"))
        assert not re.search(rf"[@#!<&][^\s{JOINER}]", bare)
        assert "](" not in bare
        if not links:
            assert not re.search(r"[A-Za-z0-9]://", bare)
            assert not re.search(r"(?i)\b(mailto|javascript|data):", bare)


@given(text=HOSTILE)
def test_every_line_of_others_is_marked_and_visible(text: str) -> None:
    lines = plain_block(text, 200).split("\n")
    assert all(line.startswith("> ") for line in lines if line != "(cut)")
    assert lines.count("(cut)") <= 1
    for line in lines:
        assert not INVISIBLE.search(line.replace(JOINER, ""))


@given(text=st.text(max_size=3000), limit=st.integers(10, 300))
def test_it_is_bounded(text: str, limit: int) -> None:
    assert len(plain_line(text, limit)) <= 4 * limit + 10
    shown = plain_block(text, limit)
    assert len(shown) <= 6 * limit + 10


def test_a_cut_is_said() -> None:
    assert plain_block("word " * 100, 50).endswith("…\n(cut)")
