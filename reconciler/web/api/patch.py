"""The edit of a manifest as a unified diff that `git apply` takes."""

import difflib
import re
from collections.abc import Iterator

from reconciler.control.apply.source_files import SourceFiles
from reconciler.core.manifest.state import Declared, Stored
from reconciler.manifest.edit.edit import CannotEdit, append, apply_edit, remove
from reconciler.manifest.edit.export import to_yaml
from reconciler.web.api.edits import Edit

_PLAIN = re.compile(r"[\w./ @+,=~-]+")
_NOWHERE = "/dev/null"


def suggested_patch(edit: Edit, files: SourceFiles | None) -> str | None:
    """The diff of an edit; None where the file cannot be read from here, or says something else.

    A creation is a new file `<workspace>/<name>.yaml`, or stands at the end of the one that is
    there already.
    """
    stored = edit.before.stored if edit.before else None
    try:
        if stored is None or stored.archived:
            return _creation(edit.after, files) if edit.after else None
        return _change(stored, edit.after, files) if files else None
    except CannotEdit:
        return None


def _creation(after: Declared, files: SourceFiles | None) -> str | None:
    path = f"{after.key.workspace}/{after.key.name}.yaml"
    data = files.read(path) if files else None
    added = append(data, after.document) if data else to_yaml(after.document).encode()
    return unified_diff(f"{files.prefix if files else ''}{path}", data, added)


def _change(stored: Stored, wanted: Declared | None, files: SourceFiles) -> str | None:
    data = files.read(stored.origin.path) if stored.origin else None
    if data is None or stored.origin is None:
        return None
    if wanted is None:
        after = remove(data, stored.key)
    else:
        after = apply_edit(data, stored.applied or stored.document, wanted.document)
    return unified_diff(f"{files.prefix}{stored.origin.path}", data, after)


def unified_diff(path: str, before: bytes | None, after: bytes | None) -> str | None:
    """A diff of one file, None standing for "not there"; None for what git would have to quote."""
    if not _PLAIN.fullmatch(path):
        return None
    head = [f"diff --git a/{path} b/{path}\n"]
    if before is None:
        head.append("new file mode 100644\n")
    elif after is None:
        head.append("deleted file mode 100644\n")
    # Names with a blank end with a tab, so that what follows them is no part of them.
    end = "\t" if " " in path else ""
    old = _NOWHERE if before is None else f"a/{path}{end}"
    new = _NOWHERE if after is None else f"b/{path}{end}"
    hunks = difflib.unified_diff(_lines(before), _lines(after), old, new, lineterm="\n")
    return "".join([*head, *_marked(hunks)])


def _lines(data: bytes | None) -> list[str]:
    """Lines as git counts them: only a line feed ends one."""
    text = (data or b"").decode("utf-8", "replace")
    parts = text.split("\n")
    last = [parts[-1]] if parts[-1] else []
    return [f"{part}\n" for part in parts[:-1]] + last


def _marked(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
