"""Carries out the `run` steps of an action or a job as a runner of GitHub does, with bash.

Steps with `uses` are skipped. Expressions are the few forms that our own files use.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_NAME = re.compile(r"'[^']*'|[A-Za-z_][A-Za-z0-9_.-]*(?:\(\))?")


@dataclass
class Runner:
    """A job in a folder. `contexts` are github, inputs, vars and secrets; `env` is the job's."""

    folder: Path
    temp: Path
    contexts: dict[str, Any]
    env: Mapping[str, str] = field(default_factory=dict)
    output: str = ""
    summary: str = ""
    ran: list[str] = field(default_factory=list)

    def run(self, steps: list[dict[str, Any]]) -> int:
        """Carry out the steps; the exit code of the first one that fails, after which only those
        run that ask for it."""
        self.temp.mkdir(parents=True, exist_ok=True)
        self.contexts["steps"] = {}
        code = 0
        for step in steps:
            condition = step.get("if", "success()")
            asks = "failure()" in condition
            if "run" not in step or (code and not asks) or not self.value(condition):
                continue
            done = self._bash(step)
            code = code or done
        return code

    def value(self, expression: str) -> Any:
        """The value of an expression."""
        return eval(_python(expression), {}, {"look_up": self._look_up})  # noqa: S307

    def text(self, text: Any) -> str:
        """A text with its expressions filled in."""
        return _EXPRESSION.sub(lambda match: str(self.value(match[1]) or ""), str(text))

    def _look_up(self, name: str) -> Any:
        value: Any = self.contexts
        for part in name.split("."):
            value = value.get(part, "") if isinstance(value, dict) else ""
        return value

    def _bash(self, step: dict[str, Any]) -> int:
        self.ran.append(step["name"])
        assert "${{" not in step["run"], "what an event holds is not pasted into a shell"
        outputs, summary = self.temp / "outputs", self.temp / "summary"
        outputs.write_text("")
        summary.touch()
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.temp),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_STEP_SUMMARY": str(summary),
            **self.env,
            **{name: self.text(value) for name, value in step.get("env", {}).items()},
        }
        script = self.temp / "step.sh"
        script.write_text(step["run"])
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        self.output += done.stdout
        self.summary = summary.read_text()
        lines = (line.partition("=") for line in outputs.read_text().splitlines())
        values = {name: value for name, _, value in lines}
        self.contexts["steps"][step.get("id", step["name"])] = {"outputs": values}
        return done.returncode


def _python(expression: str) -> str:
    def name(match: re.Match[str]) -> str:
        text = match[0]
        if text.startswith("'"):
            return text
        return "True" if text.endswith("()") else f"look_up({text!r})"

    return _NAME.sub(name, expression).replace("&&", " and ").replace("||", " or ").strip()
