"""What can go wrong with an expression: in its text, or while it is evaluated."""

from reconciler.core.base.errors import ReconcilerError


class ExpressionError(ReconcilerError):
    """The text of an expression or template is wrong; becomes a Problem of the manifest.

    `offset` counts characters from the start of the text. `code` is the Problem's stable code:
    `expression-invalid`, `expression-too-complex`, `variable-unknown`, `function-unknown` or
    `template-invalid`.
    """

    code = "expression-invalid"

    def __init__(self, message: str, offset: int, code: str = "expression-invalid") -> None:
        self.message = message
        self.offset = offset
        self.code = code  # type: ignore[misc]  # the class says the default, the instance the case
        super().__init__(message)


class EvaluationError(ReconcilerError):
    """The expression is fine and these values do not fit it: a missing key, a wrong type."""

    code = "evaluation-failed"

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class EvaluationBusy(EvaluationError):
    """Nothing could evaluate it now; the same again may succeed."""

    code = "evaluation-busy"
