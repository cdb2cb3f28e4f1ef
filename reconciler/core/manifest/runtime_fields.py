"""The scalar fields of runtimes: addresses, folders, names of variables and headers, values."""

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from reconciler.core.manifest.fields import SecretRef

ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"


def _text_or_secret(value: object) -> str:
    return "secret" if isinstance(value, (dict, SecretRef)) else "text"


Value = Annotated[
    Annotated[str, Tag("text")] | Annotated[SecretRef, Tag("secret")],
    Discriminator(_text_or_secret),
]
"""A text, or a reference to a secret."""

EnvName = Annotated[str, Field(pattern=ENV_NAME, max_length=200)]
HeaderName = Annotated[str, Field(pattern=HEADER_NAME, max_length=200)]
Url = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^https?://[^\s]+$")]
Folder = Annotated[str, Field(min_length=1, max_length=4096)]
