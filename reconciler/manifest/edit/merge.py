"""What a manifest should say so that it means something else: only what differs is touched.

Manifests leave defaults out and may write a value in another way than the canonical document does
(`90m` for `1h30m`). What means the same before and after stays as it is written.
"""

from typing import Any

from reconciler.core.manifest.state import Document
from reconciler.manifest.edit.export import pleasant
from reconciler.manifest.referenced.fields import FIELDS


def merged(written: Any, before: Document, after: Document) -> Any:
    """The written value, changed where the canonical documents `before` and `after` differ."""
    return _said_once(_merged(written, before, after, pleasant(after)))


def _said_once(value: Any) -> Any:
    """Without the text of a file that is named now: even an empty one would be said twice."""
    spec = value.get("spec") if isinstance(value, dict) else None
    if not isinstance(spec, dict):
        return value
    texts = {field.into for field in FIELDS if field.name in spec}
    return {**value, "spec": {name: each for name, each in spec.items() if name not in texts}}


_GONE = object()


def _merged(written: Any, before: Any, after: Any, short: Any) -> Any:
    """`short` is `after` without its defaults: what is newly written is taken from it."""
    if isinstance(written, dict) and isinstance(before, dict) and isinstance(after, dict):
        return _merged_mapping(written, before, after, short if isinstance(short, dict) else {})
    if _are_named(written, before, after):
        return _merged_named(written, before, after, short)
    return after if short is _GONE or isinstance(after, str | int) else short


def _merged_mapping(
    written: Document, before: Document, after: Document, short: Document
) -> Document:
    staying: Document = {}
    for key, value in written.items():
        if key not in after:
            # Neither meaning has it: it is an explicit nothing, such as `cron: null`.
            if key not in before:
                staying[key] = value
        elif key in before and before[key] == after[key]:
            staying[key] = value
        else:
            staying[key] = _merged(value, before.get(key), after[key], short.get(key, _GONE))
    new = [key for key in after if key not in written and before.get(key) != after[key]]
    return _in_order(staying, {key: short.get(key, after[key]) for key in new}, [*short, *after])


def _in_order(staying: Document, new: Document, order: list[str]) -> Document:
    """The new keys among the written ones, each behind the one that comes before it in `order`."""
    keys = list(staying)
    for key in new:
        earlier = [k for k in order[: order.index(key)] if k in keys]
        place = keys.index(earlier[-1]) + 1 if earlier else len(keys)
        keys.insert(place, key)
    values = {**staying, **new}
    return {key: values[key] for key in keys}


def _are_named(*values: Any) -> bool:
    """Whether these are all lists of things with names: triggers."""
    return all(isinstance(value, list) for value in values) and all(
        isinstance(item, dict) and isinstance(item.get("name"), str)
        for value in values
        for item in value
    )


def _merged_named(written: Any, before: Any, after: Any, short: Any) -> list[Any]:
    """The order of triggers means nothing: those that stay keep their places."""
    old, new = _by_name(before), _by_name(after)
    brief = _by_name(short) if isinstance(short, list) else new
    stay = [
        _merged(item, old.get(name, {}), new[name], brief[name])
        for name, item in _by_name(written).items()
        if name in new
    ]
    names = _by_name(written)
    return [*stay, *(brief[name] for name in new if name not in names)]


def _by_name(items: list[Document]) -> dict[str, Document]:
    return {item["name"]: item for item in items}
