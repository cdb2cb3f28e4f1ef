"""Which program a manifest gets, with which variables, in which folder: the operator's choice.

The same rules are asked when a manifest is loaded; what holds is what is asked here, at dispatch,
of the file system as it is then.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from reconciler.core.manifest.reach import Grant, folder_refusal, variables_refusal
from reconciler.dispatch.reach import links_refusal


def program_path(name: str, programs: Mapping[str, Path]) -> Path:
    """Return the path of a bound program. Raises OSError or ValueError with a sentence."""
    if name not in programs:
        near = get_close_matches(name, programs, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"no program is bound to {name!r}; start the server with "
            f"--allow-command {name}=PATH, or name one that is bound{hint}"
        )
    path = programs[name].absolute()
    if not path.exists():
        raise FileNotFoundError(f"{path}, bound to {name!r}, does not exist")
    if not path.is_file() or not os.access(path, os.X_OK):
        raise PermissionError(f"{path}, bound to {name!r}, is not an executable file")
    return path


def refused_variables(name: str, variables: Iterable[str], grant: Grant) -> None:
    """Raise PermissionError where a manifest sets variables that the operator did not name."""
    if (refusal := variables_refusal(variables, grant, f"commands.{name}")) is not None:
        raise PermissionError(f"spec.runtime.env: {refusal}")


def open_directory(name: str, path: str, grant: Grant, field: str) -> int:
    """Open a folder that a manifest names for a program in `spec.runtime.FIELD`.

    The descriptor is what is checked and what the program starts in: a link that is changed
    meanwhile changes neither. Raises OSError or PermissionError.
    """
    where = f"commands.{name}"
    if (refusal := folder_refusal(path, grant, where)) is not None:
        raise PermissionError(f"spec.runtime.{field}: {refusal}")
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    real = _path_of(directory, path)
    if (refusal := links_refusal(real, grant, where)) is not None:
        os.close(directory)
        raise PermissionError(f"spec.runtime.{field}: {refusal}")
    return directory


def _path_of(directory: int, path: str) -> str:
    if sys.platform == "linux":
        return str(Path(f"/proc/self/fd/{directory}").readlink())
    return os.path.realpath(path)
