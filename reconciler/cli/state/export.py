"""`reconciler export`: manifests of what is in the database, whoever wrote it there."""

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from reconciler.cli import options
from reconciler.cli.backend.open import state_of
from reconciler.cli.console import out_document, say
from reconciler.cli.new_files import write_files
from reconciler.core.base.errors import Conflict
from reconciler.core.base.identity import Key
from reconciler.core.manifest.model import MODELS, Kind
from reconciler.core.manifest.state import Document
from reconciler.manifest.edit.export import to_yaml
from reconciler.settings import Settings


class ManifestFormat(StrEnum):
    """How manifests are written."""

    YAML = "yaml"
    JSON = "json"


def export(
    folder: Annotated[
        Path | None,
        typer.Option(
            "-d", "--directory", metavar="DIR", file_okay=False, help="Write files instead."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="The objects of every source, and of none.")
    ] = False,
    output: Annotated[
        ManifestFormat, typer.Option("--output", "-o", help="How to write it.")
    ] = ManifestFormat.YAML,
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    source: options.Source = None,
    config: options.Config = None,
) -> None:
    """Write the manifests of what this source has in the database, as it is there now.

    To stdout, as a stream of YAML documents or a list of JSON; or with [bold]-d DIR[/bold] to one
    file per object, [bold]DIR/WORKSPACE/NAME.yaml[/bold], so that a plan of DIR is empty. Defaults
    are left out. References to secrets are names and are kept.
    """
    settings = Settings.load_for_state(
        config, server=server, database=database, token_file=token_file, source=source
    )
    with state_of(settings) as state:
        documents = state.export(None if everything else settings.source)
    _require_valid(documents)
    if folder is None:
        out_document(_stream(documents, output))
        return
    written = write_files(folder, _files(documents, output), force=force, confirm="--force")
    count = f"{len(written)} of {len(documents)} files"
    say(f"wrote {count} below {folder}; the others were right already")


def _require_valid(documents: Iterable[Document]) -> None:
    """What somebody wrote into a column by hand need not be what a manifest may say."""
    wrong = [str(_key(document)) for document in documents if not _is_valid(document)]
    if wrong:
        raise Conflict(
            f"no manifest can say what the database holds of: {', '.join(wrong)}; "
            "`reconciler drift` shows what was changed, and apply puts it back",
            reason="not-exportable",
        )


def _is_valid(document: Document) -> bool:
    try:
        MODELS[document["kind"]].model_validate(document)
    except ValidationError:
        return False
    return True


def _stream(documents: Iterable[Document], form: ManifestFormat) -> str:
    if form is ManifestFormat.JSON:
        return _json(list(documents))
    return "---\n".join(map(to_yaml, documents))


def _files(documents: Iterable[Document], form: ManifestFormat) -> dict[str, str]:
    """Texts by path. Two objects of one name differ in kind: the second says so in its name."""
    write = _json if form is ManifestFormat.JSON else to_yaml
    files: dict[str, str] = {}
    for document in sorted(documents, key=_autopilots_first):
        path = next(path for path in _paths(_key(document), form.value) if path not in files)
        files[path] = write(document)
    return files


def _paths(key: Key, suffix: str) -> Iterator[str]:
    yield f"{key.workspace}/{key.name}.{suffix}"
    yield f"{key.workspace}/{key.name}.{key.kind.lower()}.{suffix}"


def _autopilots_first(document: Document) -> bool:
    return bool(document["kind"] != Kind.AUTOPILOT)


def _key(document: Document) -> Key:
    metadata = document["metadata"]
    return Key(document["kind"], metadata["workspace"], metadata["name"])


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
