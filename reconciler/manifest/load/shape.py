"""The models as a shape to walk along: which fields are allowed at a place of a manifest.

pydantic names the member of a union in an error's place (`triggers.0.schedule.cron`), which is no
part of the manifest. Walking the types tells such a tag from a key of the same name.
"""

from collections.abc import Callable
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, Tag

from reconciler.manifest.load.loc import Loc

KEY_MARK = "[key]"
"""What pydantic adds to the place of a mapping's key that is wrong itself."""


def walk(model: type[BaseModel], loc: Loc) -> tuple[Loc, Any]:
    """The place without pydantic's tags, and the type that holds its last part."""
    place: list[str | int] = []
    holder: Any = model
    here: Any = model
    for part in loc:
        if part == KEY_MARK:
            break
        members = _members(here)
        if len(members) > 1:
            here = next((member for tag, member in members if tag == part), None)
            continue
        holder = members[0][1] if members else None
        place.append(part)
        here = _inside(holder, part)
    return tuple(place), holder


def resolved(model: type[BaseModel], loc: Loc, value: Any) -> Any:
    """The type at a place of a manifest (without tags), choosing members of unions by `value`."""
    here: Any = model
    for part in loc:
        here = _inside(_chosen(here, value), part)
        value = _item(value, part)
    return _chosen(here, value)


@lru_cache(maxsize=256)
def field_names(model: Any) -> tuple[str, ...]:
    """The fields of a model as a manifest writes them; nothing for what is no model."""
    if not _is_model(model):
        return ()
    return tuple(info.alias or name for name, info in model.model_fields.items())


def tags(union: Any) -> tuple[str, ...]:
    """The tags by which the members of a union are told apart."""
    return tuple(tag for tag, _ in _members(union) if tag is not None)


def bounds(model: Any, field: str) -> tuple[Any, Any]:
    """The least and the greatest value of a number's field, None where there is no bound."""
    info = next((i for i in model.model_fields.values() if i.alias == field), None)
    limits = info.metadata if info else ()
    least = next((item.ge for item in limits if isinstance(item, Ge)), None)
    most = next((item.le for item in limits if isinstance(item, Le)), None)
    return least, most


def _inside(holder: Any, part: str | int) -> Any:
    if _is_model(holder):
        for name, info in holder.model_fields.items():
            if part in (info.alias, name):
                return info.annotation
        return None
    return next(
        (inside(holder) for origin, inside in _INSIDE if get_origin(holder) is origin), None
    )


_INSIDE: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (tuple, lambda holder: get_args(holder)[0]),
    (dict, lambda holder: get_args(holder)[1]),
)


def _chosen(annotation: Any, value: Any) -> Any:
    members = _members(annotation)
    if len(members) == 1:
        return members[0][1]
    if not isinstance(value, dict):
        return None
    tags = (value.get("kind"), value.get("type"), "secret")
    return next((member for tag, member in members if tag in tags), None)


def _item(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def _members(annotation: Any) -> list[tuple[str | None, Any]]:
    """The members of a union with their tags; a type that is not a union is its own only member."""
    tag = _tag(annotation)
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) not in (Union, UnionType):
        return [] if annotation is None else [(tag or _literal_tag(annotation), annotation)]
    members = (member for member in get_args(annotation) if member is not type(None))
    return [pair for member in members for pair in _members(member)]


def _tag(annotation: Any) -> str | None:
    metadata = getattr(annotation, "__metadata__", ())
    return next((item.tag for item in metadata if isinstance(item, Tag)), None)


def _literal_tag(annotation: Any) -> str | None:
    if not _is_model(annotation):
        return None
    for name in ("kind", "type"):
        info = annotation.model_fields.get(name)
        if info is not None and get_origin(info.annotation) is Literal:
            return str(get_args(info.annotation)[0])
    return None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
