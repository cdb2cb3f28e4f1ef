"""How an `http` runtime speaks to an API that is not ours (docs/runtimes.md#other-apis)."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from reconciler.core.manifest.fields import Duration, Model
from reconciler.core.manifest.runtime_fields import HeaderName, Value

MAX_TEXT = 20_000
"""Characters of one text with placeholders."""

Address = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        pattern=r"^https?://\S+$|^https?://\S*\{\{[^\n]*$",
        examples=["https://api.example.org/sessions/{{ handle.id }}"],
    ),
]
"""A URL; text with `{{ CEL }}` placeholders may stand in its path and its query."""

Expression = Annotated[str, Field(min_length=1, max_length=2000)]
HandleName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=50)]
Handles = Annotated[dict[HandleName, Expression], Field(max_length=10)]


class Done(StrEnum):
    """What ends the work of a run."""

    FOLLOW = "follow"
    RESPONSE = "response"
    ACCEPTED = "accepted"


class Request(Model):
    """The request that gives a run to its agent. It is never sent twice for one run."""

    method: Literal["POST", "PUT", "PATCH", "GET"] = "POST"
    """How it is sent, to the runtime's `url`."""
    body: JsonValue = Field(
        default=None, examples=[{"prompt": "{{ prompt }}", "title": "{{ run.title }}"}]
    )
    """What is sent, as JSON; the run by default. Texts take `{{ CEL }}`; a body may be one text."""
    headers: dict[HeaderName, Value] = Field(default_factory=dict, max_length=50)
    """Sent with this request alone, beside the runtime's `headers`; texts take `{{ CEL }}`."""
    handle: Handles = Field(default_factory=dict, examples=[{"id": "answer.session_id"}])
    """What is kept of the answer to find the work again: CEL by name. `id` is shown as session."""
    done: Done = Field(default=Done.FOLLOW, strict=False)
    """What ends the run: what `follow` says, the answer itself, or that the run was accepted."""


class Follow(Model):
    """How the API is asked what became of the work."""

    url: Address
    """What is asked, by GET."""
    every: Duration = timedelta(seconds=15)
    """How often."""
    status: Expression = Field(examples=['answer.status == "finished" ? "completed" : "running"'])
    """CEL giving `running`, `completed`, `failed` or `waiting`, over `answer`."""
    result: Expression | None = Field(default=None, examples=["answer.output"])
    """CEL over `answer` giving the run's result; the answer itself by default."""
    usage: Expression | None = Field(
        default=None, examples=['{"costUsd": double(answer.acusConsumed) * 2.25}']
    )
    """CEL over `answer` giving `costUsd`, `inputTokens` and so on, where the API tells them."""


class Cancel(Model):
    """How the API is asked to stop the work."""

    method: Literal["POST", "DELETE", "PUT", "PATCH"] = "POST"
    """How it is asked."""
    url: Address
    """What is asked."""


class Find(Model):
    """How the work is searched for whose creation was never answered."""

    url: Address
    """What is asked, by GET."""
    handle: Handles = Field(min_length=1, examples=[{"id": "answer.sessions[0].session_id"}])
    """CEL over `answer`, as in `request.handle`; what cannot be evaluated was not found."""
