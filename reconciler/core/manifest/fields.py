"""The scalar fields of a manifest: names, durations, sizes, instants, references to secrets.

Each is an annotated type that pydantic checks and that carries its JSON Schema. Every failure is a
`PydanticCustomError` whose type is the stable code of a Problem (docs/errors.md).
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from reconciler.core.base.units import format_duration, format_size, parse_duration, parse_size
from reconciler.core.manifest.described import field_docs

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_NAME = re.compile(NAME_PATTERN[:-1] + r"\Z", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_DURATION_SCHEMA = r"^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"


class Model(BaseModel):
    """A frozen, strict value: camelCase outside, snake_case inside, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema, with the docstring of each field as its description."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for model in cls.__mro__:
            docs = field_docs(model) if issubclass(model, Model) else {}
            for name, text in docs.items():
                field = properties.get(cls.model_fields[name].alias or name)
                if field is not None:
                    field.setdefault("description", text)
        return schema


def _name(value: str) -> str:
    if _NAME.match(value):
        return value
    raise PydanticCustomError(
        "name-invalid",
        "{found} is not a name; use 1 to 63 of a-z, 0-9 and '-', "
        "starting and ending with a letter or digit",
        {"found": _quoted(value)},
    )


def _quoted(value: str) -> str:
    shown = value if len(value) <= 80 else value[:79] + "…"
    return repr(shown)


Name = Annotated[
    str,
    AfterValidator(_name),
    WithJsonSchema({"type": "string", "pattern": NAME_PATTERN, "minLength": 1, "maxLength": 63}),
]
"""1..63 characters of `a-z0-9-`, as Kubernetes names things (RFC 1123 label)."""


def _text_to(
    parse: Callable[[str], Any], kind: type | None, code: str, example: str
) -> Callable[[Any], Any]:
    """Texts become values. Values of `kind` pass: a program may build models with them, and no
    manifest can hold them."""

    def convert(value: Any) -> Any:
        if kind is not None and isinstance(value, kind):
            return value
        if not isinstance(value, str):
            raise PydanticCustomError(
                code,
                "expected a text such as {example}, found {found}",
                {"example": example, "found": _quoted(str(value))[1:-1]},
            )
        try:
            return parse(value)
        except ValueError as error:
            raise PydanticCustomError(code, "{why}", {"why": str(error)}) from None

    return convert


def _at_least_a_second(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        raise PydanticCustomError("duration-invalid", "the shortest duration is 1s")
    return value


def _zero_is_off(value: Any) -> Any:
    if value == 0 and isinstance(value, int) and not isinstance(value, bool):
        return timedelta(0)
    return value


_parse_duration = BeforeValidator(_text_to(parse_duration, timedelta, "duration-invalid", "15m"))
_show_duration = PlainSerializer(format_duration, return_type=str, when_used="json")

Duration = Annotated[
    timedelta,
    AfterValidator(_at_least_a_second),
    _parse_duration,
    _show_duration,
    WithJsonSchema(
        {"type": "string", "pattern": _DURATION_SCHEMA, "examples": ["90s", "15m", "1h30m"]}
    ),
]
"""1s to 3650d, written `1h30m`."""

DurationOrOff = Annotated[
    timedelta,
    _parse_duration,
    BeforeValidator(_zero_is_off),
    _show_duration,
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": _DURATION_SCHEMA}, {"const": 0}],
            "examples": [0, "10m"],
        }
    ),
]
"""As `Duration`, and `0` for off."""

Size = Annotated[
    int,
    BeforeValidator(_text_to(parse_size, None, "size-invalid", "64KiB")),
    PlainSerializer(format_size, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^[0-9]+(B|KiB|MiB|GiB)$",
            "examples": ["64KiB", "1MiB"],
        }
    ),
]
"""Bytes, written `64KiB` or `1MiB`."""


def parse_instant(text: str) -> datetime:
    """An RFC 3339 instant with an offset, in UTC; ValueError says what is missing."""
    if _INSTANT.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper().replace(" ", "T")).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError(
        f"{_quoted(text)} is not an instant; write it with an offset, 2026-12-31T00:00:00Z"
    )


def format_instant(value: datetime) -> str:
    """RFC 3339 in UTC with `Z`; fractions only where there are some."""
    text = value.astimezone(UTC).replace(tzinfo=None)
    return text.isoformat(timespec="microseconds" if text.microsecond else "seconds") + "Z"


Instant = Annotated[
    datetime,
    BeforeValidator(_text_to(parse_instant, datetime, "instant-invalid", "2026-12-31T00:00:00Z")),
    PlainSerializer(format_instant, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-12-31T00:00:00Z"]}),
]
"""One moment: RFC 3339 with an offset."""


def one_text_of(*names: str) -> list[JsonValue]:
    """Exactly one of these fields is a text, as the `oneOf` of a JSON Schema."""
    return [{"required": [name], "properties": {name: {"type": "string"}}} for name in names]


class SecretRef(Model):
    """Where a secret is found: never the secret itself.

    Exactly one of `env` and `file`; which names a workspace may use is checked beside the
    manifest's workspace (docs/manifest.md#secrets).
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": one_text_of("env", "file")})

    env: str | None = Field(
        default=None, max_length=200, examples=["AUTOPILOT_SECRET_PLATFORM__CI"]
    )
    """An environment variable of the server: `AUTOPILOT_SECRET_<WORKSPACE>__<NAME>`."""
    file: str | None = Field(default=None, max_length=200, examples=["ci-old"])
    """A file below the server's `secrets_dir`, in the folder of the manifest's workspace."""
    not_before: Instant | None = None
    """Not used before this moment (rotation)."""
    not_after: Instant | None = None
    """Not used after this moment (rotation)."""

    @model_validator(mode="after")
    def _one_place(self) -> "SecretRef":
        if (self.env is None) == (self.file is None):
            raise PydanticCustomError(
                "secret-reference", "a secret reference has exactly one of 'env' and 'file'"
            )
        return self
