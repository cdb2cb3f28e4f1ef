"""A webhook request as the web layer hands it over, and the answer that it sends back."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class InboundRequest:
    """`headers` are raw pairs as they came; `body` yields chunks and is read once at most.

    `client` is the sender's address, behind trusted proxies, `query` what stands behind the `?` of
    the URL. `named` are the headers by lower-case
    name; of several with one name the last one.
    """

    method: str
    token: str
    headers: Sequence[tuple[bytes, bytes]]
    body: AsyncIterator[bytes]
    client: str = ""
    query: str = ""
    named: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.named = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.headers
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status, a JSON object or, where there is one, a plain text, headers."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None


def problem(status: int, code: str, detail: str, **headers: str) -> Answer:
    """A refusal as RFC 9457 problem details."""
    body = {"type": "about:blank", "status": status, "code": code, "detail": detail}
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


class RequestRefused(Exception):
    """A check was final; `answer` goes back.

    `bad` is an unknown token or a wrong signature; `log` says why to the operator, as (level,
    event, fields). `final` stands whatever a fresh read of the trigger would say.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        bad: bool = False,
        final: bool = False,
        log: tuple[str, str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.answer = answer
        self.bad = bad
        self.final = final
        self.log = log
        super().__init__(answer.status)
