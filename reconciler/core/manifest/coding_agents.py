"""What the manifests of `cli` runtimes may ask of each coding agent (docs/runtimes.md#cli).

The lists are closed: a command line has options that lift every limit of the others, and new ones
come with its versions. What is not here an operator gives it in a program of his own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

PLAN = "plan"


class CodingAgent(StrEnum):
    """The command lines that are known."""

    CLAUDE = "claude"
    CODEX = "codex"
    GEMINI = "gemini"
    COPILOT = "copilot"
    OPENCODE = "opencode"


@dataclass(frozen=True, slots=True)
class Options:
    """`modes` are the values of `permissionMode`, each with the options that it stands for.

    `fields` are what else the agent takes, `extra` what `args` may hold: an option, and whether a
    value follows it.
    """

    agent: CodingAgent
    modes: Mapping[str, tuple[str, ...]]
    fields: frozenset[str] = frozenset()
    extra: Mapping[str, bool] = field(default_factory=dict)


def _same(option: str, *modes: str) -> dict[str, tuple[str, ...]]:
    return {mode: (option, mode) for mode in modes}


OPTIONS: Mapping[CodingAgent, Options] = {
    options.agent: options
    for options in (
        Options(
            CodingAgent.CLAUDE,
            _same(
                "--permission-mode",
                *("default", PLAN, "acceptEdits", "dontAsk", "auto", "bypassPermissions"),
            ),
            frozenset({"allowedTools", "maxTurns"}),
            {
                "--append-system-prompt": True,
                "--bare": False,
                "--disallowedTools": True,
                "--effort": True,
                "--fallback-model": True,
                "--json-schema": True,
                "--max-budget-usd": True,
                "--safe-mode": False,
                "--tools": True,
            },
        ),
        Options(
            CodingAgent.CODEX,
            _same("--sandbox", "read-only", "workspace-write", "danger-full-access"),
            extra={"--ignore-user-config": False, "--output-schema": True},
        ),
        Options(
            CodingAgent.GEMINI,
            _same("--approval-mode", "default", "auto_edit", "yolo"),
            frozenset({"allowedTools"}),
        ),
        Options(
            CodingAgent.COPILOT,
            {"allow-all-tools": ("--allow-all-tools",)},
            frozenset({"allowedTools"}),
            {"--deny-tool": True, "--max-ai-credits": True, "--secret-env-vars": True},
        ),
        Options(CodingAgent.OPENCODE, {"approve-all": ("--auto",)}),
    )
}


def refusals(
    options: Options, fields: Sequence[str], mode: str | None, args: Sequence[str]
) -> Iterator[str]:
    """Everything that the agent does not take, in sentences that say what it takes instead."""
    agent = options.agent.value
    for name in fields:
        if name != "permissionMode" and name not in options.fields:
            yield f"{agent} takes no {name}; remove it"
    if mode is not None and mode not in options.modes:
        yield f"{agent} has no permissionMode {mode!r}; it has {', '.join(options.modes)}"
    if "allowedTools" in fields and mode in (None, PLAN):
        yield (
            "allowedTools adds to a permissionMode that the operator admits; "
            f"name one, and not {PLAN}"
        )
    yield from _argument_refusals(options, args)


def _argument_refusals(options: Options, args: Sequence[str]) -> Iterator[str]:
    value_follows, option = False, ""
    for argument in args:
        if value_follows and argument.startswith("-"):
            break
        if value_follows:
            value_follows = False
            continue
        option, equals, _ = argument.partition("=")
        takes_value = options.extra.get(option)
        if takes_value is None or (equals and not takes_value):
            allowed = ", ".join(options.extra) or "none"
            yield f"args: {options.agent.value} is not given {argument!r}; options are {allowed}"
            return
        value_follows = takes_value and not equals
    if value_follows:
        yield f"args: {option} has no value"
