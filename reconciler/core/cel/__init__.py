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
from reconciler.core.cel.errors import EvaluationError, ExpressionError
from reconciler.core.cel.scope import (
    CONDITION_VARIABLES,
    EXPECT_VARIABLES,
    KEY_VARIABLES,
    TITLE_VARIABLES,
    event_scope,
    expect_scope,
    title_scope,
)
from reconciler.core.cel.syntax import MAX_DEPTH, MAX_NESTING
from reconciler.core.cel.values import MAX_KEY, as_condition, as_key, as_text
from reconciler.core.cel.weight import MAX_LEVELS, MAX_WEIGHT

__all__ = [
    "CONDITION_VARIABLES",
    "EXPECT_VARIABLES",
    "KEY_VARIABLES",
    "MAX_COST",
    "MAX_DEPTH",
    "MAX_KEY",
    "MAX_LENGTH",
    "MAX_LEVELS",
    "MAX_MACRO_DEPTH",
    "MAX_NESTING",
    "MAX_WEIGHT",
    "QUICK_COST",
    "TITLE_VARIABLES",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "as_condition",
    "as_key",
    "as_text",
    "compile_expression",
    "condition_problems",
    "evaluate",
    "event_scope",
    "execute",
    "expect_scope",
    "is_quick",
    "problems_of",
    "require_affordable",
    "title_scope",
]
