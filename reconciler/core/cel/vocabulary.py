"""The functions and types that an expression may name, and how each may be called."""

from collections.abc import Mapping

TYPES = frozenset(
    {"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"}
)
"""Names of types, for `type(x) == int`."""

_UNARY = frozenset({1})
_NONE = frozenset({0})

FUNCTIONS: Mapping[str, frozenset[int]] = dict.fromkeys(
    (
        "has",
        "size",
        "string",
        "int",
        "uint",
        "double",
        "bytes",
        "timestamp",
        "duration",
        "dyn",
        "type",
    ),
    _UNARY,
)
"""Called as `name(value)`: the numbers of arguments that each takes."""

TEXT_METHODS: Mapping[str, frozenset[int]] = {
    "lowerAscii": _NONE,
    "upperAscii": _NONE,
    "trim": _NONE,
    "charAt": _UNARY,
    "indexOf": frozenset({1, 2}),
    "lastIndexOf": frozenset({1, 2}),
    "replace": frozenset({2, 3}),
    "split": frozenset({1, 2}),
    "join": frozenset({0, 1}),
    "substring": frozenset({1, 2}),
}
"""The methods on text that Kubernetes' CEL has and the library leaves out; see `methods.py`."""

TIME_METHODS = (
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
)
"""With a zone as their argument, or without one in UTC."""

METHODS: Mapping[str, frozenset[int]] = {
    "size": _NONE,
    "contains": _UNARY,
    "startsWith": _UNARY,
    "endsWith": _UNARY,
    "matches": _UNARY,
    **dict.fromkeys(TIME_METHODS, frozenset({0, 1})),
    **TEXT_METHODS,
    "orValue": _UNARY,
    "hasValue": _NONE,
    "or": _UNARY,
}
"""Called as `value.name(arguments)`; the value itself is not counted."""
