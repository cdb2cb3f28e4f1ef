"""`reconciler doctor`: what is wrong with this host and its database, and how to fix it."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from reconciler.cli import options
from reconciler.cli.console import out, out_json
from reconciler.cli.options import ListFormat
from reconciler.cli.progress import progress
from reconciler.control.doctor.check import Check, Verdict, error
from reconciler.control.doctor.examine import examine
from reconciler.core.base.errors import UsageError
from reconciler.core.base.safe_text import escaped
from reconciler.settings import Settings


def doctor(
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    allow_command: options.AllowCommand = None,
    config: options.Config = None,
) -> int:
    """Examine settings, database, clock, secrets, webhooks and agents; exit 1 if one is wrong.

    Nothing is changed. Run it as the server's user, with its settings and its environment: secrets
    and programs are looked for where this process would find them.
    """
    with progress("examining"):
        checks = _examined(config, database, allow_command)
    wrong = any(check.verdict is Verdict.ERROR for check in checks)
    if output is ListFormat.JSON:
        out_json({"ok": not wrong, "checks": [asdict(check) for check in checks]})
    else:
        out(_text(checks))
    return int(wrong)


def _examined(
    config: Path | None, database: str | None, allow_command: list[str] | None
) -> list[Check]:
    try:
        settings = Settings.load(config, database=database, allow_command=allow_command)
    except UsageError as failure:
        fix = "correct them; docs/operating.md lists every setting"
        return [error("settings", line, fix) for line in str(failure).split("\n")]
    return examine(settings)


def _text(checks: Sequence[Check]) -> str:
    lines = []
    for check in checks:
        lines.append(f"{check.verdict.value:<7}  {check.subject:<8}  {escaped(check.message)}")
        if check.fix is not None:
            lines.append(f"{'':<19}-> {escaped(check.fix)}")
    counts = {verdict: sum(c.verdict is verdict for c in checks) for verdict in Verdict}
    errors, warnings = counts[Verdict.ERROR], counts[Verdict.WARNING]
    lines.append(
        f"{errors} {'error' if errors == 1 else 'errors'}, "
        f"{warnings} {'warning' if warnings == 1 else 'warnings'}"
    )
    return "\n".join(lines)
