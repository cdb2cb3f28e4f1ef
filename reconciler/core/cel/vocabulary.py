"""The functions and types that an expression may name, and how each may be called."""

from collections.abc import Mapping

TYPES = frozenset(
    {"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"}
)
"""Names of types, for `type(x) == int`."""

_ONE = frozenset({1})
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
    _ONE,
)
"""Called as `name(value)`: the numbers of arguments that each takes."""

TEXT_METHODS: Mapping[str, frozenset[int]] = {
    "lowerAscii": _NONE,
    "upperAscii": _NONE,
    "trim": _NONE,
    "replace": frozenset({2}),
    "split": _ONE,
    "join": frozenset({0, 1}),
    "substring": frozenset({1, 2}),
}
"""The methods on text that Kubernetes' CEL has and the library leaves out; see `methods.py`."""

_TIME_METHODS = (
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

METHODS: Mapping[str, frozenset[int]] = {
    "size": _NONE,
    "contains": _ONE,
    "startsWith": _ONE,
    "endsWith": _ONE,
    "matches": _ONE,
    **dict.fromkeys(_TIME_METHODS, _NONE),
    **TEXT_METHODS,
}
"""Called as `value.name(arguments)`; the value itself is not counted."""
