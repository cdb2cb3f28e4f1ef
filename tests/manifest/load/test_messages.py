"""Messages read aloud: what was found, what is allowed, how to write it, and at which place."""

# ruff: noqa: E501 - a message is one line

import pytest

from tests.support.builders import problems_of

AUTOPILOT = """\
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: a}
spec:
  title: T
  assignee: {type: agent, id: b}
"""
TRIGGER = (
    AUTOPILOT
    + """\
  triggers:
    - name: t
"""
)
AGENT = """\
apiVersion: autopilots/v1
kind: Agent
metadata: {name: b}
"""


def titled(title: str) -> str:
    return AUTOPILOT.replace("title: T", f"title: {title}")


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        pytest.param(
            TRIGGER + "      kind: schedule\n      cron: */5 * * * *\n",
            [
                "10:13: this is no YAML: a text that starts with '*' must stand in quotes, such as \"*/5 * * * *\" [yaml-syntax]",
            ],
            id="a cron expression without quotes",
        ),
        pytest.param(
            titled('""'),
            ["5:10: spec.title: must not be empty [value-length]"],
            id="an empty title",
        ),
        pytest.param(
            titled("& co"),
            [
                "5:10: this is no YAML: a text that starts with '&' must stand in quotes, such as \"& co\" [yaml-syntax]",
            ],
            id="an ampersand",
        ),
        pytest.param(
            titled("&co"),
            [
                "5:10: spec.title: the anchor &co is not allowed; write the value where it is used, or put the text in quotes [yaml-anchor]",
            ],
            id="an anchor by accident",
        ),
        pytest.param(
            titled("| foo"),
            [
                "5:10: this is no YAML: a text that starts with '|' must stand in quotes, such as \"| foo\" [yaml-syntax]",
            ],
            id="a bar",
        ),
        pytest.param(
            titled("> foo"),
            [
                "5:10: this is no YAML: a text that starts with '>' must stand in quotes, such as \"> foo\" [yaml-syntax]",
            ],
            id="an angle",
        ),
        pytest.param(
            titled("? x"),
            [
                "5:10: this is no YAML: a text that starts with '?' must stand in quotes, such as \"? x\" [yaml-syntax]",
            ],
            id="a question mark",
        ),
        pytest.param(
            titled("!x"),
            [
                "5:10: spec.title: the tag !x is not allowed; remove it, or put the text in quotes [yaml-tag]",
            ],
            id="an exclamation mark",
        ),
        pytest.param(
            AUTOPILOT + "  issueTitleTemplate: {{ date }}\n",
            [
                "7:23: spec.issueTitleTemplate: '{{' is two mappings; put the text in quotes, such as \"{{ date }}\" [yaml-key]",
            ],
            id="placeholders without quotes",
        ),
        pytest.param(
            AUTOPILOT + "  issueTitleTemplate: {{ date }} triage\n",
            [
                "7:23: spec.issueTitleTemplate: '{{' is two mappings; put the text in quotes, such as \"{{ date }}\" [yaml-key]",
            ],
            id="a title without quotes",
        ),
        pytest.param(
            AUTOPILOT.replace("{type: agent, id: b}", "bot"),
            [
                "6:13: spec.assignee: expected a mapping, found the text 'bot'; write {type: agent, id: bot} [field-type]",
            ],
            id="a name as assignee",
        ),
        pytest.param(
            TRIGGER + "      kind: cron\n      cron: '@daily'\n",
            [
                "9:13: spec.triggers[0].kind: unknown value 'cron', did you mean 'schedule'? [value-unknown]",
            ],
            id="kind cron",
        ),
        pytest.param(
            TRIGGER + "      kind: webhook\n",
            [
                "8:7: spec.triggers[0].signature: 'signature' is missing, it is required; write signature: {scheme: github, secrets: [{env: AUTOPILOT_SECRET_<WORKSPACE>__<NAME>}]}, or {scheme: none} to take requests from anybody who knows the URL [field-missing]",
            ],
            id="a webhook without a signature",
        ),
        pytest.param(
            TRIGGER + "      kind: webhook\n      secret: {env: X}\n",
            [
                "8:7: spec.triggers[0].signature: 'signature' is missing, it is required; write signature: {scheme: github, secrets: [{env: AUTOPILOT_SECRET_<WORKSPACE>__<NAME>}]}, or {scheme: none} to take requests from anybody who knows the URL [field-missing]",
                "10:7: spec.triggers[0].secret: unknown field 'secret'; write signature: {scheme: github, secrets: [{env: AUTOPILOT_SECRET_<WORKSPACE>__<NAME>}]} [field-unknown]",
            ],
            id="a secret beside the signature",
        ),
        pytest.param(
            AUTOPILOT + "  triggers:\n    kind: schedule\n    cron: '@daily'\n",
            [
                "8:5: spec.triggers: expected a list, found a mapping; begin each trigger with '-': - {name: daily, kind: schedule, …} [field-type]",
            ],
            id="one trigger as a mapping",
        ),
        pytest.param(
            AUTOPILOT + "  triggers:\n    daily:\n      kind: schedule\n      cron: '@daily'\n",
            [
                "8:5: spec.triggers: expected a list, found a mapping; begin each trigger with '-': - {name: daily, kind: schedule, …} [field-type]",
            ],
            id="triggers by name",
        ),
        pytest.param(
            AUTOPILOT + "  cron: '@daily'\n",
            [
                "7:3: spec.cron: unknown field 'cron'; it belongs to a trigger: triggers: [{name: daily, kind: schedule, cron: \"0 9 * * *\"}] [field-unknown]",
            ],
            id="cron below spec",
        ),
        pytest.param(
            AUTOPILOT + "  schedule: '@daily'\n",
            [
                "7:3: spec.schedule: unknown field 'schedule'; it belongs to a trigger: triggers: [{name: daily, kind: schedule, cron: \"0 9 * * *\"}] [field-unknown]",
            ],
            id="schedule below spec",
        ),
        pytest.param(
            TRIGGER + "      kind: schedule\n      schedule: '@daily'\n",
            [
                "10:7: spec.triggers[0].schedule: unknown field 'schedule'; write cron: \"0 9 * * *\" [field-unknown]",
            ],
            id="schedule in a trigger",
        ),
        pytest.param(
            TRIGGER + "      kind: webhook\n      signature: none\n",
            [
                "10:18: spec.triggers[0].signature: expected a mapping, found the text 'none'; write {scheme: none} [field-type]",
            ],
            id="signature none",
        ),
        pytest.param(
            TRIGGER + "      kind: webhook\n      signature: github\n",
            [
                "10:18: spec.triggers[0].signature: expected a mapping, found the text 'github'; write {scheme: github, secrets: [{env: AUTOPILOT_SECRET_<WORKSPACE>__<NAME>}]} [field-type]",
            ],
            id="signature as a word",
        ),
        pytest.param(
            AUTOPILOT
            + "---\n\ufeffapiVersion: autopilots/v1\nkind: Agent\nmetadata: {name: b}\nspec: {runtime: {type: worker}}\n",
            [
                "8:1: a byte order mark (U+FEFF) inside the file, as joining files leaves it; remove it [file-character]",
            ],
            id="a byte order mark behind ---",
        ),
        pytest.param(
            AUTOPILOT
            + "\ufeff---\napiVersion: autopilots/v1\nkind: Agent\nmetadata: {name: b}\nspec: {runtime: {type: worker}}\n",
            [
                "7:1: a byte order mark (U+FEFF) inside the file, as joining files leaves it; remove it [file-character]",
            ],
            id="a byte order mark before ---",
        ),
        pytest.param(
            AUTOPILOT + "  concurrencyPolicy: Forbid\n",
            [
                "7:22: spec.concurrencyPolicy: unknown value 'Forbid', did you mean 'skip'? [value-unknown]",
            ],
            id="CronJob's Forbid",
        ),
        pytest.param(
            AUTOPILOT + "  concurrencyPolicy: Allow\n",
            [
                "7:22: spec.concurrencyPolicy: unknown value 'Allow'; for CronJob's Allow raise maxConcurrency, up to 100 [value-unknown]",
            ],
            id="CronJob's Allow",
        ),
        pytest.param(
            TRIGGER + "      kind: schedule\n      cron: '@daily'\n      timeZone: Europe/Rome\n",
            [
                "11:7: spec.triggers[0].timeZone: unknown field 'timeZone', did you mean 'timezone'? [field-unknown]",
            ],
            id="CronJob's timeZone",
        ),
        pytest.param(
            AUTOPILOT + "  when: lastRun == null\n",
            [
                "7:3: spec.when: unknown field 'when'; it belongs to a trigger: triggers: [{name: daily, kind: schedule, cron: \"@daily\", when: lastRun == null}] [field-unknown]",
            ],
            id="a condition beside the triggers",
        ),
        pytest.param(
            AUTOPILOT + "  outputSchema: {type: object}\n",
            [
                "7:3: spec.outputSchema: unknown field 'outputSchema'; write expectSchema: {file: schemas/NAME.json} [field-unknown]",
            ],
            id="a schema of results by another name",
        ),
        pytest.param(
            AUTOPILOT + "  timeZone: Europe/Rome\n",
            [
                "7:3: spec.timeZone: unknown field 'timeZone'; it belongs to a trigger: triggers: [{name: daily, kind: schedule, cron: \"@daily\", timezone: Europe/Rome}] [field-unknown]",
            ],
            id="CronJob's timeZone below spec",
        ),
        pytest.param(
            AUTOPILOT + "  suspend: true\n",
            [
                "7:3: spec.suspend: unknown field 'suspend'; write status: paused [field-unknown]",
            ],
            id="CronJob's suspend",
        ),
        pytest.param(
            AUTOPILOT + "  startingDeadlineSeconds: 10\n",
            [
                "7:3: spec.startingDeadlineSeconds: unknown field 'startingDeadlineSeconds'; write catchUpWindow, such as 10m, at the trigger [field-unknown]",
            ],
            id="CronJob's startingDeadlineSeconds",
        ),
        pytest.param(
            AUTOPILOT + "  activeDeadlineSeconds: 10\n",
            [
                "7:3: spec.activeDeadlineSeconds: unknown field 'activeDeadlineSeconds'; write timeout, such as 10m [field-unknown]",
            ],
            id="a Job's activeDeadlineSeconds",
        ),
        pytest.param(
            AGENT + "spec: {runtime: worker}\n",
            [
                "4:17: spec.runtime: expected a mapping, found the text 'worker'; write {type: worker} [field-type]",
            ],
            id="a runtime as a word",
        ),
        pytest.param(
            AGENT + "spec: {runtime: {kind: worker}}\n",
            [
                "4:8: spec.runtime.type: 'type' is missing, it is required; allowed: aegis, a2a, http, command, cli, worker [field-missing]",
            ],
            id="a runtime without type",
        ),
        pytest.param(
            AUTOPILOT + "  retry: 3\n",
            [
                "7:10: spec.retry: expected a mapping, found the number 3; write {limit: 3} [field-type]",
            ],
            id="retry as a number",
        ),
        pytest.param(
            TRIGGER + "      kind: webhook\n      signature: {scheme: none}\n      maxBody: 2GiB\n",
            [
                "11:16: spec.triggers[0].maxBody: expected 1B to 25MiB, found 2GiB [value-range]",
            ],
            id="a size beyond the limit",
        ),
    ],
)
def test_a_message_says_how_to_write_it(text: str, messages: list[str]) -> None:
    found = [str(p).removeprefix("a.yaml:") for p in problems_of(text, allow_external=True)]
    assert found == messages
