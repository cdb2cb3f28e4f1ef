"""`reconciler schema`: print the JSON Schema that editors check manifests with."""

from typing import Annotated

import typer

from reconciler.cli.console import out_document
from reconciler.core.base.errors import UsageError
from reconciler.core.base.near import did_you_mean, listed
from reconciler.manifest import schema as schemas


def schema(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="autopilot, agent, squad; any manifest by default."),
    ] = "manifest",
) -> None:
    """Print the JSON Schema (draft 2020-12) of a kind, or of any manifest.

    Editors use it through a first line such as
    [bold]# yaml-language-server: $schema=../schemas/manifest.schema.json[/bold]
    """
    known = schemas.names()
    if kind.lower() not in known:
        hint = did_you_mean(kind.lower(), known) or f"; there are {listed(known)}"
        raise UsageError(f"there is no schema {kind!r}{hint}")
    out_document(schemas.text(kind))
