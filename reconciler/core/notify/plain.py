"""Words of agents and senders as plain text that no channel takes for more than that.

A message goes to services of which each has a markup of its own. So nothing in it may be a mention
(`@everyone`, `<!channel>`), a link with another face (`[text](url)`, `<url|text>`), or a link at
all: some services fetch what a link names, and with it whatever an agent was talked into putting
there (docs/notifications.md#what-a-message-shows). Emphasis stays: it leads nowhere.
"""

import re

from reconciler.core.base.invisible import INVISIBLE, one_line

_BREAK = "\u2060"
"""A word joiner: it is not seen, and parts what would have been read as one."""
_MENTION = re.compile(r"([@#!<&])(?=[^\s\u2060])")
_MASKED_LINK = re.compile(r"\](?=[(\[])")
_SCHEME = re.compile(r"(?<=[A-Za-z0-9]):(?=//)|\b(mailto|tel|javascript|data):", re.IGNORECASE)
_WWW = re.compile(r"\bwww\.(?=\S)", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n{3,}")


def plain_line(text: str, limit: int, *, links: bool = False) -> str:
    """One line, harmless, cut at `limit` characters."""
    return harmless(one_line(text, limit), links=links)


def plain_block(text: str, limit: int, *, links: bool = False) -> str:
    """Several lines, each marked as quoted, so that none can pass for a line of the message.

    Cut at `limit` characters, and it says so.
    """
    # What lies far beyond the cut need not be read: a result may be 256 KiB.
    lines = text[: 4 * limit].replace("\r\n", "\n").replace("\t", "    ").split("\n")
    shown = "\n".join(INVISIBLE.sub("", line).rstrip() for line in lines)
    shown = _BLANK_LINES.sub("\n\n", shown).strip()
    if cut := len(shown) > limit or len(text) > 4 * limit:
        shown = shown[:limit].rstrip() + "…"
    quoted = "\n".join(f"> {line}" for line in harmless(shown, links=links).split("\n"))
    return f"{quoted}\n(cut)" if cut else quoted


def harmless(text: str, *, links: bool = False) -> str:
    """The text without mentions and links; with `links`, URLs that show where they lead stay."""
    text = _MASKED_LINK.sub(f"]{_BREAK}", _MENTION.sub(rf"\1{_BREAK}", text))
    if links:
        return text
    return _WWW.sub("www[.]", _SCHEME.sub(lambda match: f"{match[1] or ''}[:]", text))
