"""The one error of a webhook request that cannot be read without guessing."""

from typing import ClassVar, Literal

from reconciler.core.base.errors import ReconcilerError


class BodyError(ReconcilerError):
    """The request is malformed. `status` is the answer's (400 or 415), `reason` its stable code.

    The message never repeats the body: it goes back to a sender and into logs.
    """

    code: ClassVar[str] = "request-malformed"

    def __init__(self, reason: str, message: str, status: Literal[400, 415] = 400) -> None:
        self.reason = reason
        self.status = status
        super().__init__(message)
