"""Docstrings of fields: read when a JSON Schema is wanted, of inherited fields too."""

from pydantic import Field

from reconciler.core.manifest.described import field_docs
from reconciler.core.manifest.fields import Model


class Base(Model):
    """Something."""

    first: int
    """The first one."""
    plain: int = 0
    named: int = Field(default=0, description="Said by hand.")
    """Said below."""


class Derived(Base):
    """Something more."""

    second_one: Base | None = None
    """The second one,
    on two lines."""


def test_what_stands_below_a_field_describes_it() -> None:
    assert field_docs(Base) == {"first": "The first one.", "named": "Said below."}
    assert field_docs(Derived) == {"second_one": "The second one,\non two lines."}


def test_schemas_say_it_by_the_names_of_manifests() -> None:
    properties = Derived.model_json_schema()["properties"]
    said = {name: field.get("description") for name, field in properties.items()}
    assert said == {
        "first": "The first one.",
        "plain": None,
        "named": "Said by hand.",
        "secondOne": "The second one,\non two lines.",
    }


def test_a_class_without_source_has_none() -> None:
    made = type("Made", (Base,), {"__doc__": "Made at run time.", "__module__": __name__})
    assert field_docs(made) == {}
    assert made.model_json_schema()["properties"]["first"]["description"] == "The first one."  # type: ignore[attr-defined]
