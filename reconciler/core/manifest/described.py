"""The docstrings of a model's fields, read from its source when somebody asks for a JSON Schema.

pydantic can read them itself, but does it for every model at import, which takes longer than all
else that a short command does.
"""

import ast
import inspect
import textwrap
from functools import cache


@cache
def field_docs(model: type) -> dict[str, str]:
    """The text that stands below each field of a class; nothing where the source is not at hand."""
    try:
        source = inspect.getsource(model)
    except (OSError, TypeError):
        return {}
    (declared,) = ast.parse(textwrap.dedent(source)).body
    if not isinstance(declared, ast.ClassDef):
        return {}
    docs: dict[str, str] = {}
    for statement, after in zip(declared.body, declared.body[1:], strict=False):
        match statement, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = inspect.cleandoc(text)
    return docs
