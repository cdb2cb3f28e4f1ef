"""The one expression language: CEL, for conditions, concurrency keys and titles.

What it may say is told in docs/expressions.md. Compile with `compile_expression`; evaluate with
`reconciler.control.evaluation.evaluator`, which bounds the time. The library is known to
`library.py` alone.
"""

from reconciler.core.cel.compiled import (
    MAX_COST,
    MAX_LENGTH,
    MAX_MACRO_DEPTH,
    QUICK_COST,
    Expression,
    compile_expression,
    evaluate,
    execute,
    is_quick,
    problems_of,
    require_affordable,
)
from reconciler.core.cel.conditions import condition_problems
from reconciler.core.cel.errors import EvaluationBusy, EvaluationError, ExpressionError
from reconciler.core.cel.reads import look_up
from reconciler.core.cel.scope import (
    ANSWER_VARIABLES,
    CALL_VARIABLES,
    CONDITION_VARIABLES,
    EXPECT_VARIABLES,
    HANDLE_VARIABLES,
    KEY_VARIABLES,
    MOMENT_VARIABLES,
    REQUEST_VARIABLES,
    TITLE_VARIABLES,
    event_scope,
    expect_scope,
    moment_scope,
    title_scope,
)
from reconciler.core.cel.syntax import MAX_DEPTH, MAX_NESTING
from reconciler.core.cel.values import MAX_KEY, as_condition, as_json, as_key, as_text
from reconciler.core.cel.weight import MAX_LEVELS, MAX_WEIGHT

__all__ = [
    "ANSWER_VARIABLES",
    "CALL_VARIABLES",
    "CONDITION_VARIABLES",
    "EXPECT_VARIABLES",
    "HANDLE_VARIABLES",
    "KEY_VARIABLES",
    "MAX_COST",
    "MAX_DEPTH",
    "MAX_KEY",
    "MAX_LENGTH",
    "MAX_LEVELS",
    "MAX_MACRO_DEPTH",
    "MAX_NESTING",
    "MAX_WEIGHT",
    "MOMENT_VARIABLES",
    "QUICK_COST",
    "REQUEST_VARIABLES",
    "TITLE_VARIABLES",
    "EvaluationBusy",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "as_condition",
    "as_json",
    "as_key",
    "as_text",
    "compile_expression",
    "condition_problems",
    "evaluate",
    "event_scope",
    "execute",
    "expect_scope",
    "is_quick",
    "look_up",
    "moment_scope",
    "problems_of",
    "require_affordable",
    "title_scope",
]
