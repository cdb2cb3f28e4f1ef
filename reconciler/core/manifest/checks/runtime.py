"""What agents and prechecks may reach: URLs, programs, variables, folders, permissions."""

from collections.abc import Iterator

from reconciler.core.base.codes import Code
from reconciler.core.base.masking import mask
from reconciler.core.base.near import did_you_mean, shown
from reconciler.core.manifest.checks.finding import At, Finding, Loc
from reconciler.core.manifest.checks.http_api import addresses, filled_in, http_api_findings
from reconciler.core.manifest.checks.policy import Policy
from reconciler.core.manifest.checks.raw import Raw, mapping, text
from reconciler.core.manifest.headers import can_be_sent, is_reserved
from reconciler.core.manifest.reach import (
    Grant,
    admits,
    folder_refusal,
    parse_url,
    variables_refusal,
)

_RUNTIME: Loc = ("spec", "runtime")


def runtime_findings(document: Raw, policy: Policy) -> Iterator[Finding]:
    """Everything in an agent's runtime that the operator does not admit."""
    runtime = mapping(mapping(document.get("spec")).get("runtime"))
    match runtime.get("type"):
        case "aegis":
            yield from _urls(runtime, policy)
            yield from _permission_mode(runtime, policy)
            if policy.aegis is not None:
                yield from _choices(runtime, policy.aegis, "aegis", "workDir")
        case "a2a":
            yield from _urls(runtime, policy)
            yield from _headers(_RUNTIME, runtime)
        case "http":
            yield from _urls(runtime, policy)
            yield from _headers(_RUNTIME, runtime)
            yield from _headers((*_RUNTIME, "request"), mapping(runtime.get("request")))
            yield from http_api_findings(runtime)
        case "command":
            yield from _program(_RUNTIME, runtime, policy, "cwd")
        case "cli":
            yield from _permission_mode(runtime, policy)
            yield from _program(_RUNTIME, runtime, policy, "workDir", "home")


def precheck_findings(document: Raw, policy: Policy) -> Iterator[Finding]:
    """Everything in an autopilot's precheck that the operator does not admit."""
    precheck = mapping(mapping(document.get("spec")).get("precheck"))
    yield from _program(("spec", "precheck"), precheck, policy)


def _urls(runtime: Raw, policy: Policy) -> Iterator[Finding]:
    for field, written in addresses(runtime):
        # As it will be called: a value within it is percent-encoded and changes no other part.
        if written.startswith(_SCHEMES) and (called := filled_in(written)) is not None:
            yield from _url((*_RUNTIME, *field), written, called, policy)


def _url(loc: Loc, written: str, called: str, policy: Policy) -> Iterator[Finding]:
    url = parse_url(called)
    if url is None:
        # Not repeated: nobody can say which part of it is a password.
        message = "this is not a URL of the form https://host:port/path"
        yield Finding(loc, message, Code.URL_INVALID)
    elif url.user is not None:
        # Not repeated: what stands before the @ may be a password.
        message = "a URL in a manifest holds no user and password; remove what stands before '@'"
        yield Finding(loc, message, Code.SECRET_LITERAL)
    elif not admits(policy.allowed_runtime_urls, called, policy.own_port):
        allowed = ", ".join(policy.allowed_runtime_urls) or "none"
        target = shown(mask(written))
        message = f"{target} is not admitted by the operator's allowed_runtime_urls ({allowed})"
        yield Finding(loc, message, Code.URL_NOT_ALLOWED)


# Anything else is reported as no URL by the model.
_SCHEMES = ("http://", "https://")


def _headers(holder: Loc, written: Raw) -> Iterator[Finding]:
    """The headers: none that the server sets, none twice in another case, values that can be sent.

    Values are not repeated: they may be secrets.
    """
    first: dict[str, str] = {}
    for name, value in mapping(written.get("headers")).items():
        loc = (*holder, "headers", name)
        before = first.setdefault(name.lower(), name)
        if is_reserved(name):
            message = f"the server sets {shown(name)} itself; remove it"
            yield Finding(loc, message, Code.HEADER_INVALID, At.KEY)
        elif before != name:
            message = f"{shown(name)} and {shown(before)} are one header; keep one of the two"
            yield Finding(loc, message, Code.HEADER_INVALID, At.KEY)
        elif (sent := text(value)) is not None and not can_be_sent(sent):
            message = (
                "the value cannot be sent as a header; use visible ASCII characters, "
                "on one line, without blanks at its ends"
            )
            yield Finding(loc, message, Code.HEADER_INVALID)


def _permission_mode(runtime: Raw, policy: Policy) -> Iterator[Finding]:
    mode = text(runtime.get("permissionMode"))
    allowed = sorted(policy.allowed_permission_modes)
    if mode is not None and mode not in allowed:
        hint = did_you_mean(mode, allowed) or f" ({', '.join(allowed)})"
        message = f"{shown(mode)} is not one of the operator's allowed_permission_modes{hint}"
        yield Finding((*_RUNTIME, "permissionMode"), message, Code.PERMISSION_MODE_NOT_ALLOWED)


def _program(loc: Loc, runtime: Raw, policy: Policy, *folders: str) -> Iterator[Finding]:
    program, allowed = text(runtime.get("program")), policy.allowed_commands
    if program is None or allowed is None:
        return
    if program in allowed:
        grant = policy.grants.get(program, Grant())
        yield from _choices(runtime, grant, f"commands.{program}", *folders)
        return
    hint = did_you_mean(program, allowed)
    message = (
        f"no program is bound to {shown(program)}{hint or '; '}"
        f"{' ' if hint else ''}the operator binds one by --allow-command {program}=PATH"
    )
    yield Finding((*loc, "program"), message, Code.COMMAND_NOT_ALLOWED)


def _choices(runtime: Raw, grant: Grant, setting: str, *folders: str) -> Iterator[Finding]:
    """The variables and the folders that a manifest chooses. Links are resolved at dispatch."""
    for name in mapping(runtime.get("env")):
        if isinstance(name, str) and (refusal := variables_refusal((name,), grant, setting)):
            loc: Loc = (*_RUNTIME, "env", name)
            yield Finding(loc, refusal, Code.VARIABLE_NOT_ALLOWED, At.KEY)
    for field in folders:
        folder = text(runtime.get(field))
        if folder is not None and (refusal := folder_refusal(folder, grant, setting)):
            yield Finding((*_RUNTIME, field), refusal, Code.FOLDER_NOT_ALLOWED)
