"""A group of commands that are imported only when they are called, not when they are listed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command is (`module:function`), what the list says of it, and under which heading."""

    target: str
    summary: str
    panel: str

    def load(self, name: str) -> Any:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        command_or_group: typer.Typer | Callable[..., Any] = getattr(
            import_module(module), attribute
        )
        if isinstance(command_or_group, typer.Typer):
            command = typer.main.get_command(command_or_group)
        else:
            single = typer.Typer(add_completion=False, rich_markup_mode="rich")
            single.command(name)(command_or_group)
            command = typer.main.get_command(single)
        command.name = name
        _unwrap(command)
        return command

    def listed(self, name: str) -> TyperCommand:
        """What a list of commands needs of it, without importing anything."""
        return TyperCommand(name, help=self.summary, rich_help_panel=self.panel)


def _unwrap(command: Any) -> None:
    """Let the terminal wrap the help: line breaks of a docstring are the source's, not its."""
    command.help = paragraphs(command.help or "")
    for nested in getattr(command, "commands", {}).values():
        _unwrap(nested)


def paragraphs(text: str) -> str:
    """The text with each paragraph on one line; blank lines stay between them."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


class LazyGroup(TyperGroup):
    """Looks commands up in `table`; set by the subclass that names them."""

    table: Mapping[str, Lazy] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or while help is written its entry in the list."""
        lazy = self.table.get(cmd_name)
        if lazy is None:
            return None
        return lazy.listed(cmd_name) if ctx.meta.get(_LISTING) else lazy.load(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help without importing the commands."""
        ctx.meta[_LISTING] = True
        self.help = paragraphs(self.help or "")
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete a command's name without importing the commands."""
        ctx.meta[_LISTING] = True
        return super().shell_complete(ctx, incomplete)


_LISTING = "reconciler.listing"
