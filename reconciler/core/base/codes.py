"""The stable codes of Problems, with what each means; docs/errors.md has a heading for each."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Code(StrEnum):
    """What is wrong, for machines. A code keeps its meaning for ever (docs/errors.md)."""

    # The file
    FILE_UNREADABLE = "file-unreadable"
    FILE_SPECIAL = "file-special"
    FILE_LINK = "file-link"
    FILE_NAME = "file-name"
    FILE_TOO_LARGE = "file-too-large"
    FILE_ENCODING = "file-encoding"
    FILE_CHARACTER = "file-character"
    FILE_REFERENCE = "file-reference"
    # The YAML
    YAML_SYNTAX = "yaml-syntax"
    YAML_DIRECTIVE = "yaml-directive"
    YAML_TAG = "yaml-tag"
    YAML_ANCHOR = "yaml-anchor"
    YAML_ALIAS = "yaml-alias"
    YAML_MERGE = "yaml-merge"
    YAML_DUPLICATE_KEY = "yaml-duplicate-key"
    YAML_KEY = "yaml-key"
    YAML_DEPTH = "yaml-depth"
    YAML_NUMBER = "yaml-number"
    TEXT_NUL = "text-nul"
    # One document: its shape
    API_VERSION = "api-version"
    KIND_UNKNOWN = "kind-unknown"
    FIELD_MISSING = "field-missing"
    FIELD_UNKNOWN = "field-unknown"
    FIELD_TYPE = "field-type"
    FIELD_SERVER_OWNED = "field-server-owned"
    FIELD_CONFLICT = "field-conflict"
    VALUE_UNKNOWN = "value-unknown"
    VALUE_RANGE = "value-range"
    VALUE_LENGTH = "value-length"
    VALUE_PATTERN = "value-pattern"
    # One document: its values
    NAME_INVALID = "name-invalid"
    DURATION_INVALID = "duration-invalid"
    SIZE_INVALID = "size-invalid"
    AMOUNT_INVALID = "amount-invalid"
    BUDGET_EMPTY = "budget-empty"
    INSTANT_INVALID = "instant-invalid"
    CRON_INVALID = "cron-invalid"
    CRON_NEVER_FIRES = "cron-never-fires"
    TIMEZONE_UNKNOWN = "timezone-unknown"
    AT_INVALID = "at-invalid"
    EXPRESSION_INVALID = "expression-invalid"
    EXPRESSION_TOO_COMPLEX = "expression-too-complex"
    VARIABLE_UNKNOWN = "variable-unknown"
    FUNCTION_UNKNOWN = "function-unknown"
    TEMPLATE_INVALID = "template-invalid"
    SCHEMA_INVALID = "schema-invalid"
    # One document: its fields together
    TRIGGER_DUPLICATE = "trigger-duplicate"
    SCHEDULE_ONE_OF = "schedule-one-of"
    SCHEDULE_RANGE = "schedule-range"
    CATCH_UP_QUEUE = "catch-up-queue"
    QUEUE_KEEP_QUEUE = "queue-keep-queue"
    SIGNATURE_SECRET = "signature-secret"  # noqa: S105 - the code of a Problem
    SIGNATURE_OPTION = "signature-option"
    AGENT_OPTION = "agent-option"
    RUNTIME_OPTION = "runtime-option"
    FORMER_NAME_INVALID = "former-name-invalid"
    MEMBER_DUPLICATE = "member-duplicate"
    # Secrets
    SECRET_REFERENCE = "secret-reference"  # noqa: S105 - the code of a Problem
    SECRET_WORKSPACE = "secret-workspace"  # noqa: S105 - the code of a Problem
    SECRET_FILE = "secret-file"  # noqa: S105 - the code of a Problem
    SECRET_RANGE = "secret-range"  # noqa: S105 - the code of a Problem
    SECRET_LITERAL = "secret-literal"  # noqa: S105 - the code of a Problem
    # What the operator allows
    URL_INVALID = "url-invalid"
    URL_NOT_ALLOWED = "url-not-allowed"
    HEADER_INVALID = "header-invalid"
    COMMAND_NOT_ALLOWED = "command-not-allowed"
    PERMISSION_MODE_NOT_ALLOWED = "permission-mode-not-allowed"
    VARIABLE_NOT_ALLOWED = "variable-not-allowed"
    FOLDER_NOT_ALLOWED = "folder-not-allowed"
    CHANNEL_UNKNOWN = "channel-unknown"
    CHANNEL_NOT_ALLOWED = "channel-not-allowed"
    # Objects together
    OBJECT_DUPLICATE = "object-duplicate"
    FORMER_NAME_IN_USE = "former-name-in-use"
    ASSIGNEE_UNKNOWN = "assignee-unknown"
    MEMBER_UNKNOWN = "member-unknown"
    RUN_ONLY_UNSUPPORTED = "run-only-unsupported"
    # Warnings: valid, and likely wrong
    MOMENT_PAST = "moment-past"
    SCHEDULE_EMPTY = "schedule-empty"
    CRON_EITHER_DAY = "cron-either-day"
    APPROVAL_UNATTENDED = "approval-unattended"
    FILE_KUSTOMIZATION = "file-kustomization"
    CHANNEL_UNCHECKED = "channel-unchecked"
    BUDGET_RANGE = "budget-range"
    BUDGET_UNKNOWN_COST = "budget-unknown-cost"


WARNINGS = frozenset(
    {
        Code.MOMENT_PAST,
        Code.SCHEDULE_EMPTY,
        Code.CRON_EITHER_DAY,
        Code.APPROVAL_UNATTENDED,
        Code.FILE_KUSTOMIZATION,
        Code.BUDGET_RANGE,
        Code.BUDGET_UNKNOWN_COST,
        Code.CHANNEL_UNCHECKED,
    }
)
"""Codes that refuse nothing."""


MEANINGS: Mapping[Code, str] = MappingProxyType(
    {
        Code.FILE_UNREADABLE: "The file or folder cannot be opened or read.",
        Code.FILE_SPECIAL: "A pipe, a socket or a device stands where a manifest should.",
        Code.FILE_LINK: "A symbolic link leads nowhere, to a folder, or out of the source.",
        Code.FILE_NAME: "The name of a file is not UTF-8.",
        Code.FILE_TOO_LARGE: "The file is larger than 1 MiB.",
        Code.FILE_ENCODING: "The file is not UTF-8.",
        Code.FILE_CHARACTER: "A character that no manifest may hold as it is.",
        Code.FILE_REFERENCE: "A manifest names a file that does not lie below its folder.",
        Code.YAML_SYNTAX: "The text is no YAML.",
        Code.YAML_DIRECTIVE: "Directives such as `%YAML` are not allowed.",
        Code.YAML_TAG: "Tags such as `!!str` are not allowed.",
        Code.YAML_ANCHOR: "Anchors such as `&name` are not allowed.",
        Code.YAML_ALIAS: "Aliases such as `*name` are not allowed.",
        Code.YAML_MERGE: "Merge keys, `<<`, are not allowed.",
        Code.YAML_DUPLICATE_KEY: "A mapping has the same key twice.",
        Code.YAML_KEY: "The key of a mapping is no text.",
        Code.YAML_DEPTH: "More than 100 levels stand inside each other.",
        Code.YAML_NUMBER: "A number has more than 300 characters.",
        Code.TEXT_NUL: "A text holds the character NUL, written as `\\0`.",
        Code.API_VERSION: "This version does not read the `apiVersion`.",
        Code.KIND_UNKNOWN: "The `kind` is not Autopilot, Agent or Squad.",
        Code.FIELD_MISSING: "A required field is missing.",
        Code.FIELD_UNKNOWN: "There is no such field here.",
        Code.FIELD_TYPE: "The value is of another type than the field.",
        Code.FIELD_SERVER_OWNED: "The field belongs to the server and cannot be set in a manifest.",
        Code.FIELD_CONFLICT: "Two fields that stand for the same are both given.",
        Code.VALUE_UNKNOWN: "The field does not take this value.",
        Code.VALUE_RANGE: "The number is outside of its range.",
        Code.VALUE_LENGTH: "The text or list is too short or too long.",
        Code.VALUE_PATTERN: "The text is not of the form that the field takes.",
        Code.NAME_INVALID: "A name is not made of 1 to 63 of a-z, 0-9 and '-'.",
        Code.DURATION_INVALID: "A duration is not written like `90s`, `15m` or `1h30m`.",
        Code.SIZE_INVALID: "A size is not written like `64KiB` or `1MiB`.",
        Code.AMOUNT_INVALID: "An amount is not a number of US dollars.",
        Code.BUDGET_EMPTY: "A budget sets no limit.",
        Code.INSTANT_INVALID: "A moment is not like `2026-12-31T00:00:00Z`, with an offset.",
        Code.CRON_INVALID: "The cron expression is wrong.",
        Code.CRON_NEVER_FIRES: "The cron expression names days that no calendar has.",
        Code.TIMEZONE_UNKNOWN: "There is no time zone of this name.",
        Code.AT_INVALID: "The moment of a one-off schedule is not written like `2026-12-01T09:00`.",
        Code.EXPRESSION_INVALID: "The CEL expression does not compile.",
        Code.EXPRESSION_TOO_COMPLEX: "The CEL expression is too long or nests too deeply.",
        Code.VARIABLE_UNKNOWN: "The CEL expression names an unknown variable or field.",
        Code.FUNCTION_UNKNOWN: "The CEL expression calls an unknown function.",
        Code.TEMPLATE_INVALID: "The placeholders of a title are wrong.",
        Code.SCHEMA_INVALID: "The JSON Schema of results cannot be used.",
        Code.TRIGGER_DUPLICATE: "Two triggers of an autopilot have the same name.",
        Code.SCHEDULE_ONE_OF: "A schedule has not exactly one of `cron`, `every` and `at`.",
        Code.SCHEDULE_RANGE: "A schedule ends before it starts.",
        Code.CATCH_UP_QUEUE: "`catchUp: all` needs `concurrencyPolicy: queue`.",
        Code.QUEUE_KEEP_QUEUE: "`queueKeep: newest` needs `concurrencyPolicy: queue`.",
        Code.SIGNATURE_SECRET: "The signature has no secret, or one that its scheme does not use.",
        Code.SIGNATURE_OPTION: "The signature has an option that its scheme fixes itself.",
        Code.AGENT_OPTION: "A coding agent is given what it does not take.",
        Code.RUNTIME_OPTION: "Fields of a runtime do not go together.",
        Code.FORMER_NAME_INVALID: "A former name is the object's own name, or is listed twice.",
        Code.MEMBER_DUPLICATE: "A squad lists a member twice.",
        Code.SECRET_REFERENCE: "A reference to a secret has not exactly one of `env` and `file`.",
        Code.SECRET_WORKSPACE: "The variable does not belong to the manifest's workspace.",
        Code.SECRET_FILE: "The name of a secret file is no plain file name.",
        Code.SECRET_RANGE: "A secret is valid only after it has expired.",
        Code.SECRET_LITERAL: "A secret stands in the manifest itself.",
        Code.URL_INVALID: "The URL is no http or https URL.",
        Code.URL_NOT_ALLOWED: "The operator's `allowed_runtime_urls` do not admit the URL.",
        Code.HEADER_INVALID: "The header belongs to the server, or its value cannot be sent.",
        Code.COMMAND_NOT_ALLOWED: "The operator has bound no program to this name.",
        Code.PERMISSION_MODE_NOT_ALLOWED: "The operator does not admit the permission mode.",
        Code.VARIABLE_NOT_ALLOWED: "The operator has not named this environment variable.",
        Code.FOLDER_NOT_ALLOWED: "The operator has not named a folder that this one lies in.",
        Code.CHANNEL_UNKNOWN: "The operator has declared no channel of this name.",
        Code.CHANNEL_NOT_ALLOWED: "The operator does not let this workspace use the channel.",
        Code.OBJECT_DUPLICATE: "Two manifests declare the same object.",
        Code.FORMER_NAME_IN_USE: "The first former name belongs to another object.",
        Code.ASSIGNEE_UNKNOWN: "The assignee of an autopilot is not declared.",
        Code.MEMBER_UNKNOWN: "A member of a squad is not declared.",
        Code.RUN_ONLY_UNSUPPORTED: "`run_only` needs an agent that works without sessions.",
        Code.MOMENT_PAST: "A moment is past, so that a trigger does not fire.",
        Code.SCHEDULE_EMPTY: "A schedule has no occurrence within its bounds.",
        Code.CRON_EITHER_DAY: "A cron expression names a week of the month and a weekday.",
        Code.APPROVAL_UNATTENDED: "An agent asks for permission where nobody is there to give it.",
        Code.FILE_KUSTOMIZATION: "A kustomization lies beside manifests.",
        Code.BUDGET_RANGE: "One limit of a budget makes another one pointless.",
        Code.BUDGET_UNKNOWN_COST: "An agent with a budget does not tell what it costs.",
        Code.CHANNEL_UNCHECKED: "Which channels there are is not known here.",
    }
)
"""One sentence for each code, for people."""
