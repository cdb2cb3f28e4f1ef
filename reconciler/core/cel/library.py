"""The CEL library behind a narrow interface; the only module that knows it.

Four of its habits are kept from everyone else. It holds the GIL while it works,
panics as a BaseException, dies on values nested thousands deep, and its package imports a whole
terminal REPL, which costs every command a fifth of a second. So its extension module is loaded by
itself, depth is checked by the callers (`cost.weigh`), and every failure becomes one of ours.
"""

import math
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any

from reconciler.core.cel.errors import EvaluationError, ExpressionError
from reconciler.core.cel.methods import IMPLEMENTATIONS

Json = Any
_EXTENSION = "cel.cel"
_WHERE = re.compile(r"<input>:(\d+):(\d+): ([^\n]*)")
_METHOD_FAILED = re.compile(r"Python function call failed: \w+: (.*)\. Check function arguments")
_UNDEFINED = re.compile(r"Undefined variable or function: '(\w+)'")
_WRONG_TYPES = "the types do not fit here; convert with int(), double() or string()"
_MAX_MESSAGE = 300


class WrongTypes(EvaluationError):
    """An operation is not defined for the types of its operands."""


@lru_cache(maxsize=1)
def _cel() -> Any:
    """The extension module, without the package around it."""
    package = find_spec("cel")
    places = package.submodule_search_locations if package else None
    spec = PathFinder.find_spec(_EXTENSION, places)
    if spec is None or spec.loader is None:
        raise ImportError("the package 'common-expression-language' is not installed")
    if _EXTENSION not in sys.modules:  # it refuses to be initialised twice
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[_EXTENSION] = module
    return sys.modules[_EXTENSION]


@lru_cache(maxsize=1024)
def program(text: str) -> Any:
    """The compiled program; ExpressionError where the library refuses the text."""
    try:
        return _cel().compile(text)
    except BaseException as error:
        if not _is_of_the_library(error):
            raise
        raise _compile_error(text, str(error)) from None


def _compile_error(text: str, message: str) -> ExpressionError:
    position = _WHERE.search(message)
    if position is None:
        return ExpressionError("CEL cannot read this expression", 0)
    line, column = int(position[1]), int(position[2])
    before = text.split("\n")[: line - 1]
    offset = sum(len(each) + 1 for each in before) + column - 1
    return ExpressionError(position[3][:_MAX_MESSAGE], min(offset, len(text)))


def execute(text: str, variables: Mapping[str, Json], methods: frozenset[str]) -> Any:
    """The value of an expression as Python, or EvaluationError.

    `methods`: which of the methods in `methods.py` the expression calls.
    """
    compiled = program(text)
    try:
        return compiled.execute(_context(variables, methods))
    except BaseException as error:
        if not _is_of_the_library(error):
            raise
        if "Conversion Error" in str(error):
            return _with_readable(compiled, variables, methods)
        raise _failure(error) from None


def _with_readable(compiled: Any, variables: Mapping[str, Json], methods: frozenset[str]) -> Any:
    try:
        return compiled.execute(_context(_readable(dict(variables)), methods))
    except BaseException as error:
        if not _is_of_the_library(error):
            raise
        raise _failure(error) from None


def _failure(error: BaseException) -> EvaluationError:
    message = _explain(error)
    return WrongTypes(message) if message == _WRONG_TYPES else EvaluationError(message)


def _context(variables: Mapping[str, Json], methods: frozenset[str]) -> Any:
    functions = {name: IMPLEMENTATIONS[name] for name in methods}
    return _cel().Context(dict(variables), functions)


def _readable(value: Json) -> Json:
    """The value with what the library cannot hold replaced: lone surrogates, huge integers."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode("utf-8")
        case bool():
            return value
        case int():
            return _number(value)
        case dict():
            return {_readable(str(key)): _readable(child) for key, child in value.items()}
        case list() | tuple():
            return [_readable(child) for child in value]
        case _:
            return value


def _number(value: int) -> int | float:
    try:
        float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return value


def _is_of_the_library(error: BaseException) -> bool:
    """Whether to map it: any ordinary exception, or the library's panic, which is not one."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _explain(error: BaseException) -> str:
    message = str(error)
    match error:
        case KeyError():
            return f"there is no {message[:_MAX_MESSAGE]}"
        case TypeError() if "No such overload" in message:
            return _WRONG_TYPES
        case ZeroDivisionError():
            return "division by zero"
        case MemoryError():
            return "it needs too much memory"
        case Exception():
            return _shortened(message)
        case _:
            return "the CEL library failed on these values"


def _shortened(message: str) -> str:
    if failure := _METHOD_FAILED.search(message):
        return failure[1][:_MAX_MESSAGE]
    if undefined := _UNDEFINED.search(message):
        return f"'{undefined[1]}' is not there, or does not take a value of this type"
    first = message.split(". C", 1)[0].split("\n", 1)[0]
    return first[:_MAX_MESSAGE]
