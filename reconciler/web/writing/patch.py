"""The edit of a manifest as a unified diff that `git apply` takes."""

import difflib
import re
from collections.abc import Iterator

from reconciler.control.apply.source_files import SourceFiles
from reconciler.core.access.roles import Caller
from reconciler.core.manifest.checks.raw import workspace_of
from reconciler.manifest.edit.edit import CannotEdit
from reconciler.manifest.edit.file_edit import FileEdit, edit_file
from reconciler.manifest.files import Bundle
from reconciler.manifest.load.parse import parse
from reconciler.web.writing.edits import Edit

_PLAIN = re.compile(r"[\w./ @+,=~-]+")
_NOWHERE = "/dev/null"


def suggested_patch(edit: Edit, files: SourceFiles | None, caller: Caller) -> str | None:
    """The diff of an edit; None where the file cannot be read from here, or says something else.

    A creation is a new file `<workspace>/<name>.yaml`, or stands at the end of the one that is
    there already. None also for a file with objects of workspaces that the caller does not see:
    the lines around a change may be theirs.
    """
    stored = edit.before.stored if edit.before else None
    if files is None and stored is not None and not stored.archived:
        return None
    try:
        file = edit_file(stored, edit.after, files or _NOWHERE_HERE, edit.named, edit.made)
    except CannotEdit:
        return None
    if not caller.sees_all(_workspaces_in(file)):
        return None
    prefix = files.prefix if files else ""
    diffs = [unified_diff(f"{prefix}{path}", None, text) for path, text in file.made.items()]
    if file.before != file.after:
        diffs.append(unified_diff(f"{prefix}{file.path}", file.before, file.after))
    known = [diff for diff in diffs if diff is not None]
    return "".join(known) if len(known) == len(diffs) else None


_NOWHERE_HERE = SourceFiles(Bundle({}))
"""A source whose files are not here."""


def _workspaces_in(file: FileEdit) -> Iterator[str]:
    """The workspaces of the objects that a file holds before its edit."""
    for document in parse(file.before or b"", file.path).documents:
        if isinstance(document.value, dict) and "metadata" in document.value:
            yield workspace_of(document.value)


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
