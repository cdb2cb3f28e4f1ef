"""A file that a manifest names instead of holding its text (docs/manifest.md#files-of-texts)."""

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from reconciler.core.manifest.fields import Model

_LONGEST = 500
_PATTERN = r"^[^./\\][^/\\]*(/[^./\\][^/\\]*)*$"


def _file_path(value: str) -> str:
    if (why := _refusal(value)) is None:
        return value
    raise PydanticCustomError("file-reference", "{why}", {"why": why})


def _refusal(path: str) -> str | None:
    """Why a path names no file of the source; a name alone must not reach anything else."""
    parts = path.split("/")
    if not path or len(path) > _LONGEST:
        return f"expected a path of 1 to {_LONGEST} characters, such as prompts/triage.md"
    if path.startswith("/"):
        return "the path is absolute; write it as seen from the manifest, such as prompts/triage.md"
    if ".." in parts:
        return "'..' leads out of the manifest's folder; put the file beside or below the manifest"
    if "\\" in path or any(ord(character) < 0x20 or character == "\x7f" for character in path):
        return "the path holds a backslash or a control character; separate folders with '/'"
    if any(part.startswith(".") or not part for part in parts):
        return "a part of the path is empty or starts with '.'; such files are passed over"
    return None


FilePath = Annotated[
    str,
    AfterValidator(_file_path),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _LONGEST, "pattern": _PATTERN}),
]
"""Where a file of the source stands, as seen from the folder of the manifest."""


class FileRef(Model):
    """A file of the source, beside the manifest or below its folder."""

    file: FilePath = Field(examples=["prompts/triage.md"])
    """Its path as seen from the manifest's folder."""
