"""`reconciler adopt`: give an object that no source owns to this source."""

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.backend.open import state_of
from reconciler.cli.console import note_done, out, out_json
from reconciler.cli.options import ListFormat
from reconciler.cli.session import key_of
from reconciler.core.base.errors import UsageError
from reconciler.core.base.near import did_you_mean, listed
from reconciler.core.manifest.model import Kind
from reconciler.settings import Settings

_KINDS = {kind.value.lower(): kind for kind in Kind}


def adopt(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="autopilot, agent or squad")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="name or workspace/name")],
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    source: options.Source = None,
    config: options.Config = None,
) -> None:
    """Take over an object that no source owns, as a plan's [bold]not-adopted[/bold] asks for.

    Its content stays as it is: the next plan compares it with the manifest. An object of another
    source is refused.
    """
    settings = Settings.load_for_state(
        config, server=server, database=database, token_file=token_file, source=source
    )
    key = key_of(_kind(kind), name)
    with state_of(settings) as state:
        adopted = state.adopt(key)
    note_done(f"{key} was adopted")
    if output is ListFormat.JSON:
        out_json(adopted)
    else:
        out(f"{key} belongs to source {settings.source!r}")


def _kind(word: str) -> Kind:
    if word.lower() not in _KINDS:
        hint = did_you_mean(word, _KINDS) or f"; there are {listed(_KINDS)}"
        raise UsageError(f"there is no kind {word!r}{hint}")
    return _KINDS[word.lower()]
